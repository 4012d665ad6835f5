"""Random numbers of the ``cpu`` set: Philox words, uniforms and Box-Muller normals."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import carray, types

from vsmnp.types import Array, DType, Shape

from ..formulas.scalar import to_normals
from .compilation import callback
from .philox_llvm import BLOCKS, philox


def _words(words: Any, apart: int, count: int, seed: int, stream: int, step: int, start: int) -> None:
    """Write the words of blocks ``start .. start + count`` to four lanes, ``apart`` elements apart."""
    philox(carray(words, (4 * apart,), np.uint32), apart, count, seed, stream, step, start)


def _normals_of(dtype: np.dtype[Any]) -> Any:
    zero = dtype.type(0)

    def normals(words: Any, numbers: Any, count: int) -> None:
        """Turn words into normals ``(4, count)`` by Box-Muller on lanes 0 and 1, and on 2 and 3."""
        w, z = carray(words, (4, count), np.uint32), carray(numbers, (4, count), dtype)
        for pair in range(0, 4, 2):
            a, b, z_a, z_b = w[pair], w[pair + 1], z[pair], z[pair + 1]
            for j in range(count):
                z_a[j], z_b[j] = to_normals(a[j], b[j], zero)

    return normals


@cache
def words_loop() -> Any:
    """Compile the loop that generates words; counts are multiples of ``BLOCKS``."""
    return callback(_words, types.void(types.voidptr, *[types.int64] * 6))


@cache
def normals_loop(dtype: np.dtype[Any]) -> Any:
    """Compile the loop that turns words into normals."""
    return callback(_normals_of(dtype), types.void(types.voidptr, types.voidptr, types.int64))


def _signed(word: Any) -> int:
    """Reinterpret 64 bits as a signed number."""
    return int(np.uint64(word).view(np.int64))


def _lanes(seeds: Array, stream: int, step: int, count: int, first: int) -> Array:
    """Generate ``(R, 4, blocks)``, the blocks that hold words ``first .. first + count`` and a few more."""
    start, stop = first // 4, -(-(first + count) // 4)
    lanes = np.empty((len(seeds), 4, -(-(stop - start) // BLOCKS) * BLOCKS), np.uint32)
    for words, seed in zip(lanes, seeds, strict=True):
        blocks = lanes.shape[2]
        words_loop().ctypes(words.ctypes.data, blocks, blocks, _signed(seed), stream, step, start)
    return lanes


def _in_order(lanes: Array, shape: Shape, first: int) -> Array:
    """Put ``lanes (R, 4, blocks)`` in the order of the stream, and select ``(R, *shape)`` from ``first``."""
    models, lane, blocks = lanes.shape
    flat = lanes.swapaxes(1, 2).reshape(models, lane * blocks)
    return flat[:, first % 4 : first % 4 + math.prod(shape)].reshape(models, *shape)


def words(seeds: Array, stream: int, step: int, count: int, first: int = 0) -> Array:
    """Generate random words: word i is lane ``i % 4`` of block ``(i // 4, step, stream, i // 2**34)``."""
    return _in_order(_lanes(seeds, stream, step, count, first), (count,), first)


def uniform(seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int = 0) -> Array:
    """Draw uniforms: the top 24 bits of each word over 2**24, exact in float32."""
    numbers = (_lanes(seeds, stream, step, math.prod(shape), first) >> 8).astype(dtype)
    numbers *= 2.0**-24
    return _in_order(numbers, shape, first)


def normal(seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int = 0) -> Array:
    """Draw normals 2j and 2j+1 by Box-Muller from uniforms 2j (radius) and 2j+1 (angle)."""
    lanes = _lanes(seeds, stream, step, math.prod(shape), first)
    numbers = np.empty(lanes.shape, dtype)
    for words, normals in zip(lanes, numbers, strict=True):
        normals_loop(numbers.dtype).ctypes(words.ctypes.data, normals.ctypes.data, lanes.shape[2])
    return _in_order(numbers, shape, first)


def sample(mu: Array, s: Array, seeds: Array, stream: int, step: int, samples: int, first: int = 0) -> Array:
    """Compute the samples ``z = mu + s eps`` in the memory of the normals."""
    z = normal(seeds, stream, step, (samples, *mu.shape[2:]), mu.dtype, first)
    z *= s
    z += mu
    return z
