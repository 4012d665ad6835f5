"""Test that checkpoints whose flags have the names of earlier versions are read, listed and resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from small_data import smaller_sets
from test_stops import TINY, equal_runs, poison, stop_after

from vsmnp.cli.main import main
from vsmnp.runs import checkpoint
from vsmnp.runs.folder import CHECKPOINT, PREVIOUS
from vsmnp.runs.session import Session, load_run
from vsmnp.runs.survey import Phase, survey
from vsmnp.sweeps.cells import Cell
from vsmnp.sweeps.inventory import stored_outcome

#: Names of this version, with those that earlier versions wrote.
FORMER = {"active": "alive", "diverged_at": "died_at"}
#: Step before which the second model diverges, and step between two rows at which the run is stopped.
DIVERGES, STOPS = 3, 7
SETTINGS = replace(TINY, validation=0.1, evaluate_every=0.05)


@pytest.fixture(scope="module", autouse=True)
def fewer_points() -> Iterator[None]:
    """Make the data sets of all names smaller."""
    with smaller_sets(400, 40):
        yield


def give_former_names(path: Path) -> None:
    """Write a checkpoint with the names of earlier versions and a valid seal."""
    arrays, attributes = checkpoint.load(path)
    former = {}
    for name, array in arrays.items():
        *group, last = name.split("/")
        former["/".join((*group, FORMER.get(last, last)))] = array
    checkpoint.save(path, former, attributes)


def names_in(path: Path) -> set[str]:
    """Return the names of all arrays and groups as they stand in the file."""
    names: list[str] = []
    with h5py.File(path) as file:
        file.visit(names.append)
    return set(names)


@pytest.fixture
def present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run that was stopped between two rows, one of whose models has diverged."""
    with monkeypatch.context() as patch:
        poison(patch, DIVERGES)
        stop_after(Session.new(SETTINGS, folder=tmp_path / "present"), STOPS)
    return tmp_path / "present"


@pytest.fixture
def former(present: Path) -> Path:
    """Return the folder of the same run, as an earlier version has written it."""
    folder = present.parent / "former"
    shutil.copytree(present, folder)
    for name in (CHECKPOINT, PREVIOUS):
        if (folder / name).exists():
            give_former_names(folder / name)
    return folder


def test_a_checkpoint_with_former_names_resumes_with_the_same_bits(present: Path, former: Path) -> None:
    theirs, ours = names_in(former / CHECKPOINT), names_in(present / CHECKPOINT)
    old = {"alive", "died_at", "last_row/alive", "last_row/died_at"}
    new = {"active", "diverged_at", "last_row/active", "last_row/diverged_at"}
    assert (theirs - ours, ours - theirs) == (old, new), "new files have the new names only"
    equal_runs(former, present)
    for folder in (present, former):
        Session.resumed(folder).train()
    equal_runs(former, present)
    assert names_in(former / CHECKPOINT) == names_in(present / CHECKPOINT)
    arrays, _ = checkpoint.load(former / CHECKPOINT)
    assert arrays["active"].tolist() == [True, False]
    assert arrays["diverged_at"].tolist() == [0, DIVERGES]


def test_a_checkpoint_with_former_names_is_read_as_it_was(present: Path, former: Path) -> None:
    ours, theirs = load_run(present), load_run(former)
    assert len(theirs.evaluations.rows.steps) > 1
    for name in ("phi", "theta"):
        np.testing.assert_array_equal(getattr(theirs.vae, name), getattr(ours.vae, name))
    assert theirs.history.to_csv(SETTINGS.seeds) == ours.history.to_csv(SETTINGS.seeds)
    assert theirs.evaluations.rows.to_csv(SETTINGS.seeds) == ours.evaluations.rows.to_csv(SETTINGS.seeds)
    (best, wanted) = (load_run(folder, best=True).vae for folder in (former, present))
    np.testing.assert_array_equal(best.theta, wanted.theta)


def test_the_checkpoint_before_is_read_with_former_names(present: Path, former: Path) -> None:
    shutil.copy(former / CHECKPOINT, former / PREVIOUS)
    (former / CHECKPOINT).write_bytes(b"damaged")
    assert Session.resumed(former).state.active.tolist() == [True, False]


def test_a_run_with_former_names_is_listed(present: Path, former: Path) -> None:
    found = {each.folder: each for each in survey(former.parent)}
    ours, theirs = found[present], found[former]
    assert (theirs.phase, theirs.step, theirs.diverged, theirs.problem) == (Phase.STOPPED, STOPS, 1, "")
    assert replace(theirs, folder=present, state=ours.state) == ours
    for command in ("list", "info"):
        shown = CliRunner().invoke(main, [command, str(former), "--json"], prog_name="vsmnp")
        assert shown.exit_code == 0, shown.output
        assert json.loads(shown.output)


def test_a_cell_with_former_names_is_not_trained_again(tmp_path: Path) -> None:
    Session.new(TINY, folder=tmp_path / "cell").train()
    cell = Cell("cell", TINY, {})
    outcome = stored_outcome(cell, tmp_path)
    give_former_names(tmp_path / "cell" / CHECKPOINT)
    assert outcome is not None
    assert stored_outcome(cell, tmp_path) == outcome
