"""The rules of layers that are composed of layers: in sequence, and in parallel."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from ....layers.activations import Softplus, Tanh
from ....layers.compose import Chain, Residual
from ....layers.dense import Dense
from ....types import Array
from ..examples.layer import layer_checks
from ..statement import Statement

# --- two layers in sequence, and in parallel, through their Jacobians J (M, O, I) ---


def _jacobian(
    v: SimpleNamespace, name: str, f: str, x: Array, dx: Array
) -> tuple[Array, Array, Array, Array]:
    """Compute for ``h = f(w x + b)``: h; J and its tangent; the tangent of h due to the parameters alone."""
    w, b, dw, db = (getattr(v, part) for part in (f"{name}w", f"{name}b", f"d{name}w", f"d{name}b"))
    u, own = x @ w.T + b, x @ dw.T + db
    du = dx @ w.T + own
    if f == "tanh":
        h, slope, curve = np.tanh(u), 1 / np.cosh(u) ** 2, -2 * np.tanh(u) / np.cosh(u) ** 2
    else:
        h, slope = np.log(1 + np.exp(u)), 1 / (1 + np.exp(-u))
        curve = slope * (1 - slope)
    dj = (curve * du)[..., None] * w + slope[..., None] * dw
    return h, slope[..., None] * w, dj, slope * own


def _chain_terms(v: SimpleNamespace) -> dict[str, Array]:
    h, j1, dj1, e1 = _jacobian(v, "0", "tanh", v.x, v.dx)
    _, j2, dj2, e2 = _jacobian(v, "2", "softplus", h, _times(j1, v.dx) + e1)
    return {"j1": j1, "dj1": dj1, "e1": e1, "j2": j2, "dj2": dj2, "e2": e2}


def _residual_terms(v: SimpleNamespace) -> dict[str, Array]:
    _, j, dj, e = _jacobian(v, "body0", "tanh", v.x, v.dx)
    k, dk, f = np.broadcast_to(np.eye(3), j.shape), np.zeros_like(j), np.zeros_like(e)
    if hasattr(v, "shortcutw"):
        k, dk = (np.broadcast_to(a, j.shape) for a in (v.shortcutw, v.dshortcutw))
        f = v.x @ v.dshortcutw.T + v.dshortcutb
    return {"j": j, "dj": dj, "e": e, "k": k, "dk": dk, "f": f}


def _times(j: Array, dx: Array) -> Array:
    return np.asarray(np.einsum("moi,mi->mo", j, dx))


def _back(gy: Array, j: Array) -> Array:
    return np.asarray(np.einsum("mo,moi->mi", gy, j))


_CHAIN = {
    "dy": lambda v: _times(v.j2, _times(v.j1, v.dx) + v.e1) + v.e2,
    "gx": lambda v: _back(_back(v.gy, v.j2), v.j1),
    "dgx": lambda v: _back(_back(v.dgy, v.j2) + _back(v.gy, v.dj2), v.j1) + _back(_back(v.gy, v.j2), v.dj1),
}

_RESIDUAL = {
    "dy": lambda v: _times(v.j, v.dx) + v.e + _times(v.k, v.dx) + v.f,
    "gx": lambda v: _back(v.gy, v.j) + _back(v.gy, v.k),
    "dgx": lambda v: _back(v.dgy, v.j) + _back(v.gy, v.dj) + _back(v.dgy, v.k) + _back(v.gy, v.dk),
}

_BODY = Chain((Dense(3, 3), Tanh()))

STATEMENTS = (
    Statement(
        id="engine-chain",
        title="The tangent of a backward sweep through two layers",
        assumptions="y = f_2(f_1(x)) with Jacobians J_1, J_2; e_i is the tangent that the parameters of "
            "layer i alone cause; a dot over J_2 also counts that its input moves.",
        latex=r"\dot y = J_2 (J_1 \dot x + e_1) + e_2, \quad \bar x = J_1^T J_2^T \bar y, \quad "
            r"\dot{\bar x} = J_1^T (J_2^T \dot{\bar y} + \dot J_2^T \bar y) + \dot J_1^T J_2^T \bar y",
        claim=_CHAIN,
        checks=layer_checks(Chain((Dense(3, 3), Tanh(), Dense(3, 3), Softplus())), _chain_terms),
        mutations={
            "wrong order": _CHAIN | {"gx": lambda v: _back(_back(v.gy, v.j1), v.j2)},
            "parameters of the first layer missing": _CHAIN
            | {"dy": lambda v: _times(v.j2, _times(v.j1, v.dx)) + v.e2},
            "outer Jacobian at rest": _CHAIN
            | {"dgx": lambda v: _back(_back(v.dgy, v.j2), v.j1) + _back(_back(v.gy, v.j2), v.dj1)},
            "inner Jacobian at rest": _CHAIN
            | {"dgx": lambda v: _back(_back(v.dgy, v.j2) + _back(v.gy, v.dj2), v.j1)},
        },
        code="vsmnp.layers.compose.Chain",
    ),
    Statement(
        id="engine-residual",
        title="The rules of a residual block, the sum of a body and a shortcut",
        assumptions="y = f(x) + h(x) with Jacobians J and K, and tangents e and k from their own "
            "parameters; without a layer as shortcut K = 1 and k = 0.",
        latex=r"\dot y = J \dot x + e + K \dot x + k, \quad \bar x = J^T \bar y + K^T \bar y, \quad "
            r"\dot{\bar x} = J^T \dot{\bar y} + \dot J^T \bar y + K^T \dot{\bar y} + \dot K^T \bar y",
        claim=_RESIDUAL,
        checks=(
            *layer_checks(Residual(_BODY, Dense(3, 3)), _residual_terms),
            *layer_checks(Residual(_BODY), _residual_terms),
        ),
        mutations={
            "shortcut missing from the tangent": _RESIDUAL | {"dy": lambda v: _times(v.j, v.dx) + v.e},
            "shortcut missing from the cotangent": _RESIDUAL | {"gx": lambda v: _back(v.gy, v.j)},
            "shortcut at rest": _RESIDUAL
            | {"dgx": lambda v: _back(v.dgy, v.j) + _back(v.gy, v.dj) + _back(v.dgy, v.k)},
            "second order through the shortcut twice": _RESIDUAL
            | {
                "dgx": lambda v: _back(v.dgy, v.j) + _back(v.gy, v.dj) + 2 * _back(v.dgy, v.k)
                + _back(v.gy, v.dk)
            },
        },
        code="vsmnp.layers.compose.Residual",
    ),
)  # fmt: skip
