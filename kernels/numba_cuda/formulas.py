"""Compile the formulas of ``formulas/scalar.py`` for a GPU, with the GPU's elementary functions.

A formula is plain Python. Here it is compiled again, with device functions for the names that it calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple, cast

import numpy as np
from numba import cuda

from ..formulas import scalar
from ..formulas.scalar import PHILOX_KEYS, PHILOX_MULTIPLIERS, PHILOX_ROUNDS

Formula = Callable[..., Any]


class Scalars(NamedTuple):
    """The formulas compiled for one real type."""

    real: Any
    to_uniforms: Formula
    to_normals: Formula
    adam_moments: Formula
    adam_move: Formula


def _compiled(function: Formula, **names: Any) -> Formula:
    """Compile ``function`` for a GPU, with ``names`` replacing its globals of those names."""
    source = cast(FunctionType, function)
    rebound = FunctionType(source.__code__, {**source.__globals__, **names}, source.__name__)
    return cast(Formula, cuda.jit(device=True)(rebound))


_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_W0, _W1 = (np.uint64(step) for step in PHILOX_KEYS)
_M0, _M1 = (np.uint64(multiplier) for multiplier in PHILOX_MULTIPLIERS)


@cuda.jit(device=True)
def _round(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Compute one round of Philox4x32 on words stored as uint32."""
    p0, p1 = _M0 * np.uint64(c0), _M1 * np.uint64(c2)
    high0, high1 = np.uint32(p0 >> _HALF), np.uint32(p1 >> _HALF)
    return np.uint32(high1 ^ c1 ^ k0), np.uint32(p1), np.uint32(high0 ^ c3 ^ k1), np.uint32(p0)


@cuda.jit(device=True)
def philox(seed: Any, stream: Any, step: Any, block: Any) -> Any:
    """Generate the words ``4 block .. 4 block + 3`` of a stream."""
    c0, c1, c2, c3 = np.uint32(block & _LOW), np.uint32(step), np.uint32(stream), np.uint32(block >> _HALF)
    k0, k1 = seed & _LOW, seed >> _HALF
    for _ in range(PHILOX_ROUNDS):
        c0, c1, c2, c3 = _round(c0, c1, c2, c3, np.uint32(k0), np.uint32(k1))
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@cache
def scalars(dtype: np.dtype[Any]) -> Scalars:
    """Compile the formulas for float32 or float64, with their constants in the machine code."""
    real: Any = dtype.type
    four, half, quarter, tau = real(4), real(0.5), real(0.25), real(2 * math.pi)
    smallest = real(np.finfo(dtype).tiny)

    def like(_: Any, constant: Any) -> Any:
        return real(constant)

    def smallest_normal(_: Any) -> Any:
        return smallest

    def log(x: Any) -> Any:
        return real(math.log(x))

    def sqrt(x: Any) -> Any:
        return real(math.sqrt(x))

    def cos_sin(turns: Any) -> Any:
        quadrant = int(turns * four + half)
        angle = (turns - real(quadrant) * quarter) * tau  # exact until it is multiplied
        c, s = real(math.cos(angle)), real(math.sin(angle))
        if quadrant % 2 == 1:
            c, s = -s, c
        if quadrant % 4 >= 2:
            c, s = -c, -s
        return c, s

    own = like, smallest_normal, log, sqrt, cos_sin
    names: dict[str, Any] = {f.__name__: cuda.jit(device=True)(f) for f in own}
    names["to_uniforms"] = to_uniforms = _compiled(scalar.to_uniforms, **names)
    names["normal_or_zero"] = _compiled(scalar.normal_or_zero, **names)
    return Scalars(
        real, to_uniforms, _compiled(scalar.to_normals, **names),
        _compiled(scalar.adam_moments, **names), _compiled(scalar.adam_move, **names),
    )  # fmt: skip
