"""Test that a model trained in a pack is, on disk, the run that it would be by itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_data import smaller_sets

from vsmnp.errors import ConfigError, DivergenceError, Interrupted
from vsmnp.runs import checkpoint
from vsmnp.runs.lock import lock_folder
from vsmnp.runs.session import Session, load_run
from vsmnp.settings.in_effect import OF_A_MODEL
from vsmnp.settings.settings import Settings
from vsmnp.sweeps import work
from vsmnp.sweeps.axes import grid
from vsmnp.sweeps.cells import Cell, cells_of
from vsmnp.sweeps.driver import Driver
from vsmnp.sweeps.engines.local import THIS_PROCESS
from vsmnp.sweeps.packs import (
    LARGEST,
    MEMBERS,
    PACKS,
    Pack,
    largest_pack,
    may_be_packed,
    packs_of,
    remove_spent_packs,
)  # fmt: skip
from vsmnp.sweeps.work import Status, open_pack, train_pack

BASE = {"steps": 12, "hidden": (8,), "dtype": "float64", "log_every": 3, "batch_size": 40}
#: Axes of a pack: seeds, and every other setting that a model may have for itself.
AXES: Mapping[str, list[Any]] = {"seed": [3, 11], "lr": [1e-3, 3e-2], "encoder_lr": [1e-3, 1e-2]}
FILES = ["checkpoint.h5", "config.toml", "metrics.csv"]


@pytest.fixture(autouse=True)
def _few_data() -> Iterator[None]:
    with smaller_sets(120, 40):
        yield


def cells(base: Mapping[str, Any], axes: Mapping[str, Any] = AXES) -> tuple[Cell, ...]:
    found = cells_of({**BASE, **base}, grid(axes))
    assert all(isinstance(cell, Cell) for cell in found)
    return tuple(cell for cell in found if isinstance(cell, Cell))


def never() -> bool:
    return False


def trained_alone(cell: Cell, folder: Path) -> Path:
    with Session.new(cell.settings, folder=folder / cell.name) as session, suppress(DivergenceError):
        session.train()
    return folder / cell.name


def compare(found: Path, wanted: Path, tolerance: float, others: tuple[str, ...] = ()) -> None:
    """Compare two runs: files, attributes, and arrays to a tolerance relative to their largest value."""
    assert sorted(path.name for path in found.iterdir()) == sorted([*FILES, *others])
    (arrays, attributes), (others, about) = (checkpoint.load(path / FILES[0]) for path in (found, wanted))
    assert attributes == about
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        assert array.dtype == others[name].dtype, name
        assert array.shape == others[name].shape, name
        if tolerance:
            scale = np.abs(others[name]).max(initial=0)
            np.testing.assert_allclose(
                array, others[name], rtol=0, atol=tolerance * float(scale), err_msg=name
            )
        else:
            assert array.tobytes() == others[name].tobytes(), name
    if not tolerance:
        for name in FILES:
            assert (found / name).read_bytes() == (wanted / name).read_bytes()


OBJECTIVES = [
    {"objective": "elbo"},
    {"objective": "m1", "noise": 0.1, "kl_warmup": 1.0},
    {"objective": "m3", "gamma": "optimal", "encoder_steps": 2, "encoder_data": "fresh"},
    {"objective": "m2", "bilevel_steps": 2, "optimizer": "sgd"},
    {"objective": "fae"},
]


@pytest.mark.parametrize("kernels", ["reference", "cpu"])
@pytest.mark.parametrize("base", OBJECTIVES, ids=lambda base: base["objective"])
def test_a_member_is_the_single_run(base: dict[str, Any], kernels: str, tmp_path: Path) -> None:
    pack = Pack(cells({**base, "kernels": kernels}))
    outcomes = train_pack(pack, lambda parts: None, never, tmp_path / "sweep")
    assert [outcome.status for outcome in outcomes] == [Status.FINISHED] * len(pack.cells)
    assert not pack.folder(tmp_path / "sweep").exists()
    for cell, outcome in zip(pack.cells, outcomes, strict=True):
        alone = trained_alone(cell, tmp_path / "alone")
        compare(tmp_path / "sweep" / cell.name, alone, 0 if kernels == "reference" else 1e-12)
        history = load_run(tmp_path / "sweep" / cell.name).history
        assert outcome.figures == {name: column[-1][0] for name, column in history.columns.items()}


@pytest.mark.parametrize("kernels", ["reference", "cpu"])
def test_initial_sds_and_bilevel_step_sizes_are_of_a_model(kernels: str, tmp_path: Path) -> None:
    axes = {"bilevel_lr": [1e-3, 1e-1], "sd_init": [0.0, 0.5], "seed": [5]}
    pack = Pack(cells({"bilevel_steps": 2, "kernels": kernels, "standardize": "columns"}, axes))
    train_pack(pack, lambda parts: None, never, tmp_path / "sweep")
    for cell in pack.cells:
        alone = trained_alone(cell, tmp_path / "alone")
        compare(tmp_path / "sweep" / cell.name, alone, 0 if kernels == "reference" else 1e-12)


@pytest.mark.parametrize("every", [1, 3])
def test_a_model_that_diverges_leaves_what_it_leaves_alone(every: int, tmp_path: Path) -> None:
    """It ends at the last row before, and the other models of the pack go on."""
    axes = {"lr": [1e-3, 1e200, 1e-2], "seed": [0]}
    pack = Pack(cells({"optimizer": "sgd", "kernels": "reference", "log_every": every}, axes))
    outcomes = train_pack(pack, lambda parts: None, never, tmp_path / "sweep")
    assert [outcome.status for outcome in outcomes] == [Status.FINISHED, Status.DIVERGED, Status.FINISHED]
    for cell, outcome in zip(pack.cells, outcomes, strict=True):
        alone = trained_alone(cell, tmp_path / "alone")
        compare(tmp_path / "sweep" / cell.name, alone, 0)
        assert load_run(alone).step == outcome.step
    assert outcomes[1].step == (1 if every == 1 else 0)


@pytest.mark.parametrize("kernels", ["reference", "cpu"])
def test_a_member_resumes_as_the_single_run(kernels: str, tmp_path: Path) -> None:
    pack = Pack(cells({"kernels": kernels}))
    train_pack(pack, lambda parts: None, never, tmp_path / "sweep")
    cell = pack.cells[-1]
    for folder in (tmp_path / "sweep" / cell.name, trained_alone(cell, tmp_path / "alone")):
        with Session.resumed(folder, {"steps": 20}) as session:
            session.train()
    found = tmp_path / "sweep" / cell.name
    tolerance = 0 if kernels == "reference" else 1e-12
    compare(found, tmp_path / "alone" / cell.name, tolerance, ("checkpoint.previous.h5",))


@pytest.mark.parametrize("stop_at", [0, 1, 7])
def test_a_stopped_pack_goes_on_with_the_same_bits(stop_at: int, tmp_path: Path) -> None:
    pack = Pack(cells({"kernels": "cpu", "log_every": 1}))
    steps = 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps > stop_at

    with pytest.raises(Interrupted):
        train_pack(pack, lambda parts: None, stop, tmp_path / "stopped")
    assert Session.resumed(pack.folder(tmp_path / "stopped"), to_read=True).state.step == stop_at
    train_pack(pack, lambda parts: None, never, tmp_path / "stopped")
    train_pack(pack, lambda parts: None, never, tmp_path / "whole")
    for cell in pack.cells:
        compare(tmp_path / "stopped" / cell.name, tmp_path / "whole" / cell.name, 0)


def test_a_cell_of_a_pack_takes_three_files_and_seven_flushes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They decide the load of a file system (docs/scale.md)."""
    flushed: list[int] = []
    monkeypatch.setattr("os.fsync", flushed.append)
    counts = []
    for number in (2, 5):
        flushed.clear()
        pack = Pack(cells({"steps": 1, "kernels": "reference"}, {"seed": list(range(number))}))
        train_pack(pack, lambda parts: None, never, tmp_path / f"{number}")
        counts.append(len(flushed))
        assert all(len(list((tmp_path / f"{number}" / cell.name).iterdir())) == 3 for cell in pack.cells)
    assert counts[1] - counts[0] == 3 * 7


