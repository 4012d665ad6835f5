"""Scalar formulas shared by the kernel sets that Numba compiles.

They are plain Python functions. The loops of the ``cpu`` set compile them with the functions of
``elementary.py``; ``numba_cuda/formulas.py`` compiles them for a GPU, with device functions of those names.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numba.extending import overload

from .elementary import Formula, cos_sin, exp, expm1, formula, log, log1p, rounded_formula


def like(x: Any, constant: Any) -> Any:
    """Cast ``constant`` to the type of ``x``; else Numba takes ``1 - x`` of a float32 in double precision."""
    return type(x)(constant)


@overload(like, strict=False)
def _like(x: Any, constant: Any) -> Formula:
    real = x
    return lambda x, constant: real(constant)


# --- activations: f, and f' = h(y), f'' = h'(y) h(y) from the output y ------------------------------


@formula
def relu(x: Any) -> Any:
    """Compute relu ``max(x, 0)``."""
    return like(x, 0) if x < 0 else x


@formula
def relu_slope(y: Any) -> Any:
    """Return 1 if y > 0, else 0."""
    return like(y, 1) if y > 0 else like(y, 0)


@formula
def elu(x: Any) -> Any:
    """Compute elu: ``x`` if positive, else ``e^x - 1``."""
    return x if x > 0 else expm1(x)


@formula
def elu_slope(y: Any) -> Any:
    """Return 1 if y > 0, else ``y + 1``."""
    return like(y, 1) if y > 0 else y + like(y, 1)


@formula
def elu_curve(y: Any) -> Any:
    """Return 0 if y > 0, else 1."""
    return like(y, 1) if y <= 0 else like(y, 0)


@formula
def softplus(x: Any) -> Any:
    """Compute ``log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)``."""
    return (like(x, 0) if x < 0 else x) + log1p(exp(-abs(x)))


@formula
def softplus_slope(y: Any) -> Any:
    """Compute the slope of softplus ``1 - e^-y``."""
    return -expm1(-y)


@formula
def softplus_curve(y: Any) -> Any:
    """Compute the derivative ``e^-y`` of softplus's slope in y."""
    return exp(-y)


@formula
def sigmoid(x: Any) -> Any:
    """Compute ``1 / (1 + e^-x)`` from ``e^-|x|``, which cannot overflow."""
    e = exp(-abs(x))
    return (e if x < 0 else like(x, 1)) / (like(x, 1) + e)


@formula
def sigmoid_slope(y: Any) -> Any:
    """Compute the slope of sigmoid ``y (1 - y)``."""
    return y * (like(y, 1) - y)


@formula
def sigmoid_curve(y: Any) -> Any:
    """Compute the derivative ``1 - 2 y`` of sigmoid's slope in y."""
    return like(y, 1) - (y + y)


@formula
def tanh(x: Any) -> Any:
    """Compute ``-e / (2 + e)`` of ``e = e^-2|x| - 1``, with the sign of x."""
    e = expm1(-abs(x + x))
    y = e / (like(x, 2) + e)
    return y if x < 0 else -y


@formula
def tanh_slope(y: Any) -> Any:
    """Compute the slope of tanh ``1 - y^2``."""
    return like(y, 1) - y * y


@formula
def tanh_curve(y: Any) -> Any:
    """Compute the derivative ``-2 y`` of tanh's slope in y."""
    return -(y + y)


@formula
def exp_slope(y: Any) -> Any:
    """Return the slope ``y`` of exp."""
    return y


@formula
def exp_curve(y: Any) -> Any:
    """Return 1, the derivative of exp's slope in y."""
    return like(y, 1)


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
def adam_moments(m: Any, v: Any, g: Any, rate1: Any, rate2: Any) -> Any:
    """Compute ``m + (1 - beta1) (g - m)`` and ``v + (1 - beta2) (g^2 - v)``, for rates ``1 - beta``."""
    return m + rate1 * (g - m), v + rate2 * (g * g - v)


@rounded_formula
def adam_move(m: Any, v: Any, lr: Any, correction1: Any, correction2: Any, eps: Any) -> Any:
    """Compute ``lr m_hat / (sqrt(v_hat) + eps)``, for corrections ``1 - beta^t``."""
    return lr * (m / correction1) / (sqrt(v / correction2) + eps)
