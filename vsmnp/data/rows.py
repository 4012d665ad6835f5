"""Samples where they lie, in memory or in a mapped file: read by the minibatch, when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..types import Array, DType

#: GiB of samples that are held in memory if nobody says otherwise; larger data stay on the disk.
MEMORY_BUDGET = 2.0
#: Numbers that are looked at in one piece when all samples are.
_PIECE = 2**22


class Rows(Protocol):
    """A table of samples that may be too large for the memory."""

    def __len__(self) -> int:
        """How many samples."""

    def __getitem__(self, rows: slice) -> Array:
        """Some of them, ``(n, D)``."""


@dataclass(frozen=True, eq=False)
class Stored:
    """Samples as they are stored, of which some, in some order, are handed out as numbers.

    Parameters
    ----------
    values : array
        ``(N, ...)``, in memory or mapped from a file; never copied as a whole.
    dtype : dtype
        Of what is handed out. Stored numbers pass through float64, pixels (unsigned bytes) do not.
    divisor : float
        What they are divided by: 255 for pixels.
    order : array, optional
        Which rows of ``values``, ``(n,)``; by default all of them as they lie.
    """

    values: Array
    dtype: DType
    divisor: float = 1.0
    order: Array | None = None

    def __len__(self) -> int:
        return len(self.values if self.order is None else self.order)

    def __getitem__(self, rows: slice) -> Array:
        found: Array = self.values[rows if self.order is None else self.order[rows]]
        numbers = found.reshape(len(found), -1)
        if numbers.dtype != np.uint8:
            numbers = numbers.astype(np.float64, copy=False)
        numbers = numbers.astype(self.dtype)
        if self.divisor != 1:
            numbers /= numbers.dtype.type(self.divisor)
        return numbers


def fits(n_bytes: int, memory_budget: float) -> bool:
    """Whether so many bytes may be held in memory, by a budget in GiB."""
    return n_bytes <= memory_budget * 2**30


def pieces(n: int, dim: int) -> Iterator[slice]:
    """``range(n)`` in consecutive slices, each of a few million numbers at most."""
    size = max(1, _PIECE // max(1, dim))
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def mapped(path: str, dtype: DType, offset: int, shape: tuple[int, ...]) -> Array:
    """An array that stays in its file until it is looked at."""
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape))
