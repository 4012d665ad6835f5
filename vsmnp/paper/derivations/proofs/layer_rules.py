"""Derive the rules of each family of layers: the tangent, its adjoint, and the tangent of the adjoint."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace

import numpy as np

from ....layers.activations import Tanh
from ....layers.dense import Dense
from ....types import Array
from ..evidence import derivative
from ..examples.layer import LayerExample
from ..proof import Proofs, Step

_DENSE, _TANH = LayerExample(Dense(3, 3)), LayerExample(Tanh())


@cache
def _v() -> SimpleNamespace:
    """Return the inputs of the dense layer."""
    return _DENSE.inputs()


def _found(name: str) -> Array:
    """Return a result of differences through the engine's dense layer."""
    return _DENSE.by_differences[name]


def _along(f: Callable[[float], Array]) -> Array:
    return derivative(f, 0.1)  # exact for the products below, which are polynomials of the step


def _w(t: float) -> Array:
    return np.asarray(_v().w + t * _v().dw)


# --- a linear layer: the matrix is the dense layer's, held fixed ---

_A = np.array([[1.0, -0.5, 0.2], [0.3, 0.8, -1.1], [0.0, 0.4, 0.6]])

# --- the pointwise layer f = tanh ---


def _slope(x: Array) -> Array:
    return np.asarray(1 / np.cosh(x) ** 2)


def _curve(x: Array) -> Array:
    return np.asarray(-2 * np.tanh(x) * _slope(x))


PROOFS: Proofs = {
    "engine-linear": (
        Step(
            r"\dot y = \tfrac{d}{dt} A (x + t \dot x) = A \dot x",
            "The tangent of y is its derivative along the tangent of x; A is constant.",
            lambda: (_along(lambda t: (_v().x + t * _v().dx) @ _A.T), _v().dx @ _A.T),
            kind="finite differences",
        ),
        Step(
            r"\langle \bar x, \dot x \rangle = \langle \bar y, \dot y \rangle = \langle \bar y, A \dot x "
            r"\rangle "
            r"= \langle A^T \bar y, \dot x \rangle \text{ for all } \dot x \implies \bar x = A^T \bar y",
            "The cotangent of x is the gradient in x of a loss whose gradient in y is that of y.",
            lambda: ((_v().gy * (_v().dx @ _A.T)).sum(), ((_v().gy @ _A) * _v().dx).sum()),
            kind="closed form",
        ),
        Step(
            r"\dot{\bar x} = \tfrac{d}{dt} A^T (\bar y + t \dot{\bar y}) = A^T \dot{\bar y}",
            "The second line is differentiated along t; A does not move.",
            lambda: (_along(lambda t: (_v().gy + t * _v().dgy) @ _A), _v().dgy @ _A),
            kind="finite differences",
        ),
    ),
    "engine-bilinear": (
        Step(
            r"\dot y = B(w, \dot x) + B(\dot w, x) + \dot b",
            "The product rule: B is linear in each of its two arguments.",
            lambda: (_found("dy"), _v().dx @ _v().w.T + _v().x @ _v().dw.T + _v().db),
            kind="finite differences",
        ),
        Step(
            r"\langle \bar y, B(w, \dot x) \rangle = \langle w^T \bar y, \dot x \rangle \implies "
            r"\bar x = w^T \bar y",
            "With dw = db = 0 the first line is a linear layer with the matrix w: (engine-linear).",
            lambda: (_found("gx"), _v().gy @ _v().w),
            kind="finite differences",
        ),
        Step(
            r"\langle \bar y, \dot w x \rangle = \Bigl\langle \sum \bar y x^T, \dot w \Bigr\rangle, \quad "
            r"\langle \bar y, \dot b \rangle = \Bigl\langle \sum \bar y, \dot b \Bigr\rangle \implies "
            r"\bar w = \sum \bar y x^T, \quad \bar b = \sum \bar y",
            "With dx = 0 the same, for the parameters; the sum is over the rows that share them.",
            lambda: (np.append(_found("gw"), _found("gb")), np.append(_v().gy.T @ _v().x, _v().gy.sum(0))),
            kind="finite differences",
        ),
        Step(
            r"\dot{\bar x} = w^T \dot{\bar y} + \dot w^T \bar y",
            "The product rule for the second line, in which w and the cotangent of y move.",
            lambda: (
                _along(lambda t: (_v().gy + t * _v().dgy) @ _w(t)),
                _v().dgy @ _v().w + _v().gy @ _v().dw,
            ),
            kind="finite differences",
        ),
        Step(
            r"\dot{\bar w} = \sum \dot{\bar y} x^T + \bar y \dot x^T, \quad \dot{\bar b} = \sum \dot{\bar y}",
            "The product rule for the third line, in which x and the cotangent of y move.",
            lambda: (
                np.append(_found("dgw"), _found("dgb")),
                np.append(_v().dgy.T @ _v().x + _v().gy.T @ _v().dx, _v().dgy.sum(0)),
            ),
            kind="finite differences",
        ),
    ),
    "engine-pointwise": (
        Step(
            r"\dot y = f'(x)\, \dot x",
            "The chain rule in each element.",
            lambda: (derivative(lambda t: np.tanh(_v().x + t * _v().dx)), _slope(_v().x) * _v().dx),
            kind="finite differences",
        ),
        Step(
            r"\langle \bar y, f' \dot x \rangle = \langle f' \bar y, \dot x \rangle \implies \bar x = f' "
            r"\bar y",
            "The Jacobian is diagonal, so it is its own adjoint.",
            lambda: (_TANH.by_differences["gx"], _slope(_TANH.inputs().x) * _TANH.inputs().gy),
            kind="finite differences",
        ),
        Step(
            r"\dot{\bar x} = \tfrac{d}{dt} [ f'(x + t \dot x)\, (\bar y + t \dot{\bar y}) ] "
            r"= f' \dot{\bar y} + f'' \dot x \bar y",
            "The product rule; the slope moves because x does, and its derivative is f''.",
            lambda: (
                derivative(lambda t: _slope(_v().x + t * _v().dx) * (_v().gy + t * _v().dgy)),
                _slope(_v().x) * _v().dgy + _curve(_v().x) * _v().dx * _v().gy,
            ),
            kind="finite differences",
        ),
    ),
}
