"""Derive Remark 3.2: both utilities are minima over gamma of terms linear in the error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..evidence import derivative
from ..examples.minimum import least_between
from ..examples.moments import utility
from ..proof import Proofs, Step
from .gaussian_scores import least_over_gamma

_Y, _D = 0.7, 3


def _h_k(y: float) -> float:
    return float(_D * np.log(y / _D) / 2)


def _least_elbo(y: float) -> float:
    """Find the minimum over gamma of the ELBO's reconstruction term."""

    def loss(log_gamma: float) -> float:
        return float(y * np.exp(-log_gamma) / 2 + _D * log_gamma / 2)

    return least_between(loss, -20, 20)[1]


def _slope(h: Callable[[float], float]) -> float:
    return float(derivative(lambda t: h(_Y + t)))


def _curvature(h: Callable[[float], float]) -> float:
    return float(derivative(lambda t: derivative(lambda u: h(_Y + t + u))))


def _h_f(y: float) -> float:
    return float(utility(y, _D))


PROOFS: Proofs = {
    "remark-3.2": (
        Step(
            r"h_F(y) = \min_\gamma \{ \tfrac{y}{2\gamma^2} - \tfrac{d_x}\gamma \} = -\tfrac{d_x^2}{2y}, "
            r"\quad \gamma^* = \tfrac{y}{d_x}",
            "The minimum (22) with a = y and b = d_x (prop-3.1).",
            lambda: (least_over_gamma(_Y, _D), _h_f(_Y)),
            kind="search",
        ),
        Step(
            r"h_K(y) = \min_\gamma \{ \tfrac{y}{2\gamma} + \tfrac{d_x}2 \log\gamma \} - \tfrac{d_x}2 "
            r"= \tfrac{d_x}2 \log \tfrac{y}{d_x}, \quad \gamma^* = \tfrac{y}{d_x}",
            "The same for the reconstruction term of the ELBO, at the same gamma (4-utility).",
            lambda: (_least_elbo(_Y) - _D / 2, _h_k(_Y)),
            kind="search",
        ),
        Step(
            r"h_F' = \tfrac{d_x^2}{2y^2}, \quad h_K' = \tfrac{d_x}{2y}",
            "The derivatives in y; both are unbounded as y goes to zero.",
            lambda: ([_slope(_h_f), _slope(_h_k)], [_D**2 / (2 * _Y**2), _D / (2 * _Y)]),
            kind="finite differences",
        ),
        Step(
            r"h_F'' = -\tfrac{d_x^2}{y^3}, \quad h_K'' = -\tfrac{d_x}{2y^2}",
            "The second derivatives are negative, so that both are concave, as a minimum of functions that "
            "are linear in y must be.",
            lambda: ([_curvature(_h_f), _curvature(_h_k)], [-(_D**2) / _Y**3, -_D / (2 * _Y**2)]),
            kind="finite differences",
        ),
        Step(
            r"h_F' = \tfrac{d_x^2}{2y^2}, \; h_F'' = -\tfrac{d_x^2}{y^3}, \quad "
            r"h_K' = \tfrac{d_x}{2y}, \; h_K'' = -\tfrac{d_x}{2y^2}, \quad h_F' = h_K' / \gamma^*",
            "The slopes have the quotient d_x / y, which is 1 / gamma*: so the gradient of M1 in the weights "
            "is that of the ELBO over gamma.",
            lambda: (_slope(_h_f) / _slope(_h_k), _D / _Y),
            kind="finite differences",
        ),
    )
}
