"""The randomness of the ``cpu`` set: the words of Philox, and the numbers made of pairs of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vsmnp.types import Array, DType, Shape

from .cpu_compile import compiled
from .cpu_elementary import Formula, formula
from .scalar import philox_round, to_normals, to_uniforms

#: Blocks that stay in the first-level cache while they go through the rounds.
TILE = 512

_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@formula
def count_blocks(lanes: Any, start: Any, stream: Any, step: Any) -> None:
    """The counters of the blocks from ``start`` on, ``(4, blocks)``."""
    c0, c1, c2, c3 = lanes[0], lanes[1], lanes[2], lanes[3]
    for j in range(c0.size):
        block = start + np.uint64(j)
        c0[j], c1[j], c2[j], c3[j] = block & _LOW, step, stream, block >> _HALF


@compiled
def philox_rounds(lanes: Array, seed: np.uint64) -> None:
    """All rounds of counters ``(4, blocks)``, which become words."""
    # one round over a whole tile becomes vector instructions, ten over a block do not
    for low in range(0, lanes.shape[1], TILE):
        c0, c1, c2, c3 = (
            lanes[0, low : low + TILE], lanes[1, low : low + TILE],
            lanes[2, low : low + TILE], lanes[3, low : low + TILE],
        )  # fmt: skip
        k0, k1 = seed & _LOW, seed >> _HALF
        for _ in range(10):
            key0, key1 = np.uint32(k0), np.uint32(k1)
            for j in range(c0.size):
                c0[j], c1[j], c2[j], c3[j] = philox_round(c0[j], c1[j], c2[j], c3[j], key0, key1)
            k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW


@compiled
def _philox_lanes(seeds: Array, stream: np.uint64, step: np.uint64, start: np.uint64, lanes: Array) -> None:
    """The blocks from ``start``, ``(R, 4, blocks)``."""
    for r in range(lanes.shape[0]):
        count_blocks(lanes[r], start, stream, step)
        philox_rounds(lanes[r], seeds[r])


def _pair_loop(pair: Formula) -> Formula:
    """A loop that makes two numbers of every two neighbouring words."""

    @compiled
    def pairs(lanes: Array, out: Array) -> None:  # (2R, 2, blocks)
        zero = out.dtype.type(0)
        for q in range(out.shape[0]):
            a, b, out_a, out_b = lanes[q, 0], lanes[q, 1], out[q, 0], out[q, 1]
            for j in range(out_a.size):
                one, two = pair(a[j], b[j], zero)
                out_a[j] = one
                out_b[j] = two

    return pairs


_uniforms = _pair_loop(to_uniforms)
#: Normals ``(2R, 2, blocks)`` of lanes.
normals_of_lanes = _pair_loop(to_normals)


def _lanes(seeds: Array, stream: int, step: int, count: int, first: int) -> Array:
    """The blocks that hold words ``first .. first + count``, ``(R, 4, blocks)``."""
    start, stop = first // 4, -(-(first + count) // 4)
    lanes = np.empty((len(seeds), 4, stop - start), np.uint32)
    _philox_lanes(
        np.ascontiguousarray(seeds, np.uint64), np.uint64(stream), np.uint64(step), np.uint64(start), lanes
    )
    return lanes


def _in_order(lanes: Array, shape: Shape, first: int) -> Array:
    """``lanes (R, 4, blocks)`` block after block, without what lies outside ``first ..``: ``(R, *shape)``."""
    models, lane, blocks = lanes.shape
    flat = lanes.swapaxes(1, 2).reshape(models, lane * blocks)
    return flat[:, first % 4 : first % 4 + math.prod(shape)].reshape(models, *shape)


def _drawn(
    pairs: Formula, seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int
) -> Array:
    lanes = _lanes(seeds, stream, step, math.prod(shape), first)
    halves = (2 * lanes.shape[0], 2, lanes.shape[2])
    numbers = np.empty(lanes.shape, dtype)
    pairs(lanes.reshape(halves), numbers.reshape(halves))
    return _in_order(numbers, shape, first)


def words(seeds: Array, stream: int, step: int, count: int, first: int = 0) -> Array:
    """Word i is lane ``i % 4`` of the block with counter ``(i // 4, step, stream, i // 2**34)``."""
    return _in_order(_lanes(seeds, stream, step, count, first), (count,), first)


def uniform(seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int = 0) -> Array:
    """The top 24 bits of each word over 2**24: exact in float32."""
    return _drawn(_uniforms, seeds, stream, step, shape, dtype, first)


def normal(seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int = 0) -> Array:
    """Box-Muller: normals 2j and 2j+1 from uniforms 2j (radius) and 2j+1 (angle)."""
    return _drawn(normals_of_lanes, seeds, stream, step, shape, dtype, first)


def sample(mu: Array, s: Array, seeds: Array, stream: int, step: int, samples: int, first: int = 0) -> Array:
    """``z = mu + s eps`` in the memory that the normals were made in."""
    z = normal(seeds, stream, step, (samples, *mu.shape[2:]), mu.dtype, first)
    z *= s
    z += mu
    return z
