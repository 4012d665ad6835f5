"""The activations as formulas of one number, which the loops of the ``cpu`` set compile.

The table in ``reference/activations.py`` has the same names and, in NumPy, the same functions.
Comparisons are false for a NaN, which then propagates through the arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from .elementary import Formula, exp, expm1, formula, log1p
from .scalar import like


class ScalarActivation(NamedTuple):
    """f, and of the output y the slope ``h = f'`` and the curve ``h'``, None where it is zero everywhere."""

    value: Formula
    slope: Formula
    curve: Formula | None


@formula
def _relu(x: Any) -> Any:
    return like(x, 0) if x < 0 else x


@formula
def _relu_slope(y: Any) -> Any:
    return like(y, 1) if y > 0 else like(y, 0)


@formula
def _elu(x: Any) -> Any:
    return x if x > 0 else expm1(x)


@formula
def _elu_slope(y: Any) -> Any:
    return like(y, 1) if y > 0 else y + like(y, 1)


@formula
def _elu_curve(y: Any) -> Any:
    return like(y, 1) if y <= 0 else like(y, 0)


@formula
def _softplus(x: Any) -> Any:
    return (like(x, 0) if x < 0 else x) + log1p(exp(-abs(x)))


@formula
def _softplus_slope(y: Any) -> Any:
    return -expm1(-y)


@formula
def _softplus_curve(y: Any) -> Any:
    return exp(-y)


@formula
def _sigmoid(x: Any) -> Any:
    e = exp(-abs(x))  # only e^-|x| is computed, which cannot overflow
    return (e if x < 0 else like(x, 1)) / (like(x, 1) + e)


@formula
def _sigmoid_slope(y: Any) -> Any:
    return y * (like(y, 1) - y)


@formula
def _sigmoid_curve(y: Any) -> Any:
    return like(y, 1) - (y + y)


@formula
def _tanh(x: Any) -> Any:
    e = expm1(-abs(x + x))  # -e / (2 + e), with the sign of x
    y = e / (like(x, 2) + e)
    return y if x < 0 else -y


@formula
def _tanh_slope(y: Any) -> Any:
    return like(y, 1) - y * y


@formula
def _tanh_curve(y: Any) -> Any:
    return -(y + y)


@formula
def _exp_slope(y: Any) -> Any:
    return y


@formula
def _exp_curve(y: Any) -> Any:
    return like(y, 1)


#: The activations by name.
ACTIVATIONS: Mapping[str, ScalarActivation] = MappingProxyType({
    "relu": ScalarActivation(_relu, _relu_slope, None),
    "elu": ScalarActivation(_elu, _elu_slope, _elu_curve),
    "softplus": ScalarActivation(_softplus, _softplus_slope, _softplus_curve),
    "sigmoid": ScalarActivation(_sigmoid, _sigmoid_slope, _sigmoid_curve),
    "tanh": ScalarActivation(_tanh, _tanh_slope, _tanh_curve),
    "exp": ScalarActivation(exp, _exp_slope, _exp_curve),
})  # fmt: skip
