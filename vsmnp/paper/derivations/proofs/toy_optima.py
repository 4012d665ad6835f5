"""Derive the optima of inference on the first toy likelihood of (11)."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....types import Array
from ..evidence import derivative, gradient
from ..examples.minimum import minimise
from ..proof import Proofs, Step
from ..quadrature import normal_rule
from .toy_likelihoods import GAMMA, SCORE, X, Z, log_joint, score

_EPS, _WEIGHTS = normal_rule(6, 2)  # exact for the polynomials below


def _mean(f: Array) -> Array:
    return np.asarray(_WEIGHTS @ f)


# --- q = N(0, a I) ---

_A = 0.3


def _difference(z: Array, mu: Array, a: float) -> Array:
    """Compute ``d = grad log q - grad log p(z|x)`` for ``q = N(mu, a I)``."""
    return np.asarray(-(z - mu) / a - score(z))


def _fisher(a: float) -> Array:
    z = np.sqrt(a) * _EPS
    return _mean((_difference(z, np.zeros(2), a) ** 2).sum(-1) / 2)


def _closed(a: float) -> float:
    linear = 1 + (X / GAMMA) ** 2 - 2 / GAMMA
    return a * linear - 2 + 1 / a + 2 * a**2 / GAMMA + 3 * a**3 / GAMMA**2


@cache
def _best() -> float:
    """Find the least divergence over a by a search."""
    return float(np.exp(minimise(lambda v: float(_fisher(float(np.exp(v[0])))), np.array([-1.0]))[0]))


def _fisher_of(v: Array) -> float:
    """Compute the divergence of ``v = (mu, log s)``."""
    s = np.exp(v[2:])
    d = -_EPS / s - score(v[:2] + s * _EPS)
    return float(_mean((d * d).sum(-1) / 2))


def _least_in_all() -> Array:
    """Find the local minimum near the origin in (mu, log s), and the divergence there, ``(5,)``."""
    end = minimise(_fisher_of, np.array([0.05, -0.03, -0.95, -1.1]))
    return np.append(end, _fisher_of(end))


def _positive_root() -> float:
    """Compute the positive root of the quartic."""
    linear = 1 + (X / GAMMA) ** 2 - 2 / GAMMA
    roots = np.roots([9 / GAMMA**2, 4 / GAMMA, linear, 0, -1])
    return float(next(r.real for r in roots if r.real > 0 and abs(r.imag) < 1e-9))


# --- along the diagonal, mu = (t, t) ---

_T = 0.4
_OWN = float(GAMMA * (np.sqrt(1 + 4 / GAMMA) - 1) / 2)  # solves a^2/gamma + a = 1


def _kl(t: float, a: float) -> Array:
    """Compute the KL divergence of ``N((t, t), a I)`` up to a constant."""
    return np.asarray(-_mean(log_joint(t + np.sqrt(a) * _EPS)) - np.log(a))


def _kl_closed(t: float, a: float) -> float:
    square = X**2 - 2 * X * t**2 + (t**2 + a) ** 2
    return float(t**2 + a + square / (2 * GAMMA) - np.log(a))


def _fixed(t: float, a: float) -> Array:
    """Compute the mean derivative in mu of ``|d|^2/2`` with z held fixed, along the unit diagonal."""
    at = np.full(2, t)
    z = at + np.sqrt(a) * _EPS
    slopes = gradient(lambda mu: (_difference(z, mu, a) ** 2).sum(-1) / 2, at, 0.1)
    return np.asarray(_mean(slopes).sum() / np.sqrt(2))


def _along(t: float, a: float) -> Array:
    """Compute the slope of KL along the unit diagonal."""
    return np.asarray(derivative(lambda u: _kl(t + u, a), 0.1) / np.sqrt(2))


_CURVATURE = 1 + (_OWN - X) / GAMMA

PROOFS: Proofs = {
    "11-local-optimum": (
        SCORE,
        Step(
            r"d_1 = (1 - \tfrac1a) z_1 - \tfrac x\gamma z_2 + \tfrac1\gamma z_1 z_2^2",
            "The score of q = N(0, a I), -z / a, less that of the posterior; d_2 has z_1 and z_2 exchanged.",
            lambda: (
                _difference(Z, np.zeros(2), _A)[:, 0],
                (1 - 1 / _A) * Z[:, 0] - X / GAMMA * Z[:, 1] + Z[:, 0] * Z[:, 1] ** 2 / GAMMA,
            ),
            kind="finite differences",
        ),
        Step(
            r"E d_1^2 = a (1 - \tfrac1a)^2 + \tfrac{x^2}{\gamma^2} a + \tfrac{3 a^3}{\gamma^2} "
            r"+ 2 (1 - \tfrac1a) \tfrac{a^2}\gamma",
            "The moments of q: z_i^2 has mean a and z_i^4 has 3 a^2; products with an odd power vanish.",
            lambda: (
                _mean(_difference(np.sqrt(_A) * _EPS, np.zeros(2), _A)[:, 0] ** 2),
                _A * (1 - 1 / _A) ** 2
                + (X / GAMMA) ** 2 * _A
                + 3 * _A**3 / GAMMA**2
                + 2 * (1 - 1 / _A) * _A**2 / GAMMA,
            ),
        ),
        Step(
            r"D_F = \tfrac12 (E d_1^2 + E d_2^2) = a (1 + \tfrac{x^2}{\gamma^2} - \tfrac2\gamma) - 2 "
            r"+ \tfrac1a + \tfrac{2 a^2}{\gamma} + \tfrac{3 a^3}{\gamma^2}",
            "Both means are equal; the terms are sorted by powers of a.",
            lambda: (_fisher(_A), _closed(_A)),
        ),
        Step(
            r"a^2 \tfrac{d}{da} D_F = \tfrac{9 a^4}{\gamma^2} + \tfrac{4 a^3}{\gamma} "
            r"+ (1 + \tfrac{x^2}{\gamma^2} - \tfrac2\gamma) a^2 - 1 = 0",
            "The derivative, times a^2; for x = 2, gamma = 1/4 it increases in a and has one positive zero.",
            lambda: (_best(), _positive_root()),
            kind="search",
        ),
        Step(
            r"\mu = 0, \; s_1^2 = s_2^2 = a: \; \tfrac{9 a^4}{\gamma^2} + \tfrac{4 a^3}{\gamma} "
            r"+ (1 + \tfrac{x^2}{\gamma^2} - \tfrac2\gamma) a^2 = 1, \quad "
            r"D_F = a (1 + \tfrac{x^2}{\gamma^2} - \tfrac2\gamma) - 2 "
            r"+ \tfrac1a + \tfrac{2 a^2}{\gamma} + \tfrac{3 a^3}{\gamma^2}",
            "The posterior has the symmetries z to -z and z_1 to z_2, so that neither mu nor log s_1 - log "
            "s_2 has a slope there; a search in all four that starts beside it ends there, so it is a local "
            "minimum.",
            lambda: (_least_in_all(), [0, 0, *[np.log(_positive_root()) / 2] * 2, _closed(_positive_root())]),
            kind="search",
        ),
    ),
    "11-no-attractor": (
        Step(
            r"D_{KL} = t^2 + a + \tfrac1{2\gamma} [ x^2 - 2 x t^2 + (t^2 + a)^2 ] - \log a + c",
            "For q = N((t, t), a I): the mean of z_1 z_2 is t^2, and that of its square (t^2 + a)^2.",
            lambda: (_kl(_T, _A), _kl_closed(_T, _A)),
        ),
        Step(
            r"\partial_a D_{KL} |_{t = 0} = 1 + \tfrac a\gamma - \tfrac1a = 0 \iff \tfrac{a^2}{\gamma} + a = "
            r"1",
            "The stationary a at the origin, which is 0.39 for gamma = 1/4.",
            lambda: (
                minimise(lambda v: float(_kl(0.0, float(np.exp(v[0])))), np.array([-1.0])),
                [np.log(_OWN)],
            ),
            kind="search",
        ),
        Step(
            r"\partial^2_\mu D_{KL} = \tfrac12 \partial_t^2 D_{KL} |_{t = 0} = 1 + \tfrac{a - x}{\gamma}",
            "The point (t, t) is sqrt(2) t away from the origin.",
            lambda: (derivative(lambda u: _along(u, _OWN), 0.1) / np.sqrt(2), _CURVATURE),
            kind="finite differences",
        ),
        Step(
            r"\nabla^b_\mu D_F = E_q [\tfrac da] = \tfrac1a \nabla_\mu D_{KL}",
            "With z held fixed mu enters d by (z - mu) / a alone (algorithm-1-fd); the mean of d is the "
            "gradient of KL in mu (algorithm-1-kl).",
            lambda: (_fixed(_T, _A), _along(_T, _A) / _A),
            kind="finite differences",
        ),
        Step(
            r"\partial^2_\mu D_{KL} = 1 + \tfrac{a - x}{\gamma} < 0, \quad \partial_\mu \nabla^b_\mu D_F "
            r"= \tfrac1a \left( 1 + \tfrac{a - x}{\gamma} \right) < 0, \quad \tfrac{a^2}{\gamma} + a = 1",
            "The slope of the fixed gradient is that of KL over a; both are negative for a < x - gamma, here "
            "0.39 < 1.75, so that descent leaves the origin along the diagonal.",
            lambda: (derivative(lambda u: _fixed(u, _OWN), 0.1) / np.sqrt(2), _CURVATURE / _OWN),
            kind="finite differences",
        ),
    ),
}
