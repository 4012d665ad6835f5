"""The Gaussian terms for a GPU, in one pass over the data with means over S in registers.

``blockDim.x`` threads share a datum, ``blockDim.y`` data share a block. A thread processes every
``blockDim.x``-th dimension with all its samples; sums over a datum's threads are a tree in shared memory,
whose order depends on the launch alone. Grid: x over data, y over models with a strided loop.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

#: The most threads of a block.
THREADS = 128


class TermKernels(NamedTuple):
    """The kernels of the Gaussian terms for one real type."""

    residual_forms: Any
    posterior_fisher: Any


@cache
def term_kernels(dtype: np.dtype[Any]) -> TermKernels:
    """Compile the kernels of the Gaussian terms for float32 or float64."""
    real: Any = dtype.type
    zero, one, two, half = real(0), real(1), real(2), real(0.5)

    @cuda.jit(device=True)
    def sum_of_team(value: Any, partial: Any) -> Any:
        lane, width = cuda.threadIdx.x, cuda.blockDim.x  # a power of two
        base = cuda.threadIdx.y * width
        partial[base + lane] = value
        cuda.syncthreads()
        reach = width // 2
        while reach > 0:
            if lane < reach:
                partial[base + lane] += partial[base + lane + reach]
            cuda.syncthreads()
            reach //= 2
        total = partial[base]
        cuda.syncthreads()
        return total

    @cuda.jit
    def residual_forms(
        x: Any, g: Any, q: Any, crosses: Any, wanted: Any, c_each: Any, c_mean: Any, d_each: Any, d_mean: Any,
        w_square: Any, w_cross: Any, a: Any, h: Any, v: Any,
    ) -> None:  # fmt: skip
        # x (R|1, N, D), g, q, v (R, S, N, D), weights (R,), a, h (R, N)
        partial = cuda.shared.array(THREADS, dtype)
        models, samples, batch, width = g.shape
        n = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
        per_sample = one / real(samples)
        for r in range(cuda.blockIdx.y, models, cuda.gridDim.y):
            to_square, to_cross = w_square[r] * per_sample, w_cross[r] * per_sample
            square, cross = zero, zero
            for d in range(cuda.threadIdx.x, width if n < batch else 0, cuda.blockDim.x):
                datum = x[r % x.shape[0], n, d]
                e_mean, e_square, q_mean, q_dot_e = zero, zero, zero, zero
                for s in range(samples):
                    e = g[r, s, n, d] - datum
                    e_mean += e
                    e_square += e * e
                    if crosses:
                        q_mean += q[r, s, n, d]
                        q_dot_e += q[r, s, n, d] * e
                e_mean *= per_sample
                q_mean *= per_sample
                square += c_each * per_sample * e_square + c_mean * e_mean * e_mean
                cross += d_each * per_sample * q_dot_e + d_mean * q_mean * e_mean
                if wanted:
                    for s in range(samples):
                        slope = to_square * (c_each * (g[r, s, n, d] - datum) + c_mean * e_mean)
                        if crosses:
                            slope += to_cross * (d_each * q[r, s, n, d] + d_mean * q_mean)
                        v[r, s, n, d] = slope
            square = sum_of_team(square, partial)
            cross = sum_of_team(cross, partial)
            if cuda.threadIdx.x == 0 and n < batch:
                a[r, n] = square
                h[r, n] = cross

    @cuda.jit
    def posterior_fisher(
        mu: Any, sd: Any, eps: Any, b: Any, d: Any, loss: Any, gmu: Any, gs: Any
    ) -> None:  # mu, sd, gmu, gs (R, N, Z), eps, b, d (R, S, N, Z), loss (R, N)
        partial = cuda.shared.array(THREADS, dtype)
        models, samples, batch, width = d.shape
        n = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
        per_sample = one / real(samples)
        for r in range(cuda.blockIdx.y, models, cuda.gridDim.y):
            square = zero
            for k in range(cuda.threadIdx.x, width if n < batch else 0, cuda.blockDim.x):
                mu_k, sd_k = mu[r, n, k], sd[r, n, k]
                precise = one / sd_k
                d_sum, d_dot_eps = zero, zero
                for s in range(samples):
                    e = eps[r, s, n, k]
                    d_s = mu_k + sd_k * e - e * precise - b[r, s, n, k]
                    d[r, s, n, k] = d_s
                    square += d_s * d_s
                    d_sum += d_s
                    d_dot_eps += d_s * e
                information = per_sample * precise * precise
                gmu[r, n, k] = information * d_sum
                gs[r, n, k] = two * information * d_dot_eps
            square = sum_of_team(square, partial)
            if cuda.threadIdx.x == 0 and n < batch:
                loss[r, n] = half * per_sample * square

    return TermKernels(residual_forms, posterior_fisher)
