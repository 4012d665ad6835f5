"""Test data that stay in their file while they are trained on, and that file changes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from vsmnp.data import load_data
from vsmnp.data.arrays.load import load_given
from vsmnp.errors import CheckpointError, DataError, Interrupted
from vsmnp.runs import session as runs
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings
from vsmnp.training.loop import Watch

N, D = 40, 3
TINY = Settings(
    kernels="reference", steps=12, log_every=5, batch_size=4, hidden=(3,), samples=2, memory_budget=0.0
)


def _npy(folder: Path) -> Path:
    np.save(folder / "x.npy", np.random.default_rng(0).standard_normal((N, D)))
    return folder / "x.npy"


def _h5(folder: Path) -> Path:
    with h5py.File(folder / "x.h5", "w") as file:
        file["x"] = np.random.default_rng(0).standard_normal((N, D))
    return folder / "x.h5"


FILES: list[Callable[[Path], Path]] = [_npy, _h5]


def written(path: Path, row: int, value: float) -> None:
    """Write a number into a row of the file, whose other bytes stay."""
    x = np.random.default_rng(0).standard_normal((N, D))
    content = bytearray(path.read_bytes())
    at = bytes(content).index(x[row].tobytes())
    content[at : at + 8] = np.float64(value).tobytes()
    with path.open("r+b") as file:  # as it lies there, as another program would
        file.write(content)


def train_row(path: Path) -> int:
    """Return the first row of the file that is a training sample of the second minibatch."""
    order = load_data(str(path), memory_budget=0.0).stream(0, 0, np.dtype(np.float64)).order
    assert order is not None
    return int(order[5])


@pytest.mark.parametrize("make", FILES)
def test_a_row_that_becomes_no_number_is_named_and_the_run_goes_on(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    """The sentence blames the file, and with the file as it was the run ends with the same bits."""
    path = make(tmp_path)
    settings = replace(TINY, dataset=str(path))
    Session.new(settings, folder=tmp_path / "whole").train()
    row, before = train_row(path), path.read_bytes()
    session = Session.new(settings, folder=tmp_path / "run")
    written(path, row, np.nan)
    with pytest.raises(DataError, match=rf"holds NaN or infinity in row {row} .*put the file back") as told:
        session.train()
    assert "--lr" not in str(told.value)
    with path.open("r+b") as file:
        file.write(before)
    Session.resumed(tmp_path / "run").train()
    whole, run = ((tmp_path / name / "checkpoint.h5").read_bytes() for name in ("whole", "run"))
    assert run == whole


def test_other_finite_numbers_are_noticed_when_the_run_is_resumed(tmp_path: Path) -> None:
    """Also if the file changed in a resumed session, whose checkpoints have the hash of the first data."""
    path = _npy(tmp_path)
    session = Session.new(replace(TINY, dataset=str(path)), folder=tmp_path / "run")
    with pytest.raises(Interrupted):
        session.train(Watch(stop=lambda: session.state.step == 3))
    session = Session.resumed(tmp_path / "run")
    written(path, 7, 0.25)
    with pytest.raises(Interrupted):
        session.train(Watch(stop=lambda: session.state.step == 6))
    with pytest.raises(CheckpointError, match="no longer those"):
        Session.resumed(tmp_path / "run")


@pytest.mark.parametrize("make", [*FILES, "given"])
def test_a_file_that_becomes_shorter_is_a_sentence(
    tmp_path: Path, make: Callable[[Path], Path] | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the check the system ends the process by SIGBUS: each part of this test is in a process."""
    monkeypatch.setattr(runs, "SAVE_EVERY", 0.0)
    given = isinstance(make, str)
    path = _npy(tmp_path) if isinstance(make, str) else make(tmp_path)
    data = f"np.load({str(path)!r}, mmap_mode='r')" if given else "None"
    program = (
        "import numpy as np, os; from test_mapped import *; "
        f"settings = replace(TINY, dataset={str(path)!r}); "
        f"session = Session.new(settings, {data}); os.truncate({str(path)!r}, 0); session.train()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    assert done.returncode == 1
    assert "DataError" in done.stderr
    assert "has become shorter since it was opened: put the file back" in done.stderr


def test_selected_rows_are_plain_arrays(tmp_path: Path) -> None:
    """No operation on a minibatch pays for the check or keeps the file open."""
    data = load_data(str(_npy(tmp_path)), memory_budget=0.0)
    assert type(data.train_rows) is not np.ndarray  # type: ignore[attr-defined]
    stream = data.stream(0, 0, np.dtype(np.float32))
    assert type(stream[:5]) is np.ndarray
    assert type(data.test(0, np.dtype(np.float32))) is np.ndarray


def test_an_array_without_a_file_is_copied() -> None:
    values = np.ones((4, 2))
    data = load_given(values)
    values[:] = np.nan
    assert np.isfinite(data.epoch(0, 0, np.dtype(np.float64))).all()
