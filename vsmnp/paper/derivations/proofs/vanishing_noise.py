"""Derive the posterior Fisher divergence on the line as the noise vanishes, at order zero in sqrt(gamma)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....types import Array
from ..evidence import derivative
from ..proof import Proofs, Step
from ..quadrature import normal_rule

# g(z) = sinh(z)/2 at z0, mu = z0 + gamma m, s = (1 + k gamma) sqrt(gamma)/g'; h is the root of gamma.
_Z0, _M, _K = 0.4, 0.6, -0.8
_G1, _G2 = np.cosh(_Z0) / 2, np.sinh(_Z0) / 2
_EPS = np.array([-1.3, -0.2, 0.7, 1.9])
_SHIFTED = _Z0 + _G1**2 * _M + 1.5 * _G2 / _G1 * _EPS**2


def _offset(h: float, m: float, k: float, eps: Array) -> Array:
    """Compute ``u = z - z0``."""
    return np.asarray(h**2 * m + h * (1 + k * h**2) / _G1 * eps)


def _slope_of_likelihood(u: Array) -> Array:
    """Compute ``g'(z) (x - g(z))`` without cancellation."""
    error = -np.cosh(_Z0 + u / 2) * np.sinh(u / 2)
    return np.asarray(np.cosh(_Z0 + u) / 2 * error)


def _d(h: float, m: float = _M, k: float = _K, eps: Array = _EPS) -> Array:
    """Compute ``d = -eps/s + z - g'(z) (x - g(z))/gamma``."""
    u = _offset(h, m, k, eps)
    return np.asarray(-_G1 * eps / (h * (1 + k * h**2)) + _Z0 + u - _slope_of_likelihood(u) / h**2)


def _fisher(h: float, m: float, k: float) -> Array:
    eps, w = normal_rule(12)
    return np.asarray(w @ _d(h, m, k, eps[:, 0]) ** 2 / 2)


def _limit(f: Callable[[float], Array]) -> Array:
    """Compute ``f(0)`` of a function of h that is smooth on both sides of zero, by extrapolation."""
    even = [(f(h) + f(-h)) / 2 for h in (0.01, 0.02, 0.04)]
    return np.asarray((64 * even[0] - 20 * even[1] + even[2]) / 45)


def _squared(at: float) -> float:
    """Compute ``(at + 3 g''/2g')^2/2 + 9/4 (g''/g')^2``."""
    return float((at + 1.5 * _G2 / _G1) ** 2 / 2 + 2.25 * (_G2 / _G1) ** 2)


def _moments() -> Array:
    """Compute half the mean square of ``a + b eps^2``."""
    eps, w = normal_rule(6)
    return np.asarray(w @ (0.7 - 0.4 * eps[:, 0] ** 2) ** 2 / 2)


_EXPANSION = Step(
    r"-g'(z) (x - g(z)) = g'^2 u + \tfrac32 g' g'' u^2 + O(u^3), \quad u = z - z_0",
    "Taylor's formula at z0, where x = g(z0); the second order is the one of A.4-remainder.",
    lambda: (
        [
            derivative(lambda t: -_slope_of_likelihood(np.asarray(t))),
            derivative(lambda t: derivative(lambda v: -_slope_of_likelihood(np.asarray(t + v)), 5e-3), 5e-3)
            / 2,
        ],
        [_G1**2, 1.5 * _G1 * _G2],
    ),
    tolerance=1e-8,
    kind="finite differences",
)
_ORDER_ZERO = Step(
    r"d = -\tfrac\epsilon s + z - \tfrac{g'(z) (x - g(z))}{\gamma} \to z_0 + g'^2 m "
    r"+ \tfrac32 \tfrac{g''}{g'} \epsilon^2",
    "With u = gamma m + s eps: g'^2 s eps / gamma cancels eps / s up to a vanishing rest, and u^2 / gamma "
    "goes to eps^2 / g'^2, so the second order counts however small gamma is.",
    lambda: (_limit(_d), _SHIFTED),
    tolerance=1e-7,
    kind="finite differences",
)
_MEAN_SQUARE = Step(
    r"\tfrac12 E (a + b \epsilon^2)^2 = \tfrac12 (a + b)^2 + b^2",
    "The square of eps has mean 1 and variance 2.",
    lambda: (_moments(), (0.7 - 0.4) ** 2 / 2 + 0.4**2),
)

PROOFS: Proofs = {
    "10-nonlinear-limit": (
        Step(
            r"\mu = z_0 + \gamma m + o(\gamma), \quad s = \tfrac{\sqrt\gamma}{g'} (1 + k \gamma + o(\gamma))",
            "Near z0 any other orders of mu - z0 and of s leave terms in d that grow without bound as gamma "
            "vanishes, from g'^2 (mu - z0) / gamma and from (g'^2 s / gamma - 1 / s) eps.",
        ),
        _EXPANSION,
        _ORDER_ZERO,
        _MEAN_SQUARE,
        Step(
            r"\lim_{\gamma \to 0} D_F = \tfrac12 \left( z_0 + g'^2 m + \tfrac32 \tfrac{g''}{g'} \right)^2 "
            r"+ \tfrac94 \left( \tfrac{g''}{g'} \right)^2",
            "Half the mean square of the limit of d, whose b is 3 g'' / (2 g').",
            lambda: (_limit(lambda h: _fisher(h, _M, _K)), _squared(_Z0 + _G1**2 * _M)),
            tolerance=1e-6,
        ),
        Step(
            r"\lim_{\gamma \to 0} \min_q D_F[q \| p(z|x)] = "
            r"\tfrac94 \left( \tfrac{g''(z_0)}{g'(z_0)} \right)^2",
            "The free offset m of the mean makes the first square 0; what is left does not contain the mean, "
            "against the |mu|^2 / 2 of the paper.",
            lambda: (
                _limit(lambda h: _fisher(h, -(_Z0 + 1.5 * _G2 / _G1) / _G1**2, _K)),
                2.25 * (_G2 / _G1) ** 2,
            ),
            tolerance=1e-5,
        ),
    ),
    "A.4-dropped-term": (
        Step(
            r"\mu = z_0, \quad s = (1 + \tfrac{g'^2}\gamma)^{-1/2} "
            r"= \tfrac{\sqrt\gamma}{g'} (1 - \tfrac{\gamma}{2 g'^2} + O(\gamma^2))",
            "The q of the statement: the offset m is 0, and k is -1 / (2 g'^2).",
            lambda: (
                _limit(lambda h: np.asarray((_G1 / np.sqrt(h**2 + _G1**2) - 1) / h**2)),
                -1 / (2 * _G1**2),
            ),
            tolerance=1e-6,
            kind="finite differences",
        ),
        _EXPANSION,
        _ORDER_ZERO,
        _MEAN_SQUARE,
        Step(
            r"\lim_{\gamma \to 0} D_F[q \| p(z|x)] = "
            r"\tfrac12 \left( \mu + \tfrac32 \tfrac{g''}{g'} \right)^2 "
            r"+ \tfrac94 \left( \tfrac{g''}{g'} \right)^2",
            "Here a = mu and b = 3 g'' / (2 g'); with b dropped it would be the |mu|^2 / 2 of the paper.",
            lambda: (_limit(lambda h: _fisher(h, 0.0, -1 / (2 * _G1**2))), _squared(_Z0)),
            tolerance=1e-6,
        ),
    ),
}
