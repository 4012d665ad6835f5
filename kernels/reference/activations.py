r"""The activations and their derivatives as functions of the output.

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

import numpy as np
from scipy.special import expit

from vsmnp.types import Array

Elementwise = Callable[[Array], Array]

VALUE: Mapping[str, Elementwise] = MappingProxyType({
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "sigmoid": lambda x: np.asarray(expit(x)),
    "tanh": np.tanh,
    "exp": np.exp,
})  # fmt: skip

SLOPE: Mapping[str, Elementwise] = MappingProxyType({
    "relu": lambda y: (y > 0).astype(y.dtype),
    "elu": lambda y: np.where(y > 0, np.ones_like(y), y + 1),
    "softplus": lambda y: -np.expm1(-y),
    "sigmoid": lambda y: y * (1 - y),
    "tanh": lambda y: 1 - y * y,
    "exp": lambda y: y,
})  # fmt: skip

CURVE: Mapping[str, Elementwise] = MappingProxyType({
    "relu": np.zeros_like,
    "elu": lambda y: (y <= 0).astype(y.dtype),
    "softplus": lambda y: np.exp(-y),
    "sigmoid": lambda y: 1 - 2 * y,
    "tanh": lambda y: -2 * y,
    "exp": np.ones_like,
})  # fmt: skip
