"""A device that records: arrays that only it opens, kernels run by the shim, a tape in place of a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from remote import Remote, Tape, do, made, opened

from vsmnp.kernels.cuda.kernel_set import CudaKernels
from vsmnp.kernels.cuda.machine import Machine, Module
from vsmnp.kernels.cuda.matrices import MatrixProduct
from vsmnp.types import Array, DType, Shape

from .runner import ShimLauncher

T = TypeVar("T")


def _poison(inside: np.ndarray) -> None:
    inside.reshape(-1).view(np.uint8)[:] = 0xFF


class RemoteArrays:
    """The module of arrays that the ``cuda`` set requires."""

    def empty(self, shape: Shape, dtype: DType) -> Remote:
        """Allocate memory whose bits are all set."""
        array = Remote(np.empty(shape, dtype))
        do(lambda: _poison(array.inside))
        return array

    def zeros(self, shape: Shape, dtype: DType) -> Remote:
        """Allocate memory that is cleared, at each replay too."""
        array = Remote(np.empty(shape, dtype))
        do(lambda: array.inside.fill(0))
        return array

    def asarray(self, x: Any, dtype: DType | None = None) -> Remote:
        """Return ``x`` on the device; host arrays cannot be recorded."""
        if isinstance(x, Remote):
            return x if dtype in (None, x.dtype) else x.astype(dtype)  # type: ignore[no-any-return]
        if Remote.tape is not None:
            raise RuntimeError("An array of the host travels while a step is recorded.")
        return Remote(np.array(x, dtype))

    def ascontiguousarray(self, x: Remote, dtype: DType | None = None) -> Remote:
        """Return ``x`` itself if it is contiguous, or else a copy."""
        if x.inside.flags.c_contiguous and dtype in (None, x.dtype):
            return x
        return made(np.ascontiguousarray, (x, dtype), {})  # type: ignore[no-any-return]

    def broadcast_to(self, x: Remote, shape: Shape) -> Remote:
        """Return a view of ``x`` with this shape."""
        return made(np.broadcast_to, (x, shape), {})  # type: ignore[no-any-return]


@dataclass
class DeviceModule:
    """Kernels that are launched at once or noted on the tape."""

    inside: Module

    def launch(
        self, kernel: str, grid: Shape, block: Shape, arguments: Sequence[Any], shared_memory: int = 0,
        carve_out: int | None = None,
    ) -> None:  # fmt: skip
        """Launch a kernel or note its addresses; numbers are read at the replay."""
        given = [opened(argument) for argument in arguments]
        do(lambda: self.inside.launch(kernel, grid, block, given, shared_memory, carve_out))


class DeviceLauncher(ShimLauncher):
    """The shim for arrays of the device."""

    def compile(self, source: str) -> Any:
        """Compile at once, which is refused during a recording."""
        if Remote.tape is not None:
            raise RuntimeError("A module is compiled while a step is recorded.")
        return DeviceModule(super().compile(source))

    def multiply(self, product: MatrixProduct) -> None:
        """Multiply at once or when the tape is replayed."""
        a, b, c = (m._replace(array=opened(m.array)) for m in (product.a, product.b, product.c))
        inside, multiply = product._replace(a=a, b=b, c=c), super().multiply
        do(lambda: multiply(inside))

    def recorder(self) -> TapeRecorder:
        """Create a recorder with a new tape."""
        return TapeRecorder()


class TapeRecorder:
    """A tape that stands for a CUDA graph."""

    def __init__(self) -> None:
        self.ticks: Any = Remote(np.zeros(1, np.uint32))
        self.replays = 0
        self._tape: Tape = []

    def rehearse(self, work: Callable[[], T]) -> T:
        """Run the work before it is recorded."""
        return work()

    def record(self, work: Callable[[], T]) -> T:
        """Record the work without executing it."""
        self.ticks[...] = 0
        Remote.tape = self._tape = []
        try:
            result = work()
            self.ticks += 1
        finally:
            Remote.tape = None
        return result

    def replay(self) -> None:
        """Replay the work on the tape."""
        self.replays += 1
        for action in self._tape:
            action()


class DeviceKernels(CudaKernels):
    """The ``cuda`` set on that device."""

    def to_host(self, x: Array) -> Array:
        """Copy an array to the host, which a recording forbids because the host waits."""
        if Remote.tape is not None:
            raise RuntimeError("The host waits while a step is recorded.")
        return np.array(opened(x))


def device(launcher: DeviceLauncher) -> DeviceKernels:
    """Create the set with the launch geometry of a card."""
    return DeviceKernels(Machine(RemoteArrays, launcher))
