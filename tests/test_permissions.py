"""Test folders of runs without permission: each is named in a sentence, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from no_permission import closed

from vsmnp.cli.main import main
from vsmnp.errors import CheckpointError
from vsmnp.paper.reproduce.failure import experiment
from vsmnp.runs import checkpoint
from vsmnp.runs.newest import has_run
from vsmnp.runs.session import load_run
from vsmnp.sweeps.cells import Cell, cells_of
from vsmnp.sweeps.driver import Driver
from vsmnp.sweeps.engines.local import THIS_PROCESS
from vsmnp.sweeps.packs import Pack
from vsmnp.sweeps.work import train_pack

CELLS = cells_of(
    {"hidden": (4,), "steps": 3, "batch_size": 20, "kernels": "reference"},
    [{"seed": seed} for seed in range(3)],
)
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


def test_gradients_of_a_run_that_cannot_be_read_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closed(tmp_path / experiment._TRAINED.name):
        assert experiment._variances(tmp_path, 1) == []
    assert "are left out: The checkpoint" in caplog.text
