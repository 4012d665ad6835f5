"""Test folders of runs without permission: each is named in a sentence, and the others go on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from no_permission import closed

from vsmnp.cli.main import main
from vsmnp.cli.values import RUN
from vsmnp.data import load_data
from vsmnp.errors import CheckpointError, DataError, StorageError
from vsmnp.evaluation.classifier import store
from vsmnp.evaluation.features.files import read_features
from vsmnp.paper.reproduce.failure import experiment
from vsmnp.runs import checkpoint
from vsmnp.runs.lock import lock_folder
from vsmnp.runs.newest import has_run
from vsmnp.runs.session import Session, load_run
from vsmnp.settings.settings import Settings
from vsmnp.storage import remove_leftovers
from vsmnp.sweeps.cells import Cell, cells_of
from vsmnp.sweeps.driver import Driver
from vsmnp.sweeps.engines.local import THIS_PROCESS
from vsmnp.sweeps.packs import MEMBERS, Pack
from vsmnp.sweeps.work import train_pack

SMALL: dict[str, Any] = {"hidden": (4,), "steps": 3, "batch_size": 20, "kernels": "reference"}
CELLS = cells_of(SMALL, [{"seed": seed} for seed in range(3)])
REFUSED = r"checkpoint\.h5 cannot be read \(Permission denied\): change its permissions"


@pytest.fixture
def later() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def test_a_folder_that_may_not_be_looked_into_has_a_run_that_cannot_be_read(tmp_path: Path) -> None:
    assert not has_run(tmp_path)
    with closed(tmp_path):
        assert has_run(tmp_path)
        with pytest.raises(CheckpointError, match=REFUSED):
            load_run(tmp_path)


@pytest.mark.parametrize("begun", [False, True], ids=["new", "begun"])
def test_a_cell_without_permission_fails_and_the_others_are_trained(begun: bool, tmp_path: Path) -> None:
    if begun:
        Driver(tmp_path, THIS_PROCESS, pack=3).train(CELLS[1:2])
    else:
        (tmp_path / "seed=1").mkdir()
    with closed(tmp_path / "seed=1"):
        rows = Driver(tmp_path, THIS_PROCESS, pack=3).train(CELLS).rows
    assert [row["status"] for row in rows] == ["finished", "failed", "finished"]
    assert "change its permissions" in rows[1]["error"]
    again = Driver(tmp_path, THIS_PROCESS, pack=3).train(CELLS).rows
    assert {row["status"] for row in again} == {"finished"}


def test_a_pack_of_which_a_folder_loses_its_permission_says_so_and_writes_the_others(
    tmp_path: Path, later: ExitStack
) -> None:
    """The training is not lost."""
    (tmp_path / "seed=1").mkdir()
    pack = Pack(tuple(cell for cell in CELLS if isinstance(cell, Cell)))
    begun: list[None] = []

    def close(parts: int) -> None:
        if not begun:
            later.enter_context(closed(tmp_path / "seed=1"))
            begun.append(None)

    outcomes = train_pack(pack, close, lambda: False, tmp_path)
    assert "Permission denied" in outcomes[1].error
    assert "fault" not in outcomes[1].error
    later.close()
    assert load_run(tmp_path / "seed=2").step == 3
    assert checkpoint.load(pack.folder(tmp_path) / "checkpoint.h5")[0]["step"] == 3
    assert {row["status"] for row in Driver(tmp_path, THIS_PROCESS).train(CELLS).rows} == {"finished"}


def test_list_names_a_folder_without_permission(tmp_path: Path) -> None:
    Driver(tmp_path, THIS_PROCESS, pack=3).train(CELLS)
    with closed(tmp_path / "seed=1"):
        result = CliRunner().invoke(main, ["list", str(tmp_path)])
    assert [line.split()[:2] for line in result.stdout.splitlines()[2:]] == [
        ["seed=0", "finished"], ["seed=1", "unreadable"], ["seed=2", "finished"],
    ]  # fmt: skip
    assert "change its permissions" in result.stderr


def test_a_folder_that_lies_in_one_without_permission_cannot_be_locked(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with (
        closed(tmp_path),
        pytest.raises(StorageError, match=r"cannot be locked \(Permission denied\): change"),
    ):
        lock_folder(tmp_path / "run")


def test_data_in_a_folder_without_permission_may_not_be_read(tmp_path: Path) -> None:
    """They are neither said to be gone, nor looked for elsewhere."""
    place, run = tmp_path / "data", tmp_path / "run"
    place.mkdir()
    np.save(place / "x.npy", np.random.default_rng(0).standard_normal((40, 2)))
    Session.new(Settings(**SMALL, dataset=str(place / "x.npy")), folder=run).train()
    with closed(place):
        for read in (
            lambda: load_data(place / "x.npy"), lambda: load_run(run).test_set, lambda: Session.resumed(run),
            lambda: read_features(place / "x.npy"),
        ):  # fmt: skip
            with pytest.raises(DataError, match=r"x\.npy may not be read: change its permissions"):
                read()
        with pytest.raises(CheckpointError, match=r"cannot be read \(Permission denied\): change its perm"):
            store.load(place / "classifier.h5")
    assert load_run(run).test_set.shape == (4, 2)


def test_a_folder_of_a_pack_without_permission_is_left_alone(tmp_path: Path) -> None:
    """The cells are trained, and the folder is removed when it can be looked into."""
    Driver(tmp_path, THIS_PROCESS).train(CELLS)
    pack = tmp_path / ".packs" / "0"
    pack.mkdir(parents=True)
    (pack / MEMBERS).write_text('["seed=0"]')
    with closed(pack):
        rows = Driver(tmp_path, THIS_PROCESS).train(CELLS).rows
        assert {row["status"] for row in rows} == {"finished"}
        assert pack in (tmp_path / ".packs").iterdir()
    Driver(tmp_path, THIS_PROCESS).train(CELLS)
    assert not pack.exists()


def test_runs_are_completed_beside_a_folder_without_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Driver(tmp_path / "runs", THIS_PROCESS, pack=3).train(CELLS)
    monkeypatch.chdir(tmp_path)
    with closed(Path("runs/seed=1")):
        words = [item.value for item in RUN.shell_complete(None, None, "ru")]  # type: ignore[arg-type]
    assert words == ["ru", "runs/seed=0", "runs/seed=2"]


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES], ids=errno.errorcode.get)
def test_a_look_that_fails_is_taken_for_a_run_that_cannot_be_read(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is too long for the system is one of no run."""
    assert not has_run(tmp_path / ("x" * 300))
    (tmp_path / "seed=1").mkdir()

    def fail(allowed: Callable[..., Any]) -> Callable[..., Any]:
        def failing(path: Any, *arguments: Any, **options: Any) -> Any:
            if "seed=1/checkpoint" in str(path):
                raise OSError(code, os.strerror(code), str(path))
            return allowed(path, *arguments, **options)

        return failing

    with monkeypatch.context() as disk:
        for name in ("stat", "lstat", "open"):
            disk.setattr(os, name, fail(getattr(os, name)))
        table = Driver(tmp_path, THIS_PROCESS, pack=3).train(CELLS)
    assert table.column("status") == ["finished", "failed", "finished"]
    assert f"cannot be read ({os.strerror(code)})" in table.failures[0][1]


def test_old_files_in_a_folder_that_cannot_be_listed_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are of no concern to a training."""

    def fail(path: Any = ".") -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(os, "scandir", fail)
    remove_leftovers(tmp_path / "x")


def test_gradients_of_a_run_that_cannot_be_read_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closed(tmp_path / experiment._TRAINED.name):
        assert experiment._variances(tmp_path, 1) == []
    assert "are left out: The checkpoint" in caplog.text
