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


# --- the tail of N(0, 1) from R_0 to R, where pi f is a constant ---

_START, _END, _LIMIT = 0.6, 4.0, 1.7
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_LINE = _START + (_END - _START) * (_NODES + 1) / 2


def _between_ends(f: Array) -> float:
    return float((_END - _START) / 2 * _WEIGHTS @ f)


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
            "Here pi vanishes and the boundary term does not, and both expectations are infinite: the "
            "paper's condition needs finite ones, on the line (engine-boundary-term).",
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
    ),
    "engine-boundary-term": (
        Step(
            r"\pi \, (\log \pi)' f = \pi' f = L \, \frac{\pi'}{\pi}",
            "Beyond R_0 the product pi f is L, so that f is L / pi.",
            lambda: (
                _normal(_LINE) * derivative(lambda t: np.log(_normal(_LINE + t))) * _LIMIT / _normal(_LINE),
                _LIMIT * derivative(lambda t: _normal(_LINE + t)) / _normal(_LINE),
            ),
            kind="finite differences",
        ),
        Step(
            r"\int_{R_0}^{R} L \, \frac{\pi'}{\pi} \, dx = L \log \frac{\pi(R)}{\pi(R_0)}",
            "The integrand is the derivative of L log pi.",
            lambda: (
                _LIMIT * _between_ends(derivative(lambda t: _normal(_LINE + t)) / _normal(_LINE)),
                _LIMIT * np.log(_normal(_END) / _normal(_START)),
            ),
        ),
        Step(
            r"L \log \frac{\pi(R)}{\pi(R_0)} \to -\infty \text{ as } \pi(R) \to 0, \; L > 0",
            "The logarithm of a number that goes to zero; with L < 0 the limit is plus infinity. If pi f "
            "only tends to L, then |pi' f| is at least |L (log pi)'|/2 beyond some R_0, whose integral is "
            "infinite as well: a boundary term on the line and a finite expectation exclude each other.",
        ),
    ),
}
