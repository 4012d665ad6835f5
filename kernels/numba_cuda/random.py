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


def _kernel(make: Formula, store: Formula) -> Any:
    """Compile a kernel that computes ``make`` of pairs of neighbouring words and stores each result."""

    @cuda.jit
    def draw(mu: Any, s: Any, seeds: Any, stream: Any, step: Any, first: Any, out: Any) -> None:
        # out (R, count); mu, s (R, N Z) are for `store` alone
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
                        number = n0 if i == 0 else n1 if i == 1 else n2 if i == 2 else n3
                        store(out, r, place + i, number, mu, s)

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

    @cuda.jit(device=True)
    def itself(out: Any, r: Any, i: Any, number: Any, mu: Any, s: Any) -> None:
        out[r, i] = number

    @cuda.jit(device=True)
    def scaled(out: Any, r: Any, i: Any, number: Any, mu: Any, s: Any) -> None:
        m = i % mu.shape[1]
        out[r, i] = mu[r, m] + s[r, m] * number

    words, uniform, normal = (_kernel(make, itself) for make in (two_words, two_uniforms, two_normals))
    return RandomKernels(words, uniform, normal, _kernel(two_normals, scaled))
