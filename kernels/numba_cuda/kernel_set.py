"""The ``numba-cuda`` kernel set: the ``cuda`` set with terms, randomness and Adam compiled by Numba.

These kernels share the formulas of ``formulas/scalar.py`` with the ``cpu`` set. The set takes float32 and
float64; it agrees with ``reference`` up to rounding, words and uniforms to the last bit. Importing this file
needs neither a GPU nor CuPy; making the first array does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import cuda

from vsmnp.types import Array, DType, Recorder, Shape
from vsmnp.types.division import Division
from vsmnp.types.step_spec import FusedStep, StepSpec

from ..cuda.kernel_set import CudaKernels
from ..cuda.launching import blocks
from ..cuda.machine import card
from .optimizers import adam_advance, adam_kernel
from .random import random_kernels
from .terms import THREADS, term_kernels


class NumbaCudaKernels(CudaKernels):
    """The ``cuda`` set with terms, random numbers and Adam compiled by Numba instead of CUDA C."""

    name = "numba-cuda"

    def _start(self, kernel: Any, grid: Shape, block: Shape, *arguments: Any) -> None:
        """Start a kernel on the stream of the arrays' library; NumPy, in a simulation, has none.

        Numba would synchronise with that stream once for every array of another library. This is not needed:
        the kernels that write the arrays were started on the same stream, which runs them in order.
        """
        library = getattr(self.machine.xp, "cuda", None)
        if library is None:
            kernel[grid, block, 0](*arguments)
            return
        stream = cuda.external_stream(library.get_current_stream().ptr)
        kernel[grid, block, stream](
            *(cuda.as_cuda_array(a, sync=False) if cuda.is_cuda_array(a) else a for a in arguments)
        )

    def fused_step(self, spec: StepSpec, division: Division | None = None) -> FusedStep | None:
        """Return None: steps are composed, as a fused step would use CUDA C alone."""
        return None

    # --- randomness -------------------------------------------------------------------------------

    def _launch_draw(
        self, kernel: str, real: DType, grid: Shape, seeds: Array, stream: int, step: int, first: int,
        out: Array,
    ) -> None:  # fmt: skip
        flat = _flat(out)
        self._start(getattr(random_kernels(np.dtype(real)), kernel), grid, (self.threads, 1),
                    flat, flat, seeds, stream, step, first, flat)  # fmt: skip

    def _launch_sample(
        self, grid: Shape, mu: Array, s: Array, seeds: Array, stream: int, step: int, first: int, z: Array
    ) -> None:
        self._start(random_kernels(z.dtype).sample, grid, (self.threads, 1),
                    _flat(mu), _flat(s), seeds, stream, step, first, _flat(z))  # fmt: skip

    # --- terms ------------------------------------------------------------------------------------

    def _teams(self, models: int, batch: int, width: int) -> tuple[Shape, Shape]:
        """Compute grid and block: a datum has a thread per dimension, up to the threads of a block."""
        most = min(self.threads, THREADS)
        lanes = min(1 << (width - 1).bit_length(), 1 << (most.bit_length() - 1)) if width else 1
        data = most // lanes
        return (blocks(batch, data), min(models, self.most_rows)), (lanes, data)

    def _launch_forms(
        self, x: Array, g: Array, q: Array, how: tuple[Any, ...], a: Array, h: Array, v: Array
    ) -> None:
        models, _, batch, width = g.shape
        self._start(term_kernels(g.dtype).residual_forms, *self._teams(models, batch, width),
                    x[:, 0], g, q, *how, a, h, v)  # fmt: skip

    def _launch_fisher(
        self, mu: Array, s: Array, eps: Array, b: Array, d: Array, loss: Array, gmu: Array, gs: Array
    ) -> None:
        models, _, batch, width = d.shape
        self._start(term_kernels(d.dtype).posterior_fisher, *self._teams(models, batch, width),
                    mu[:, 0], s[:, 0], eps, b, d, loss, gmu[:, 0], gs[:, 0])  # fmt: skip

    # --- optimisers -------------------------------------------------------------------------------

    def _launch_adam(
        self, p: Array, g: Array, m: Array, v: Array, t: Array, lr: Array, betas: tuple[float, float],
        rates: Sequence[Any], active: Array,
    ) -> None:  # fmt: skip
        models, size = p.shape
        corrections = self.empty((2, models), p.dtype)
        self._start(adam_advance, (self.flat_grid(models, 1)[0],), (self.threads,),
                    t, active, *betas, corrections)  # fmt: skip
        self._start(adam_kernel(p.dtype), self.flat_grid(size, models), (self.threads, 1),
                    p, g, m, v, lr, corrections, *rates, active)  # fmt: skip

    # --- recording --------------------------------------------------------------------------------

    def recorder(self) -> Recorder | None:
        """Return None: Numba's kernels take the noise step as a number, which a replay cannot change."""
        return None


def _flat(x: Array) -> Array:
    """Reshape ``x (R, ...)`` to one row per model."""
    return x.reshape(len(x), -1)


def on_card(tf32: bool = False) -> NumbaCudaKernels:
    """Make the set for the current CUDA device; ``tf32`` rounds the factors of its products to TF32."""
    return NumbaCudaKernels(card(tf32))
