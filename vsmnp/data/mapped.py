"""Arrays in a file that is mapped and not read: a file that becomes shorter is an error and no signal.

The system ends a process by a signal where it reads mapped bytes that a file no longer has, and Python cannot
catch it. Reading rows by system calls would never meet it, but takes a call for each row of a minibatch: here
the length of the file, which is one call, is checked each time before rows are read.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..types import Array, DType


class _File:
    """A file that stays open for as long as an array needs it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self._length = os.fstat(self._descriptor).st_size

    def is_shorter(self) -> bool:
        """Return whether the file has fewer bytes than when it was opened."""
        return os.fstat(self._descriptor).st_size < self._length


class Mapped(np.ndarray[Any, Any]):
    """An array, or a view of one, whose bytes lie in a file.

    Selected rows are a plain array where they are a copy.
    """

    _file: _File | None = None

    def __array_finalize__(self, parent: object) -> None:
        self._file = getattr(parent, "_file", None)

    def __getitem__(self, index: Any) -> Any:
        """Select rows, after a check that the file still has them.

        Raises
        ------
        DataError
            If the file has become shorter.
        """
        if self._file is not None and self._file.is_shorter():
            raise DataError(
                f"{self.path} has become shorter since it was opened: put the file back as it was, and go on "
                "with a run by --resume."
            )
        found = super().__getitem__(index)
        return np.asarray(found) if isinstance(found, Mapped) and found.base is None else found

    @property
    def path(self) -> str:
        """Path of the file that is mapped to memory."""
        return "" if self._file is None else self._file.path


def guarded(values: Array, path: Path | str) -> Array:
    """Return a view of an array that is mapped from a file, of at least its present length."""
    found = values.view(Mapped)
    found._file = _File(str(path))
    return found


def mapped(path: str, dtype: DType, offset: int, shape: tuple[int, ...]) -> Array:
    """Map an array in a file without reading it."""
    return guarded(np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)), path)


def require_finite(numbers: Array, values: Mapped, rows: Array | slice) -> None:
    """Check that numbers ``(n, D)`` read from rows of a mapped array are finite, as they were when opened.

    Raises
    ------
    DataError
        If the file has other numbers now; the message names the row.
    """
    fine = np.isfinite(numbers).all(axis=1)
    if fine.all():
        return
    index = np.arange(len(values))[rows] if isinstance(rows, slice) else rows
    raise DataError(
        f"{values.path} holds NaN or infinity in row {index[int(np.argmin(fine))]} (counting from 0), "
        "which had numbers when it was opened: put the file back as it was, and go on with a run by --resume."
    )
