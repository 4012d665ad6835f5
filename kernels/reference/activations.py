r"""The table of all activations, with their derivatives as functions of the output.

Each activation satisfies an autonomous equation :math:`f'(x) = h(f(x))`, so that the derivative rules need
only the output, and a cache keeps one array instead of two:

======== ======================= ================== =========================
name     y = f(x)                h(y) = f'(x)       h'(y), with f'' = h'(y) h
======== ======================= ================== =========================
relu     max(x, 0)               1 if y > 0 else 0  0
elu      x if x > 0 else e^x - 1 1 if y > 0 else y+1  0 if y > 0 else 1
softplus log(1 + e^x)            1 - e^-y           e^-y
sigmoid  1 / (1 + e^-x)          y (1 - y)          1 - 2 y
tanh     tanh x                  1 - y^2            -2 y
exp      e^x                     y                  1
======== ======================= ================== =========================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.special import expit

from vsmnp.types import Array

_Elementwise: TypeAlias = Callable[[Array], Array]


class Activation(NamedTuple):
    """An activation ``value`` f of x, and as functions of ``y = f(x)`` its ``slope`` h and ``curve`` h'."""

    value: _Elementwise
    slope: _Elementwise
    curve: _Elementwise


#: All activations by name. Codes of compiled sources number them in this order.
ACTIVATIONS: Mapping[str, Activation] = MappingProxyType({
    "relu": Activation(
        lambda x: np.maximum(x, 0),
        lambda y: (y > 0).astype(y.dtype),
        np.zeros_like,
    ),
    "elu": Activation(
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        lambda y: np.where(y > 0, np.ones_like(y), y + 1),
        lambda y: (y <= 0).astype(y.dtype),
    ),
    "softplus": Activation(
        lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
        lambda y: -np.expm1(-y),
        lambda y: np.exp(-y),
    ),
    "sigmoid": Activation(lambda x: np.asarray(expit(x)), lambda y: y * (1 - y), lambda y: 1 - 2 * y),
    "tanh": Activation(np.tanh, lambda y: 1 - y * y, lambda y: -2 * y),
    "exp": Activation(np.exp, lambda y: y, np.ones_like),
})  # fmt: skip

#: The code of each activation in the compiled sources.
CODES: Mapping[str, int] = MappingProxyType({name: code for code, name in enumerate(ACTIVATIONS)})
