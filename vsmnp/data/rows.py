"""Samples in memory or in a mapped file, converted to numbers one minibatch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..types import Array, DType
from .mapped import Mapped, require_finite
from .preprocessing import NONE, Preprocessing

#: Default limit in GiB of samples held in memory; larger data stay on disk.
MEMORY_BUDGET = 2.0
#: Numbers per piece in a pass over all samples.
_PIECE = 2**22


class Rows(Protocol):
    """A table of samples that may be larger than the memory."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, rows: slice) -> Array:
        """Return a slice of the samples, ``(n, D)``."""


@dataclass(frozen=True, eq=False)
class Stored:
    """Samples in their stored type, of which a selection in a given order is read as numbers.

    Parameters
    ----------
    values : array
        ``(N, ...)``, in memory or mapped from a file; never copied as a whole.
    dtype : dtype
        Type of the samples that are read. Stored numbers are converted through float64, pixels (unsigned
        bytes) are not.
    divisor : float
        Divisor of stored values: 255 for pixels.
    order : array, optional
        Rows of ``values`` to read, ``(n,)``; by default all in stored order.
    preprocessing : Preprocessing
        Map of the numbers, in float64, to the units of the model.
    checked : bool
        Whether numbers of a mapped file are checked to be finite, as they were when it was opened; not for
        rows that are no samples.
    """

    values: Array
    dtype: DType
    divisor: float = 1.0
    order: Array | None = None
    preprocessing: Preprocessing = NONE
    checked: bool = True

    def __len__(self) -> int:
        return len(self.values if self.order is None else self.order)

    def __getitem__(self, rows: slice) -> Array:
        """Return the numbers of some samples, ``(n, D)``.

        Raises
        ------
        DataError
            If the values are mapped from a file that has become shorter or holds other values now.
        """
        index = rows if self.order is None else self.order[rows]
        found: Array = np.asarray(self.values[index])
        numbers = found.reshape(len(found), -1)
        if self.checked and isinstance(self.values, Mapped) and numbers.dtype.kind == "f":
            require_finite(numbers, self.values, index)
        if self.preprocessing:
            numbers = numbers.astype(np.float64) / self.divisor
            return self.preprocessing.to_model(numbers).astype(self.dtype)
        if numbers.dtype != np.uint8:
            numbers = numbers.astype(np.float64, copy=False)
        numbers = numbers.astype(self.dtype)
        if self.divisor != 1:
            numbers /= numbers.dtype.type(self.divisor)
        return numbers


@dataclass(frozen=True, eq=False)
class Joined:
    """The samples of two tables, one after the other."""

    first: Rows
    second: Rows

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, rows: slice) -> Array:
        n = len(self.first)
        start, stop, _ = rows.indices(len(self))
        if stop <= n:
            return self.first[start:stop]
        second = self.second[max(start - n, 0) : stop - n]
        return second if start >= n else np.concatenate([self.first[start:n], second])


def fits(n_bytes: int, memory_budget: float) -> bool:
    """Return whether ``n_bytes`` bytes are within a memory budget in GiB."""
    return n_bytes <= memory_budget * 2**30


def pieces(n: int, dim: int) -> Iterator[slice]:
    """Yield ``range(n)`` in consecutive slices of at most a few million numbers each."""
    size = max(1, _PIECE // max(1, dim))
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
