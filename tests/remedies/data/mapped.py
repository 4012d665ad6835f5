"""Situations of a mapped file that changes after it was opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vsmnp.data import load_data

from ..follow import Step, remedy

PATH = Path("mapped.npy")
X = np.arange(60.0).reshape(20, 3)


def _opened() -> Step:
    """Open the file, and return the step that reads its samples."""
    np.save(PATH, X)
    data = load_data(str(PATH), memory_budget=0.0)

    def run() -> None:
        assert np.isfinite(data.epoch(0, 0, np.dtype(np.float64))).all()

    return run


def _changed(content: bytes) -> None:
    """Write the file where it lies, as another program would."""
    with PATH.open("r+b") as file:
        file.truncate(len(content))
        file.write(content)


@remedy("has become shorter since it was opened: put the file back as it was")
def a_file_that_is_cut(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    step, whole = _opened(), PATH.read_bytes()
    _changed(whole[:-8])
    yield step
    _changed(whole)
    yield step


@remedy("which had numbers when it was opened: put the file back as it was")
def a_file_with_new_missing_values(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    step, whole = _opened(), PATH.read_bytes()
    _changed(whole[:-480] + np.full(60, np.nan).tobytes())
    yield step
    _changed(whole)
    yield step
