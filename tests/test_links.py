"""Test that nothing outside a run's folder is written, whatever links lie in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from small_data import smaller_sets

from vsmnp.cli import main
from vsmnp.errors import LockedError, StorageError
from vsmnp.runs.lock import LOCK, lock_folder

OPTIONS = ["--quiet", "--kernels", "reference", "--hidden", "3", "--batch-size", "10", "--samples", "2"]
WRITTEN = (
    "checkpoint.h5", "config.toml", "metrics.csv", "evaluation.csv", "validation.csv", "samples.png",
    "curves.png", "evaluation.json",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def fewer_points() -> Iterator[None]:
    """Make the data sets of all names smaller."""
    with smaller_sets(400, 40):
        yield


def vsmnp(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_a_link_in_a_run_folder_is_replaced(tmp_path: Path) -> None:
    """Every file of a run is made a link to somebody's file; the run goes on, and that file stays."""
    folder, victim = tmp_path / "run", tmp_path / "victim"
    more = ["--steps", 4, "--evaluate-every", "0.05", "--validation", "0.1"]
    assert vsmnp("train", *OPTIONS, *more, "--out", folder).exit_code == 0
    assert {path.name for path in folder.iterdir()} >= set(WRITTEN)
    for name in WRITTEN:
        path, content = folder / name, (folder / name).read_bytes()
        victim.write_bytes(content)
        path.unlink()
        path.symlink_to(victim)
        result = vsmnp("train", "--resume", folder, "--quiet", "--steps", 8)
        assert result.exit_code == 0, result.output
        assert victim.read_bytes() == content, name
        assert not path.is_symlink(), name


def _linked(folder: Path, victim: Path) -> None:
    (folder / LOCK).symlink_to(victim)


def _linked_hard(folder: Path, victim: Path) -> None:
    (folder / LOCK).hardlink_to(victim)


@pytest.mark.parametrize("make", [_linked, _linked_hard])
def test_a_lock_that_is_a_link_is_not_written_to(tmp_path: Path, make: object) -> None:
    """The holder's name goes to a file of the folder alone, and releasing the lock removes no other file."""
    folder, victim = tmp_path / "run", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("dear")
    assert callable(make)
    make(folder, victim)
    with pytest.raises(StorageError, match=r"\.lock.* is no file of its own: remove it") as refused:
        lock_folder(folder)
    assert not isinstance(refused.value, LockedError)
    assert victim.read_text() == "dear"
    assert os.path.lexists(folder / LOCK)
    (folder / LOCK).unlink()
    lock_folder(folder).release()


def test_a_lock_that_leads_to_nothing_creates_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / LOCK).symlink_to(tmp_path / "new")
    with pytest.raises(StorageError, match="is no file of its own"):
        lock_folder(folder)
    assert not (tmp_path / "new").exists()
