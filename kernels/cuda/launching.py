"""What every part of the ``cuda`` set stands on: a machine, launch geometry, and arrays as kernels want them.

A kernel ignores strides. An input that does not lie as a kernel reads it is copied; an array that a kernel
writes into is copied and copied back. Arrays of a training step lie right and are passed as they are,
parameters and gradients as views of the flat vector included: only their rows need be contiguous.
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
    """How many blocks of ``size`` cover ``count``."""
    return -(-count // size)


class Team(NamedTuple):
    """Threads that share one datum, and how many data a block takes."""

    width: int
    data: int


@dataclass(frozen=True)
class Part:
    """A part of a kernel set.

    Parameters
    ----------
    machine : Machine
        Where arrays live and kernels run.
    threads : int
        Of a block: whole warps, at most ``MAX_THREADS`` of ``real.cuh``.
    most_blocks : int
        Along x, enough to keep every card busy; kernels stride on from there.
    most_rows : int
        The largest grid along y and z; kernels stride on there too.
    """

    machine: Machine
    threads: int = 256
    most_blocks: int = 4096
    most_rows: int = 65535

    # --- launches ---------------------------------------------------------------------------------

    def flat_grid(self, count: int, rows: int) -> Shape:
        """Threads over ``count`` elements along x, rows along y; a kernel strides on in both."""
        return min(blocks(count, self.threads), self.most_blocks), min(rows, self.most_rows)

    def team(self, width: int) -> Team:
        """Lanes of a warp for narrow data, so that they lie side by side; a block for wide ones."""
        if width > 2 * WARP:
            return Team(self.threads, 1)
        lanes = min(WARP, 1 << (width - 1).bit_length()) if width else 1
        return Team(lanes, self.threads // lanes)

    def launch(self, topic: str, dtype: DType, kernel: str, grid: Shape, *arguments: Any) -> None:
        """Start ``kernel`` of ``<topic>.cu``."""
        self.machine.module(topic, dtype).launch(kernel, grid, (self.threads,), arguments)

    # --- arrays -----------------------------------------------------------------------------------

    def empty(self, shape: Shape, dtype: DType) -> Array:
        """Memory that a kernel fills."""
        return self.machine.xp.empty(shape, dtype)  # type: ignore[no-any-return]

    def contiguous(self, x: Array, dtype: DType | None = None) -> Array:
        """``x`` itself if it is C-contiguous and of that type, else a copy."""
        return self.machine.xp.ascontiguousarray(x, dtype)  # type: ignore[no-any-return]

    def stretched(self, x: Array, shape: Shape, dtype: DType | None = None) -> Array:
        """The same for ``x`` broadcast to ``shape``."""
        return self.contiguous(x if x.shape == shape else self.machine.xp.broadcast_to(x, shape), dtype)

    @contextmanager
    def in_place(self, *arrays: Array) -> Iterator[list[Array]]:
        """C-contiguous stand-ins for ``arrays``, whose changes are written back at the end."""
        stand_ins = [self.contiguous(x) for x in arrays]
        yield stand_ins
        for x, stand_in in zip(arrays, stand_ins, strict=True):
            if stand_in is not x:
                x[...] = stand_in

    def rows(self, x: Array) -> Array:
        """``x (R, W)`` with contiguous rows, which may lie any way apart; else a copy."""
        right = x.shape[1] < 2 or x.strides[1] == x.itemsize
        return x if right and x.strides[0] % x.itemsize == 0 else self.contiguous(x)

    def scalar(self, value: float, like: Array) -> Any:
        """A number in the type of ``like``, as a kernel takes it."""
        return like.dtype.type(value)


def from_model_to_model(x: Array) -> int:
    """Elements from ``x[r]`` to ``x[r + 1]``; 0 where one serves all models."""
    return x.strides[0] // x.itemsize if x.shape[0] > 1 else 0


def operand(x: Array) -> tuple[Array, int, int]:
    """A contiguous ``x (R|1, S|1, ...)`` and its steps from model to model and from sample to sample."""
    models, samples, *sample = x.shape
    size = math.prod(sample)
    return x, samples * size if models > 1 else 0, size if samples > 1 else 0


def common(*arrays: Array) -> np.dtype[Any]:
    """The dtype that holds what each array holds."""
    return np.result_type(*(x.dtype for x in arrays))


def volume(shape: Shape) -> int:
    """Elements of an array of that shape."""
    return math.prod(shape)


def flag(value: bool) -> np.int32:
    """A truth value as a kernel takes it."""
    return np.int32(value)
