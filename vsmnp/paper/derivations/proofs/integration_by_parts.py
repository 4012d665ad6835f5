"""Derive (25), and show by a heavy tail that pi f, and not pi alone, must vanish."""

from __future__ import annotations

import numpy as np

from ....types import Array
from ..evidence import derivative, divergence_in, gradient_in
from ..examples.linear_joint import TOY
from ..examples.toy import dot
from ..proof import Proofs, Step

_FEW = TOY.few


def _f(x: Array) -> Array:
    """Compute a field that grows: ``E_q s^p`` of the toy."""
    return TOY.expect_q(TOY.score_p, x)


def _density(x: Array) -> Array:
    return np.asarray(np.exp(TOY.log_pi(x)))


# --- on the line: pi = N(0, 1) and f = x^3 on |x| <= 1.3 ---

_R = 1.3


def _normal(x: Array | float) -> Array:
    return np.asarray(np.exp(-np.square(x) / 2) / np.sqrt(2 * np.pi))


def _between(f: Array, weights: Array) -> float:
    return float(_R * weights @ f)


def _on_the_line() -> tuple[float, float]:
    """Compute the integrals of ``pi' f`` and of ``pi f'`` over ``|x| <= 1.3``."""
    points, weights = np.polynomial.legendre.leggauss(40)
    x = _R * points
    slope = derivative(lambda t: _normal(x + t))
    return _between(slope * x**3, weights), _between(_normal(x) * 3 * x**2, weights)


PROOFS: Proofs = {
    "25": (
        Step(
            r"E_\pi[\nabla_x \log \pi \cdot f] = \int \nabla_x \pi \cdot f \, dx",
            "The gradient of log pi times pi is the gradient of pi.",
            lambda: (
                dot(TOY.score_pi(_FEW), _f(_FEW)) * _density(_FEW),
                dot(gradient_in(_density, _FEW), _f(_FEW)),
            ),
            kind="finite differences",
        ),
        Step(
            r"\nabla_x \pi \cdot f = \nabla_x \cdot (\pi f) - \pi \, \nabla_x \cdot f",
            "The product rule, in every coordinate.",
            lambda: (
                dot(gradient_in(_density, _FEW), _f(_FEW)),
                divergence_in(lambda x: _density(x)[:, None] * _f(x), _FEW)
                - _density(_FEW) * divergence_in(_f, _FEW),
            ),
            kind="finite differences",
        ),
        Step(
            r"\int_{-R}^{R} \pi' f \, dx = [\pi f]_{-R}^{R} - \int_{-R}^{R} \pi f' dx",
            "The integral of a derivative on the line; in more dimensions it is the flux of pi f through the "
            "surface of a ball.",
            lambda: (_on_the_line()[0], 2 * _normal(_R) * _R**3 - _on_the_line()[1]),
        ),
        Step(
            r"[\pi f]_{-R}^R \to \tfrac2\pi \text{ for } \pi(x) = \tfrac1{\pi (1 + x^2)}, \; f(x) = x |x|",
            "Here pi vanishes and the boundary term does not: the paper's condition is not enough.",
            lambda: (2 * 1e6**2 / (np.pi * (1 + 1e6**2)), 2 / np.pi),
            kind="closed form",
        ),
        Step(
            r"E_\pi[\nabla_x \log \pi \cdot f] = [\pi f]_{-\infty}^{\infty} - E_\pi[\nabla_x \cdot f] "
            r"= -E_\pi[\nabla_x \cdot f] \text{ if } \pi f \to 0",
            "The radius goes to infinity, and the boundary term to its limit.",
            lambda: (
                TOY.expect_pi(lambda x: dot(TOY.score_pi(x), _f(x))),
                -TOY.expect_pi(lambda x: divergence_in(_f, x)),
            ),
        ),
    )
}
