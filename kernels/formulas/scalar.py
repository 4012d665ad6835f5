"""Scalar formulas shared by the kernel sets that Numba compiles.

They are plain Python functions. The loops of the ``cpu`` set compile them with the functions of
``elementary.py``; ``numba_cuda/formulas.py`` compiles them for a GPU, with device functions of those names.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numba.extending import overload

from .elementary import Formula, cos_sin, formula, log, rounded_formula


def like(x: Any, constant: Any) -> Any:
    """Cast ``constant`` to the type of ``x``; else Numba takes ``1 - x`` of a float32 in double precision."""
    return type(x)(constant)


@overload(like, strict=False)
def _like(x: Any, constant: Any) -> Formula:
    real = x
    return lambda x, constant: real(constant)


def smallest_normal(x: Any) -> Any:
    """Return the smallest positive number of the type of ``x`` that has all bits of its mantissa."""
    return np.finfo(type(x)).tiny


@overload(smallest_normal, strict=False)
def _smallest_normal(x: Any) -> Formula:
    smallest = np.finfo(str(x)).tiny
    return lambda x: smallest


# --- randomness -----------------------------------------------------------------------------------

#: Philox4x32: number of rounds, multipliers, and increments of the two key words between rounds.
PHILOX_ROUNDS, PHILOX_MULTIPLIERS, PHILOX_KEYS = 10, (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)


@formula
def to_uniforms(a: Any, b: Any, zero: Any) -> Any:
    """Turn two words into uniforms, their top 24 bits over 2^24, in the type of ``zero``."""
    unit = like(zero, 2.0**-24)
    return like(zero, np.int32(a >> np.uint32(8))) * unit, like(zero, np.int32(b >> np.uint32(8))) * unit


@formula
def to_normals(a: Any, b: Any, zero: Any) -> Any:
    """Turn two words into two normals by Box-Muller: the first gives the radius, the second the angle."""
    u, turns = to_uniforms(a, b, zero)
    radius = sqrt(like(zero, -2) * log(like(zero, 1) - u))
    c, s = cos_sin(turns)
    return radius * c, radius * s


# --- Adam: Kingma and Ba, ICLR 2015, algorithm 1 ----------------------------------------------------


@rounded_formula
def normal_or_zero(x: Any) -> Any:
    """Return x, or zero if it is a denormal number."""
    return like(x, 0) if abs(x) < smallest_normal(x) else x


@rounded_formula
def adam_moments(m: Any, v: Any, g: Any, rate1: Any, rate2: Any) -> Any:
    """Compute ``m + (1 - beta1) (g - m)`` and ``v + (1 - beta2) (g^2 - v)``, for rates ``1 - beta``.

    Denormal moments are replaced by zero: where the gradient stays zero, as behind a relu that is off for all
    data, a moment decays to a denormal number whose product with ``beta`` rounds to itself, and arithmetic
    with denormal numbers takes a hundred times longer on many processors.
    """
    return normal_or_zero(m + rate1 * (g - m)), normal_or_zero(v + rate2 * (g * g - v))


@rounded_formula
def adam_move(m: Any, v: Any, lr: Any, correction1: Any, correction2: Any, eps: Any) -> Any:
    """Compute ``lr m_hat / (sqrt(v_hat) + eps)``, for corrections ``1 - beta^t``."""
    return lr * (m / correction1) / (sqrt(v / correction2) + eps)
