"""The four rules of each family of layers, for rows of data ``x (M, I)`` and weights ``w (O, I)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ....layers.activations import Elu, Softplus, Tanh
from ....layers.dense import Dense
from ....layers.families import LinearMap
from ....types import Array, Kernels
from ..examples.layer import layer_checks
from ..statement import Statement

# --- a linear layer, with a matrix that is not symmetric ---


@dataclass(frozen=True)
class _Turn(LinearMap):
    """The layer ``y = A x`` with a square matrix, for which a wrong transposition can be evaluated."""

    a: ClassVar[Array] = np.array([[1.0, -0.5, 0.2], [0.3, 0.8, -1.1], [0.0, 0.4, 0.6]])

    def apply(self, k: Kernels, x: Array) -> Array:
        return np.asarray(x @ self.a.T)

    def adjoint(self, k: Kernels, gy: Array) -> Array:
        return np.asarray(gy @ self.a)


_LINEAR = {"dy": lambda v: v.dx @ v.a.T, "gx": lambda v: v.gy @ v.a, "dgx": lambda v: v.dgy @ v.a}

# --- a bilinear layer ---

_BILINEAR = {
    "dy": lambda v: v.dx @ v.w.T + v.x @ v.dw.T + v.db,
    "gx": lambda v: v.gy @ v.w,
    "gw": lambda v: v.gy.T @ v.x,
    "gb": lambda v: v.gy.sum(0),
    "dgx": lambda v: v.dgy @ v.w + v.gy @ v.dw,
    "dgw": lambda v: v.dgy.T @ v.x + v.gy.T @ v.dx,
    "dgb": lambda v: v.dgy.sum(0),
}

# --- an elementwise layer, with f' and f'' written in x and not in y ---

_POINTWISE = {
    "dy": lambda v: v.slope * v.dx,
    "gx": lambda v: v.slope * v.gy,
    "dgx": lambda v: v.slope * v.dgy + v.curve * v.dx * v.gy,
}

STATEMENTS = (
    Statement(
        id="engine-linear",
        title="The rules of a linear layer",
        assumptions="y = A x.",
        latex=r"\dot y = A \dot x, \quad \bar x = A^T \bar y, \quad \dot{\bar x} = A^T \dot{\bar y}",
        claim=_LINEAR,
        checks=layer_checks(_Turn(), lambda v: {"a": _Turn.a}),
        mutations={
            "A for its adjoint": _LINEAR | {"gx": lambda v: v.gy @ v.a.T},
            "adjoint in the tangent": _LINEAR | {"dy": lambda v: v.dx @ v.a},
            "cotangent for its tangent": _LINEAR | {"dgx": lambda v: v.gy @ v.a},
            "sign": _LINEAR | {"dgx": lambda v: -v.dgy @ v.a},
        },
        code="vsmnp.layers.families.LinearMap",
    ),
    Statement(
        id="engine-bilinear",
        title="The rules of a bilinear layer",
        assumptions="y = B(w, x) + b, here the dense layer B(w, x) = w x.",
        latex=r"\dot y = B(w, \dot x) + B(\dot w, x) + \dot b, \quad \bar x = w^T \bar y, \quad "
            r"\bar w = \sum \bar y x^T, \quad \bar b = \sum \bar y, \quad "
            r"\dot{\bar x} = w^T \dot{\bar y} + \dot w^T \bar y, \quad "
            r"\dot{\bar w} = \sum \dot{\bar y} x^T + \bar y \dot x^T, \quad \dot{\bar b} = \sum \dot{\bar y}",
        claim=_BILINEAR,
        checks=layer_checks(Dense(3, 3)),
        mutations={
            "tangent of w missing": _BILINEAR | {"dy": lambda v: v.dx @ v.w.T + v.db},
            "tangent of b missing": _BILINEAR | {"dy": lambda v: v.dx @ v.w.T + v.x @ v.dw.T},
            "w not transposed": _BILINEAR | {"gx": lambda v: v.gy @ v.w.T},
            "gradient of w transposed": _BILINEAR | {"gw": lambda v: v.x.T @ v.gy},
            "bias of one row": _BILINEAR | {"gb": lambda v: v.gy[0]},
            "moving weights forgotten": _BILINEAR | {"dgx": lambda v: v.dgy @ v.w},
            "moving input forgotten": _BILINEAR | {"dgw": lambda v: v.dgy.T @ v.x},
            "sign": _BILINEAR | {"dgx": lambda v: v.dgy @ v.w - v.gy @ v.dw},
        },
        code="vsmnp.layers.families.Bilinear",
    ),
    Statement(
        id="engine-pointwise",
        title="The rules of a pointwise layer",
        assumptions="y = f(x), element by element; f is smooth at x.",
        latex=r"\dot y = f' \dot x, \quad \bar x = f' \bar y, \quad "
            r"\dot{\bar x} = f' \dot{\bar y} + f'' \dot x \bar y",
        claim=_POINTWISE,
        checks=(
            *layer_checks(Tanh(), lambda v: {
                "slope": 1 / np.cosh(v.x) ** 2, "curve": -2 * np.tanh(v.x) / np.cosh(v.x) ** 2}),
            *layer_checks(Softplus(), lambda v: {
                "slope": 1 / (1 + np.exp(-v.x)), "curve": 1 / (2 + 2 * np.cosh(v.x))}),
            *layer_checks(Elu(), lambda v: {
                "slope": np.exp(np.minimum(v.x, 0)), "curve": np.where(v.x > 0, 0, np.exp(v.x))}),
        ),
        mutations={
            "no curvature": _POINTWISE | {"dgx": lambda v: v.slope * v.dgy},
            "sign": _POINTWISE | {"dgx": lambda v: v.slope * v.dgy - v.curve * v.dx * v.gy},
            "slope twice": _POINTWISE | {"dgx": lambda v: v.slope * (v.dgy + v.curve * v.dx * v.gy)},
            "cotangent as it came": _POINTWISE | {"gx": lambda v: v.gy},
            "tangent as it came": _POINTWISE | {"dy": lambda v: v.dx},
        },
        code="vsmnp.layers.families.Elementwise",
    ),
)  # fmt: skip
