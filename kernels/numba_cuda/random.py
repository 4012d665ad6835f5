"""Philox words, uniforms and normals for a GPU; a thread computes the four numbers of one block.

Grid: x over the blocks that hold the indices ``first .. first + count``, y over models; kernels loop with the
grid's stride in both.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from .formulas import Formula, philox, scalars


class RandomKernels(NamedTuple):
    """The random kernels for one real type; ``words`` are uint32 for every type."""

    words: Any
    uniform: Any
    normal: Any
    sample: Any


def _drawing(make: Formula) -> Any:
    """Compile a kernel that fills ``out (R, count)`` with ``make`` of pairs of neighbouring words."""

    @cuda.jit
    def draw(seeds: Any, stream: Any, step: Any, first: Any, out: Any) -> None:
        models, count = out.shape
        start = first // 4
        blocks = (first + count + 3) // 4 - start
        thread, row = cuda.grid(2)
        threads, rows = cuda.gridsize(2)
        for r in range(row, models, rows):
            for j in range(thread, blocks, threads):
                w0, w1, w2, w3 = philox(seeds[r], stream, step, np.uint64(start + j))
                n0, n1 = make(w0, w1)
                n2, n3 = make(w2, w3)
                place = 4 * (start + j) - first  # negative where `first` lies inside the block
                for i in range(4):
                    if 0 <= place + i < count:
                        out[r, place + i] = n0 if i == 0 else n1 if i == 1 else n2 if i == 2 else n3

    return draw


@cache
def random_kernels(dtype: np.dtype[Any]) -> RandomKernels:
    """Compile the random kernels for float32 or float64."""
    f = scalars(dtype)
    zero = f.real(0)
    uniforms, normals = f.to_uniforms, f.to_normals

    @cuda.jit(device=True)
    def two_words(a: Any, b: Any) -> Any:
        return a, b

    @cuda.jit(device=True)
    def two_uniforms(a: Any, b: Any) -> Any:
        return uniforms(a, b, zero)

    @cuda.jit(device=True)
    def two_normals(a: Any, b: Any) -> Any:
        return normals(a, b, zero)

    @cuda.jit
    def sample(mu: Any, s: Any, seeds: Any, stream: Any, step: Any, first: Any, z: Any) -> None:
        # mu, s (R, NZ), z (R, S NZ)
        models, count = z.shape
        moments = mu.shape[1]
        start = first // 4
        blocks = (first + count + 3) // 4 - start
        thread, row = cuda.grid(2)
        threads, rows = cuda.gridsize(2)
        for r in range(row, models, rows):
            for j in range(thread, blocks, threads):
                w0, w1, w2, w3 = philox(seeds[r], stream, step, np.uint64(start + j))
                n0, n1 = two_normals(w0, w1)
                n2, n3 = two_normals(w2, w3)
                place = 4 * (start + j) - first
                for i in range(4):
                    if 0 <= place + i < count:
                        eps = n0 if i == 0 else n1 if i == 1 else n2 if i == 2 else n3
                        m = (place + i) % moments
                        z[r, place + i] = mu[r, m] + s[r, m] * eps

    return RandomKernels(_drawing(two_words), _drawing(two_uniforms), _drawing(two_normals), sample)
