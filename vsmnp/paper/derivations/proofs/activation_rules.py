"""Derive the derivatives of the activations from their values, and those of a softplus scale."""

from __future__ import annotations

import numpy as np

from ....kernels import load
from ....types import ActivationName, Array
from ..evidence import derivative
from ..proof import Proofs, Step

_X = np.array([-2.1, -0.7, 0.4, 1.3])
_NEGATIVE, _POSITIVE = _X[:2], _X[2:]


def _slope(f: ActivationName, x: Array = _X) -> Array:
    """Compute differences of the engine's activation."""
    k = load("reference")
    return derivative(lambda t: k.activation(f, x + t))


def _value(f: ActivationName, x: Array = _X) -> Array:
    return np.asarray(load("reference").activation(f, x))


def _curve(f: ActivationName, x: Array = _X) -> Array:
    """Compute second differences of the engine's activation."""
    k = load("reference")
    return derivative(lambda s: derivative(lambda t: k.activation(f, x + s + t), 4e-3), 4e-3)


_SOFTPLUS = Step(
    r"s = \log (1 + e^\rho) \iff e^{-s} = \frac{1}{1 + e^\rho}",
    "The definition of softplus, solved for what the derivative needs.",
    lambda: (np.exp(-_value("softplus")), 1 / (1 + np.exp(_X))),
    kind="closed form",
)

PROOFS: Proofs = {
    "engine-activations": (
        Step(
            r"f' = h(f) \implies f'' = h'(f)\, f' = h'(f)\, h(f)",
            "The chain rule: x enters the slope through the value alone.",
            lambda: (_curve("sigmoid"), (1 - 2 * _value("sigmoid")) * _slope("sigmoid")),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\text{relu}: \; y = x\, [x > 0] \implies y' = [x > 0] = [y > 0], \quad h' = 0",
            "The value is positive where x is; both pieces are linear, and 0 is excluded.",
            lambda: (_slope("relu"), (_value("relu") > 0).astype(float)),
            kind="finite differences",
        ),
        Step(
            r"\text{elu}: \; y = e^x - 1 \; (x \le 0) \implies y' = e^x = y + 1, \quad h' = 1",
            "For negative x; the other piece is that of relu.",
            lambda: (_slope("elu", _NEGATIVE), _value("elu", _NEGATIVE) + 1),
            kind="finite differences",
        ),
        Step(
            r"\text{softplus}: \; y = \log (1 + e^x) \implies y' = \frac{e^x}{1 + e^x} = 1 - \frac{1}{1 + "
            r"e^x} "
            r"= 1 - e^{-y}, \quad h' = e^{-y}",
            "The last fraction is e^-y by the definition of y.",
            lambda: (_slope("softplus"), 1 - np.exp(-_value("softplus"))),
            kind="finite differences",
        ),
        Step(
            r"\text{sigmoid}: \; y = \frac{1}{1 + e^{-x}} \implies y' = \frac{e^{-x}}{(1 + e^{-x})^2} "
            r"= y (1 - y), \quad h' = 1 - 2 y",
            "One factor of the square is y, the rest is 1 - y.",
            lambda: (_slope("sigmoid"), _value("sigmoid") * (1 - _value("sigmoid"))),
            kind="finite differences",
        ),
        Step(
            r"\text{tanh}: \; y = \frac{\sinh x}{\cosh x} \implies y' = \frac{\cosh^2 x - \sinh^2 "
            r"x}{\cosh^2 x} "
            r"= 1 - y^2, \quad h' = -2 y",
            "The quotient rule, and the identity of the hyperbolic functions.",
            lambda: (
                [_slope("tanh"), _curve("tanh")],
                [1 - _value("tanh") ** 2, -2 * _value("tanh") * (1 - _value("tanh") ** 2)],
            ),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"f' = h(f), \; f'' = h'(f) h(f), \quad h(y) = [y > 0], \; [y > 0] + [y \le 0] (y + 1), \; "
            r"1 - e^{-y}, \; y (1 - y), \; 1 - y^2, \; y",
            "The list, for relu, elu, softplus, sigmoid, tanh and exp, which is its own derivative.",
            lambda: (_slope("exp"), _value("exp")),
            kind="finite differences",
        ),
    ),
    "engine-softplus-scale": (
        _SOFTPLUS,
        Step(
            r"S' = \frac{e^\rho}{1 + e^\rho} = 1 - e^{-s}",
            "The chain rule for the logarithm, and the first line.",
            lambda: (_slope("softplus"), 1 - np.exp(-_value("softplus"))),
            kind="finite differences",
        ),
        Step(
            r"S'' = \frac{d}{d\rho} ( 1 - e^{-s} ) = e^{-s} S'",
            "The second line is differentiated in rho, through s.",
            lambda: (_curve("softplus"), np.exp(-_value("softplus")) * -np.expm1(-_value("softplus"))),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"1 - e^{-s} = s - \tfrac{s^2}{2} + \dots = -\operatorname{expm1}(-s)",
            "For a small s the difference of numbers near 1 has few digits left; expm1 sums the series "
            "instead.",
            lambda: (-np.expm1(-1e-9), 1e-9 - 0.5e-18),
            tolerance=1e-15,
            kind="closed form",
        ),
        Step(
            r"S' = 1 - e^{-s} = -\operatorname{expm1}(-s), \quad S'' = e^{-s} S'",
            "Both from s alone, so that rho need not be kept.",
        ),
    ),
}