@pytest.mark.parametrize("place", range(9))
def test_a_kill_during_the_split_loses_nothing(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends before each of the files that the split writes in turn, and before the removal."""
    pack = Pack(cells({"kernels": "cpu"}, {"seed": [0, 1], "lr": [1e-3]}))
    train_pack(pack, lambda parts: None, never, tmp_path / "whole")
    written = 0

    class Killed(BaseException):
        pass

    def counted(function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal written
            written += 1
            if written > place:
                raise Killed
            return function(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        patch.setattr("vsmnp.sweeps.split.write_text", counted(work.write_members.__globals__["write_text"]))
        patch.setattr("vsmnp.sweeps.split.checkpoint", Counted(counted(checkpoint.save)))
        patch.setattr(shutil, "rmtree", counted(shutil.rmtree))
        if place < 7:
            with pytest.raises(Killed):
                train_pack(pack, lambda parts: None, never, tmp_path / "sweep")
        else:
            train_pack(pack, lambda parts: None, never, tmp_path / "sweep")
    table = Driver(tmp_path / "sweep", THIS_PROCESS).train(pack.cells)
    assert [row["status"] for row in table.rows] == ["finished", "finished"]
    for cell in pack.cells:
        compare(tmp_path / "sweep" / cell.name, tmp_path / "whole" / cell.name, 0)
    assert not (tmp_path / "sweep" / ".packs").exists()


class Counted:
    """The module of checkpoints with another ``save``."""

    def __init__(self, save: Any) -> None:
        self.save = save


# --- how packs are formed --------------------------------------------------------------------------


def test_cells_of_equal_mathematics_are_packed() -> None:
    axes = {"objective": ["m1", "elbo"], "lr": [1e-3, 1e-2], "seed": [0, 1, 2]}
    packs = list(packs_of(cells({}, axes), 64))
    assert [len(pack.cells) for pack in packs] == [6, 6]
    assert [{cell.settings.objective for cell in pack.cells} for pack in packs] == [{"m1"}, {"elbo"}]
    assert sum(pack.size for pack in packs) == 12 * 12


@pytest.mark.parametrize(("largest", "sizes"), [(1, [1] * 7), (2, [1, 2, 2, 2]), (3, [2, 2, 3]), (7, [7])])
def test_packs_are_as_equal_as_they_can_be(largest: int, sizes: list[int]) -> None:
    packs = list(packs_of(cells({}, {"seed": list(range(7))}), largest))
    assert sorted(len(pack.cells) for pack in packs) == sizes
    assert [cell.settings.seeds for pack in packs for cell in pack.cells] == [(seed,) for seed in range(7)]


@pytest.mark.parametrize(
    "base", [{"evaluate_every": 1.0}, {"validation": 0.1}, {"seeds": (0, 1)}, {"arch": "dcgan"}]
)
def test_what_an_ensemble_would_change_is_trained_alone(base: dict[str, Any]) -> None:
    assert may_be_packed(Settings())
    assert not may_be_packed(Settings.from_mapping(base))


def test_a_pack_keeps_all_workers_busy() -> None:
    assert [largest_pack(cells, 4) for cells in (1, 4, 5, 400)] == [1, 1, 2, 50]
    assert largest_pack(1_280_000, 2) == LARGEST
    assert largest_pack(0, 2) == 1


def test_folders_of_packs_are_removed_when_no_training_goes_on_in_them(tmp_path: Path) -> None:
    def touch(path: Path, text: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    packs = tmp_path / PACKS
    (packs / "empty").mkdir(parents=True)
    touch(tmp_path / "seed=0" / "checkpoint.h5")
    members = {"untrained": [1], "half-done": [0, 1], "divided": [0], "in-use": [0]}
    for name, seeds in members.items():
        touch(packs / name / MEMBERS, json.dumps([f"seed={seed}" for seed in seeds]))
        if name != "untrained":
            touch(packs / name / "checkpoint.h5")
    touch(packs / "damaged" / MEMBERS, "[")
    touch(packs / "damaged" / "checkpoint.h5")
    lock = lock_folder(packs / "in-use")
    remove_spent_packs(tmp_path)
    assert {path.name for path in packs.iterdir()} == {"half-done", "damaged", "in-use"}
    lock.release()
    touch(tmp_path / "seed=1" / "checkpoint.h5")
    touch(packs / "damaged" / MEMBERS, "[]")
    remove_spent_packs(tmp_path)
    assert not packs.exists()


def test_a_setting_of_a_model_is_a_setting() -> None:
    assert set(OF_A_MODEL) <= set(Settings.__dataclass_fields__)


def test_a_pack_of_other_settings_is_refused(tmp_path: Path) -> None:
    pack = Pack(cells({"kernels": "cpu"}))
    with open_pack(pack, pack.folder(tmp_path)) as session:
        session.save(session.state)
    other = Pack(tuple(replace(cell, settings=replace(cell.settings, samples=3)) for cell in pack.cells))
    with pytest.raises(ConfigError, match="holds a run with samples = 5, not 3: remove it"):
        open_pack(other, pack.folder(tmp_path))


def of_length(pack: Pack, **length: float) -> Pack:
    """Return a pack of the same cells with another length."""
    base = {"steps": 0, "epochs": 0.0, **length}
    return Pack(tuple(replace(each, settings=replace(each.settings, **base)) for each in pack.cells))


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_length_of_a_pack_is_its_number_of_steps(schedule: str, tmp_path: Path) -> None:
    pack = of_length(Pack(cells({"kernels": "reference", "lr_schedule": schedule})), epochs=1.0)
    folder = pack.folder(tmp_path)
    with open_pack(pack, folder) as session:
        session.save(session.state)
        steps = session.total_steps
    remedy = "ask for at least as many" if schedule == "constant" else f"ask for --steps {steps}"
    for fewer in ({"epochs": 0.5}, {"steps": steps - 1}):
        with pytest.raises(ConfigError, match=f"a run of {steps} steps.* more than .*: {remedy}, or"):
            open_pack(of_length(pack, **fewer), folder)
    with open_pack(of_length(pack, steps=steps), folder) as session:
        assert (session.total_steps, session.trainer.settings.epochs) == (steps, 1.0)
    if schedule == "constant":
        with open_pack(of_length(pack, epochs=2.0), folder) as session:
            assert session.total_steps == 2 * steps
