"""Compile and launch CUDA C kernels: on a GPU through CuPy, or on any object with the same protocol.

The wrappers of the kernels use arrays, modules and matrix products only through a :class:`Machine`. CuPy is
imported when the first array is made, and a module is compiled at its first launch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np

from vsmnp.types import Array, DType, Recorder, Shape
from vsmnp.types.replay import ReplayedInt

from .cublas import Cublas, library_of_cupy
from .graph import CupyRecorder
from .matrices import MatrixProduct
from .source import joined

#: Compiler options; CuPy adds the architecture and ``-ftz=true``.
OPTIONS = ("-std=c++17",)
#: Bytes of dynamic shared memory that every card gives a block of any kernel; a kernel must request more.
#: The card's 48 KB include static memory, of which kernels with dynamic memory have at most 2 KB.
GRANTED = 46 * 1024


class Module(Protocol):
    """The compiled kernels of one translation unit."""

    def launch(
        self, kernel: str, grid: Shape, block: Shape, arguments: Sequence[Any], shared_memory: int = 0,
        carve_out: int | None = None,
    ) -> None:  # fmt: skip
        """Launch a kernel: arrays are passed as pointers, ``int`` as ``long long``, NumPy scalars as such.

        ``carve_out`` is the shared memory preferred for this kernel, in percent of the most that a
        multiprocessor can provide; by default the driver chooses.
        """


class Launcher(Protocol):
    """A device that compiles and runs CUDA C and multiplies matrices."""

    def compile(self, source: str) -> Module:
        """Compile the kernels of a source, possibly only when one is launched."""

    def multiply(self, product: MatrixProduct) -> None:
        """Compute a product of batches of matrices."""

    def recorder(self) -> Recorder | None:
        """Return an object that records and replays launches, or None if the device cannot."""

    def shared_memory(self) -> int:
        """Return the most bytes of shared memory that a block can use."""

    def multiprocessors(self) -> int:
        """Return the number of multiprocessors of the device."""

    def free_memory(self) -> int:
        """Return the bytes of free memory on the device."""


@dataclass(frozen=True)
class Machine:
    """The array module and the launcher of one device.

    Parameters
    ----------
    load_arrays : callable
        Returns the module that makes arrays: NumPy, or a module with the same names.
    launcher : Launcher
        Runs the kernels on those arrays.
    """

    load_arrays: Callable[[], Any]
    launcher: Launcher

    @cached_property
    def xp(self) -> Any:
        """Module that makes arrays, such as CuPy."""
        return self.load_arrays()

    @cached_property
    def _module(self) -> Callable[[str, np.dtype[Any], tuple[str, ...]], Module]:
        return cache(lambda topic, dtype, shape: self.launcher.compile(joined(topic, dtype, shape)))

    def module(self, topic: str, dtype: DType, shape: tuple[str, ...] = ()) -> Module:
        """Return the kernels of ``<topic>.cu`` for a dtype and the shape of a step, compiled once."""
        return self._module(topic, np.dtype(dtype), shape)

    @cached_property
    def _zero_ticks(self) -> Array:
        """Counter that is always zero."""
        return self.xp.zeros(1, np.uint32)  # type: ignore[no-any-return]

    def step(self, step: int) -> tuple[Array, Any, Any]:
        """Return a noise step as kernel arguments ``(ticks, rate, s)``, which is ``s + rate * ticks[0]``."""
        if isinstance(step, ReplayedInt):
            return step.ticks, np.uint32(step.rate), np.uint32(int(step))
        return self._zero_ticks, np.uint32(0), np.uint32(step)

    @cached_property
    def _seeds(self) -> Callable[[tuple[int, ...]], Array]:
        return cache(lambda seeds: self.xp.asarray(np.array(seeds, np.uint64)))

    def seeds(self, seeds: Array) -> Array:
        """Copy seeds from the host to the machine, once for each tuple of seeds."""
        return self._seeds(tuple(int(seed) for seed in seeds))


class CupyModule:
    """A CuPy module: compiled by NVRTC at the first launch, and kept on disk by CuPy.

    Shared memory is requested from the driver only when a launch of a kernel needs more than all before,
    because a request takes longer than a launch.
    """

    def __init__(self, source: str) -> None:
        import cupy

        raw = cupy.RawModule(code=source, options=OPTIONS)
        self._kernel: Callable[[str], Any] = cache(raw.get_function)
        self._granted: dict[str, int] = {}
        self._shares: dict[str, int] = {}

    def launch(
        self, kernel: str, grid: Shape, block: Shape, arguments: Sequence[Any], shared_memory: int = 0,
        carve_out: int | None = None,
    ) -> None:  # fmt: skip
        """Start a kernel on the current stream."""
        function = self._kernel(kernel)
        if shared_memory > self._granted.get(kernel, GRANTED):
            function.max_dynamic_shared_size_bytes = shared_memory
            self._granted[kernel] = shared_memory
        if carve_out is not None and carve_out != self._shares.get(kernel):
            function.preferred_shared_memory_carveout = carve_out
            self._shares[kernel] = carve_out
        function(grid, block, tuple(arguments), shared_mem=shared_memory)


class CupyLauncher:
    """The launcher of the current CUDA device, through CuPy and cuBLAS."""

    def __init__(self, tf32: bool = False) -> None:
        self._cublas = Cublas(library_of_cupy, _bytes, lambda x: int(cast(Any, x.data).ptr), tf32)

    def compile(self, source: str) -> Module:
        """Return a module that is compiled at its first launch."""
        return CupyModule(source)

    def shared_memory(self) -> int:
        """Return the most bytes of shared memory that a block of this device can opt in to."""
        import cupy

        return int(cupy.cuda.Device().attributes["MaxSharedMemoryPerBlockOptin"])

    def multiprocessors(self) -> int:
        """Return the number of multiprocessors of this device."""
        import cupy

        return int(cupy.cuda.Device().attributes["MultiProcessorCount"])

    def free_memory(self) -> int:
        """Return the bytes of memory that are free on this device."""
        import cupy

        free, _ = cupy.cuda.Device().mem_info
        return int(free)

    def multiply(self, product: MatrixProduct) -> None:
        """Multiply by cuBLAS, strided and batched, on the current stream."""
        import cupy

        stream = int(cupy.cuda.get_current_stream().ptr)
        self._cublas.multiply(stream, product)

    def recorder(self) -> Recorder:
        """Return a recorder that captures a CUDA graph."""
        return CupyRecorder()


def _bytes(count: int) -> Array:
    import cupy

    return cast(Array, cupy.empty(count, np.uint8))


def card(tf32: bool = False) -> Machine:
    """Make the machine of the current CUDA device; ``tf32`` rounds the factors of products to TF32."""
    return Machine(lambda: import_module("cupy"), CupyLauncher(tf32))
