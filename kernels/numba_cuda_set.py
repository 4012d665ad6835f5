"""The ``numba-cuda`` set as one object: the ``cuda`` set, some kernels of which Numba compiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from vsmnp.steps import FusedStep, StepSpec
from vsmnp.types import Array, DType, QuadraticForm, Recorder, Shape

from .cuda_part import blocks, common, flag, volume
from .cuda_set import CudaKernels
from .numba_cuda_optim import adam_advance, adam_kernel
from .numba_cuda_random import random_kernels
from .numba_cuda_terms import THREADS, term_kernels


class NumbaCudaKernels(CudaKernels):
    """Terms, randomness and Adam by Numba; products, activations and sums as in the ``cuda`` set."""

    name = "numba-cuda"

    def _start(self, kernel: Any, grid: Shape, block: Shape, *arguments: Any) -> None:
        """Start a kernel on the stream of the arrays' library; NumPy, in a simulation, has none."""
        library = getattr(self.machine.xp, "cuda", None)
        stream = cuda.external_stream(library.get_current_stream().ptr) if library else 0
        kernel[grid, block, stream](*arguments)

    def fused_step(self, spec: StepSpec) -> FusedStep | None:
        """Steps are composed: a fused one would be of CUDA C alone."""
        return None

    # --- randomness -------------------------------------------------------------------------------

    def _drawn(
        self, kernel: str, seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int
    ) -> Array:
        models, count = len(seeds), volume(shape)
        out = self.empty((models, *shape), dtype)
        if out.size:
            real = np.dtype(np.float32 if kernel == "words" else dtype)
            grid = self.flat_grid(blocks(first % 4 + count, 4), models)
            self._start(getattr(random_kernels(real), kernel), grid, (self.threads, 1),
                        self.machine.seeds(seeds), stream, step, first,
                        out.reshape(models, count))  # fmt: skip
        return out

    def sample(
        self, mu: Array, s: Array, seeds: Array, stream: int, step: int, samples: int, first: int = 0
    ) -> Array:
        """``z = mu + s eps``, ``(R, S, N, Z)``, for ``mu, s (R, 1, N, Z)``; eps is that of ``normal``."""
        models, _, batch, width = mu.shape
        flat = (models, batch * width)
        z = self.empty((models, samples, batch, width), mu.dtype)
        if z.size:
            grid = self.flat_grid(blocks(first % 4 + samples * flat[1], 4), models)
            self._start(random_kernels(z.dtype).sample, grid, (self.threads, 1),
                        self.contiguous(mu).reshape(flat), self.contiguous(s, mu.dtype).reshape(flat),
                        self.machine.seeds(seeds), stream, step, first,
                        z.reshape(models, samples * flat[1]))  # fmt: skip
        return z

    # --- terms ------------------------------------------------------------------------------------

    def _teams(self, models: int, batch: int, width: int) -> tuple[Shape, Shape]:
        """Grid and block; as many lanes share a datum as it has dimensions or a block has threads."""
        most = min(self.threads, THREADS)
        lanes = min(1 << (width - 1).bit_length(), 1 << (most.bit_length() - 1)) if width else 1
        data = most // lanes
        return (blocks(batch, data), min(models, self.most_rows)), (lanes, data)

    def residual_forms(
        self,
        x: Array,
        g: Array,
        s_q: Array | None,
        form: QuadraticForm,
        w_square: Array,
        w_cross: Array,
        want_gradient: bool = True,
    ) -> tuple[Array, Array, Array | None]:
        """``a``, ``h`` and the gradient of ``w_square a/2 + w_cross h``; see :class:`QuadraticForm`."""
        dtype = g.dtype
        models, _, batch, width = shape = g.shape
        a, h = self.empty((models, batch), dtype), self.empty((models, batch), dtype)
        v = self.empty(shape, dtype) if want_gradient else None
        if a.size:
            g = self.contiguous(g)
            q = g if s_q is None else self.stretched(s_q, shape, dtype)
            coefficients = (form.c_each, form.c_mean, form.d_each, form.d_mean)
            weights = (self.stretched(w, (models,), dtype) for w in (w_square, w_cross))
            self._start(term_kernels(dtype).residual_forms, *self._teams(models, batch, width),
                        self.contiguous(x, dtype)[:, 0], g, q, flag(s_q is not None), flag(want_gradient),
                        *(self.scalar(c, g) for c in coefficients), *weights, a, h,
                        g if v is None else v)  # fmt: skip
        return a, h, v

    def posterior_fisher(
        self, mu: Array, s: Array, eps: Array, b: Array
    ) -> tuple[Array, Array, Array, Array]:
        """``d = z - eps/s - b``; ``gmu = mean d/s^2``, ``gs = mean 2 d eps/s^2``."""
        shape, dtype = np.broadcast_shapes(mu.shape, eps.shape, b.shape), common(mu, s, eps, b)
        models, _, batch, width = shape
        moment = (models, 1, batch, width)
        d, loss = self.empty(shape, dtype), self.empty((models, batch), dtype)
        gmu, gs = self.empty(moment, dtype), self.empty(moment, dtype)
        if loss.size:
            mu, s = (self.stretched(array, moment, dtype)[:, 0] for array in (mu, s))
            eps, b = (self.stretched(array, shape, dtype) for array in (eps, b))
            self._start(term_kernels(dtype).posterior_fisher, *self._teams(models, batch, width),
                        mu, s, eps, b, d, loss, gmu[:, 0], gs[:, 0])  # fmt: skip
        return d, loss, gmu, gs

    # --- optimisers -------------------------------------------------------------------------------

    def adam(
        self,
        p: Array,
        g: Array,
        m: Array,
        v: Array,
        t: Array,
        lr: Array,
        beta1: float,
        beta2: float,
        eps: float,
        alive: Array,
    ) -> None:
        """``p -= lr m_hat / (sqrt(v_hat) + eps)`` with bias-corrected moments (Kingma & Ba 2015)."""
        if not p.size:
            t += alive
            return
        models, size = p.shape
        corrections = self.empty((2, models), p.dtype)
        g, lr = self.contiguous(g, p.dtype), self.contiguous(lr, p.dtype)
        alive = self.contiguous(alive, np.bool_)
        rates = (self.scalar(value, p) for value in (1 - beta1, 1 - beta2, eps))
        with self.in_place(p, m, v, t) as (p_c, m_c, v_c, t_c):
            self._start(adam_advance, (self.flat_grid(models, 1)[0],), (self.threads,),
                        t_c, alive, beta1, beta2, corrections)  # fmt: skip
            self._start(adam_kernel(p.dtype), self.flat_grid(size, models), (self.threads, 1),
                        p_c, g, m_c, v_c, lr, corrections, *rates, alive)  # fmt: skip

    # --- recording --------------------------------------------------------------------------------

    def recorder(self) -> Recorder | None:
        """None: Numba's kernels take the step of the randomness as a number, which a replay cannot change."""
        return None
