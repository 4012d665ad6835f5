"""Derive the part of the gradient that a pathwise estimator misses at the kinks of a relu decoder."""

from __future__ import annotations

import numpy as np

from ....types import Array
from ..evidence import gradient
from ..proof import Proofs, Step
from ..quadrature import normal_log_density

# --- one latent, one datum in two dimensions, a decoder of two relus ---

_X, _GAMMA, _Q = np.array([0.9, -0.4]), 0.5, np.array([0.3, 0.8])
_KINKS = np.array([-0.5, 0.6])
_SLOPES = np.array([[0.4, -0.3], [1.1, 0.5], [-0.2, 0.9]])  # of g on the three pieces


def _g(z: Array, piece: int) -> Array:
    """Compute the decoder on a piece, extended linearly beyond it, ``(..., 2)``."""
    start = np.zeros(2)
    for k in range(piece):
        start = start + (_SLOPES[k] - _SLOPES[k + 1]) * _KINKS[k]
    return np.asarray(start + _SLOPES[piece] * z[..., None])


def _d(z: Array, q: Array, piece: int) -> Array:
    """Compute the score difference, the slope of log p(x|z) that of the piece."""
    b = ((_X - _g(z, piece)) @ _SLOPES[piece]) / _GAMMA
    return np.asarray(-(z - q[0]) / q[1] ** 2 + z - b)


def _panels(edges: Array) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes and weights of three panels, each ``(3, Q)``."""
    t, w = np.polynomial.legendre.leggauss(60)
    half = np.diff(edges)[:, None] / 2
    return edges[:-1, None] + half * (1 + t), half * w


def _fisher(q: Array) -> float:
    """Compute the divergence by quadrature in z, with every kink at an end of a panel."""
    z, w = _panels(np.r_[q[0] - 9 * q[1], _KINKS, q[0] + 9 * q[1]])
    density = np.exp(normal_log_density(z, q[0], q[1] ** 2))
    halves = np.stack([0.5 * _d(z[i], q, i) ** 2 for i in range(3)])
    return float((w * density * halves).sum())


def _in_noise(q: Array, edges_of: Array) -> float:
    """Compute ``E_eps |d|^2/2`` with the ends of the panels in eps at the kinks of the parameters given."""
    eps, w = _panels(np.r_[-9.0, (_KINKS - edges_of[0]) / edges_of[1], 9.0])
    density = np.exp(normal_log_density(eps, 0.0, 1.0))
    halves = np.stack([0.5 * _d(q[0] + q[1] * eps[i], q, i) ** 2 for i in range(3)])
    return float((w * density * halves).sum())


def _pathwise() -> Array:
    """Compute the mean of the pathwise gradient: every eps stays on its piece."""
    return gradient(lambda q: _in_noise(q, _Q), _Q, 3e-4)


def _of_the_ends() -> Array:
    """Compute the gradient of the same integral in the ends of the panels alone."""
    return gradient(lambda ends: _in_noise(_Q, ends), _Q, 3e-4)


def _jumps() -> Array:
    """Compute the jumps of ``|d|^2/2`` at the kinks from left to right, ``(2,)``."""
    sides = [[0.5 * _d(kink, _Q, i + side) ** 2 for side in (0, 1)] for i, kink in enumerate(_KINKS)]
    return np.array([right - left for left, right in sides])


def _formula() -> Array:
    eps = (_KINKS - _Q[0]) / _Q[1]
    height = np.exp(normal_log_density(_KINKS, _Q[0], _Q[1] ** 2)) * _jumps()
    return np.array([height.sum(), (height * eps).sum()])


def _ends() -> tuple[Array, Array]:
    """Compute the slopes of the kinks' eps in (mu, s) by differences and by the formula, ``(2, 2)``."""
    found = gradient(lambda q: (_KINKS - q[0]) / q[1], _Q, 3e-4)
    eps = (_KINKS - _Q[0]) / _Q[1]
    return found, np.stack([-1 / _Q[1] + 0 * eps, -eps / _Q[1]], -1)


def _boundary() -> Array:
    """Compute the sum over the kinks of ``-phi(eps_k) Delta_k`` times the slopes of eps_k."""
    eps = (_KINKS - _Q[0]) / _Q[1]
    weight = -np.exp(normal_log_density(eps, 0.0, 1.0)) * _jumps()
    return np.asarray(weight @ _ends()[1])


PROOFS: Proofs = {
    "engine-kink": (
        Step(
            r"D_F = E_\epsilon\, h(\mu + s \epsilon) = \sum_k \int_{\epsilon_k}^{\epsilon_{k+1}} "
            r"\varphi(\epsilon)\, "
            r"h\, d\epsilon, \quad h = \tfrac12 |d|^2, \; \epsilon_k = \tfrac{z_k - \mu}{s}",
            "Between two kinks h is smooth, so the integral is cut there; phi is the standard normal "
            "density.",
            lambda: (_fisher(_Q), _in_noise(_Q, _Q)),
        ),
        Step(
            r"\nabla_{(\mu, s)} D_F = E_\epsilon [\nabla_{(\mu, s)} h] + \sum_k \varphi(\epsilon_k) (h^-_k "
            r"- h^+_k)\, "
            r"\nabla_{(\mu, s)} \epsilon_k",
            "Leibniz' rule: the parameters move the integrand, which is the pathwise gradient, and the ends.",
            lambda: (gradient(_fisher, _Q, 3e-4), _pathwise() + _of_the_ends()),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\partial_\mu \epsilon_k = -\tfrac1s, \quad \partial_s \epsilon_k = -\tfrac{\epsilon_k}{s}",
            "The kink is at a fixed z_k, so its eps moves against mu and s.",
            _ends,
            kind="finite differences",
        ),
        Step(
            r"\sum_k \varphi(\epsilon_k) (h^-_k - h^+_k)\, \nabla_{(\mu, s)} \epsilon_k = \sum_k "
            r"\tfrac{\varphi(\epsilon_k)}{s} \Delta_k\, (1, \epsilon_k)",
            "The jump is Delta_k = h^+ - h^-, and both signs cancel.",
            lambda: (_of_the_ends(), _boundary()),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\nabla_{(\mu, s)} D_F - E_\epsilon[\text{pathwise}] = \textstyle\sum_k q(z_k) \Delta_k \, (1, "
            r"\epsilon_k)",
            "The density of z is q(z) = phi(eps)/s.",
            lambda: (gradient(_fisher, _Q, 3e-4) - _pathwise(), _formula()),
            tolerance=1e-8,
            kind="finite differences",
        ),
    )
}
