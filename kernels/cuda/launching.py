"""The base class of the ``cuda`` kernels: the machine, launch geometry and the layout of arguments.

A kernel ignores strides. An input without the layout that a kernel reads is copied; an array that a kernel
writes to is copied and copied back. The arrays of a training step have the right layout and are passed as
they are, including parameters and gradients that are views of the flat vector: only their rows need be
contiguous.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vsmnp.types import Array, DType, Shape

from .machine import Machine

WARP = 32


def blocks(count: int, size: int) -> int:
    """Return the number of blocks of ``size`` that cover ``count``."""
    return -(-count // size)


class Team(NamedTuple):
    """The number of threads that share one datum, and the number of data of a block."""

    width: int
    data: int


@dataclass(frozen=True)
class Launching:
    """The base class of the parts of a kernel set.

    Parameters
    ----------
    machine : Machine
        The machine that holds the arrays and runs the kernels.
    threads : int
        Number of threads of a block: whole warps, at most ``MAX_THREADS`` of ``real.cuh``.
    most_blocks : int
        The largest grid along x, enough to occupy any GPU; kernels loop with a stride beyond it.
    most_rows : int
        The largest grid along y and z; kernels loop with a stride beyond it.
    """

    machine: Machine
    threads: int = 256
    most_blocks: int = 4096
    most_rows: int = 65535

    # --- launches ---------------------------------------------------------------------------------

    def flat_grid(self, count: int, rows: int) -> Shape:
        """Compute a grid: ``count`` elements along x and rows along y, with strided loops in both."""
        return min(blocks(count, self.threads), self.most_blocks), min(rows, self.most_rows)

    def team(self, width: int) -> Team:
        """Choose the threads of a datum: lanes of a warp for narrow data, a whole block for wide data.

        Narrow data are read contiguously by the lanes of a warp.
        """
        if width > 2 * WARP:
            return Team(self.threads, 1)
        lanes = min(WARP, 1 << (width - 1).bit_length()) if width else 1
        return Team(lanes, self.threads // lanes)

    def launch(self, topic: str, dtype: DType, kernel: str, grid: Shape, *arguments: Any) -> None:
        """Launch ``kernel`` of ``<topic>.cu`` on the grid."""
        self.machine.module(topic, dtype).launch(kernel, grid, (self.threads,), arguments)

    # --- arrays -----------------------------------------------------------------------------------

    def empty(self, shape: Shape, dtype: DType) -> Array:
        """Allocate an uninitialised array, to be written by a kernel."""
        return self.machine.xp.empty(shape, dtype)  # type: ignore[no-any-return]

    def contiguous(self, x: Array, dtype: DType | None = None) -> Array:
        """Return ``x`` itself if it is C-contiguous and of that type, else a copy."""
        return self.machine.xp.ascontiguousarray(x, dtype)  # type: ignore[no-any-return]

    def broadcast(self, x: Array, shape: Shape, dtype: DType | None = None) -> Array:
        """Return ``x`` broadcast to ``shape``, C-contiguous and of that type."""
        return self.contiguous(x if x.shape == shape else self.machine.xp.broadcast_to(x, shape), dtype)

    @contextmanager
    def in_place(self, *arrays: Array) -> Iterator[list[Array]]:
        """Yield C-contiguous versions of ``arrays``, whose changes are written back at the end."""
        stand_ins = [self.contiguous(x) for x in arrays]
        yield stand_ins
        for x, stand_in in zip(arrays, stand_ins, strict=True):
            if stand_in is not x:
                x[...] = stand_in

    def rows(self, x: Array) -> Array:
        """Return ``x (R, W)`` if its rows are contiguous, at any distance from each other, else a copy."""
        right = x.shape[1] < 2 or x.strides[1] == x.itemsize
        return x if right and x.strides[0] % x.itemsize == 0 else self.contiguous(x)

    def scalar(self, value: float, like: Array) -> Any:
        """Convert a number to the type of ``like``, for a kernel argument."""
        return like.dtype.type(value)


def from_model_to_model(x: Array) -> int:
    """Return the number of elements from ``x[r]`` to ``x[r + 1]``; 0 if all models share x."""
    return x.strides[0] // x.itemsize if x.shape[0] > 1 else 0


def operand(x: Array) -> tuple[Array, int, int]:
    """Return a contiguous ``x (R|1, S|1, ...)`` and its element strides between models and samples."""
    models, samples, *sample = x.shape
    size = math.prod(sample)
    return x, samples * size if models > 1 else 0, size if samples > 1 else 0


def common(*arrays: Array) -> np.dtype[Any]:
    """Return the common dtype of the arrays."""
    return np.result_type(*(x.dtype for x in arrays))


def volume(shape: Shape) -> int:
    """Return the number of elements of an array of that shape."""
    return math.prod(shape)


def flag(value: bool) -> np.int32:
    """Convert a truth value to a kernel argument."""
    return np.int32(value)
