"""Derive the rules of composed layers from those of their parts: the chain rule, and the sum."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from ....layers.activations import Tanh
from ....layers.compose import Chain, Residual
from ....layers.dense import Dense
from ....types import Array
from ..examples.layer import LayerExample
from ..proof import Proofs, Step

_CHAIN = LayerExample(Chain((Dense(3, 3), Tanh())))
_RESIDUAL = LayerExample(Residual(Tanh(), Dense(3, 3)))


def _chain() -> SimpleNamespace:
    """Return J_1 = w, J_2 = diag(slope), their tangents dw and diag(dslope), and e = e_1 of w x + b, tanh."""
    v = _CHAIN.inputs()
    w, dw, b, db = (getattr(v, name) for name in ("0w", "d0w", "0b", "d0b"))
    h, e = v.x @ w.T + b, v.x @ dw.T + db
    slope, dh = 1 / np.cosh(h) ** 2, v.dx @ w.T + e
    return SimpleNamespace(
        x=v.x, dx=v.dx, gy=v.gy, dgy=v.dgy, w=w, dw=dw, e=e, slope=slope, dslope=-2 * np.tanh(h) * slope * dh
    )


def _residual() -> SimpleNamespace:
    """Return J = diag(slope) of tanh with its tangent, and K = w with dw and k of the dense shortcut."""
    v = _RESIDUAL.inputs()
    w, dw, db = v.shortcutw, v.dshortcutw, v.dshortcutb
    slope = 1 / np.cosh(v.x) ** 2
    return SimpleNamespace(
        dx=v.dx, gy=v.gy, dgy=v.dgy, w=w, dw=dw, k=v.x @ dw.T + db, slope=slope,
        dslope=-2 * np.tanh(v.x) * slope * v.dx,
    )  # fmt: skip


def _chain_tangent() -> tuple[Array, Array]:
    c = _chain()
    return _CHAIN.by_differences["dy"], c.slope * (c.dx @ c.w.T + c.e)


def _chain_cotangent() -> tuple[Array, Array]:
    c = _chain()
    return _CHAIN.by_differences["gx"], (c.slope * c.gy) @ c.w


def _chain_second() -> tuple[Array, Array]:
    c = _chain()
    inner = c.slope * c.dgy + c.dslope * c.gy
    return _CHAIN.by_differences["dgx"], inner @ c.w + (c.slope * c.gy) @ c.dw


def _residual_tangent() -> tuple[Array, Array]:
    r = _residual()
    return _RESIDUAL.by_differences["dy"], r.slope * r.dx + r.dx @ r.w.T + r.k


def _residual_cotangent() -> tuple[Array, Array]:
    r = _residual()
    return _RESIDUAL.by_differences["gx"], r.slope * r.gy + r.gy @ r.w


def _residual_second() -> tuple[Array, Array]:
    r = _residual()
    body, shortcut = r.slope * r.dgy + r.dslope * r.gy, r.dgy @ r.w + r.gy @ r.dw
    return _RESIDUAL.by_differences["dgx"], body + shortcut


PROOFS: Proofs = {
    "engine-chain": (
        Step(
            r"h = f_1(x): \quad \dot h = J_1 \dot x + e_1, \quad \dot y = J_2 \dot h + e_2",
            "Each layer's tangent has a part from its input and a part from its own parameters.",
        ),
        Step(
            r"\dot y = J_2 (J_1 \dot x + e_1) + e_2",
            "The tangent of h is the input tangent of the second layer.",
            _chain_tangent,
            kind="finite differences",
        ),
        Step(
            r"\bar h = J_2^T \bar y, \quad \bar x = J_1^T \bar h = J_1^T J_2^T \bar y",
            "The adjoint of a product is the product of the adjoints in the reverse order.",
            _chain_cotangent,
            kind="finite differences",
        ),
        Step(
            r"\dot{\bar h} = J_2^T \dot{\bar y} + \dot J_2^T \bar y, \quad "
            r"\dot{\bar x} = J_1^T \dot{\bar h} + \dot J_1^T \bar h",
            "The product rule in each layer; J_2 moves with the parameters of the second layer and with h.",
        ),
        Step(
            r"\dot{\bar x} = J_1^T (J_2^T \dot{\bar y} + \dot J_2^T \bar y) + \dot J_1^T J_2^T \bar y",
            "The first of the two is inserted into the second.",
            _chain_second,
            kind="finite differences",
        ),
    ),
    "engine-residual": (
        Step(
            r"\dot y = \tfrac{d}{dt} f + \tfrac{d}{dt} h = J \dot x + e + K \dot x + k",
            "The derivative of a sum; both parts have the same input.",
            _residual_tangent,
            kind="finite differences",
        ),
        Step(
            r"\bar x = (J + K)^T \bar y = J^T \bar y + K^T \bar y",
            "The adjoint of a sum is the sum of the adjoints.",
            _residual_cotangent,
            kind="finite differences",
        ),
        Step(
            r"\dot{\bar x} = J^T \dot{\bar y} + \dot J^T \bar y + K^T \dot{\bar y} + \dot K^T \bar y",
            "The product rule for both summands; without a layer as shortcut K = 1 does not move.",
            _residual_second,
            kind="finite differences",
        ),
    ),
}
