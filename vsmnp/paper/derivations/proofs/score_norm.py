"""Derive the mean square of the score of q, its estimate by random signs, and its gradient."""

from __future__ import annotations

from functools import cache
from itertools import product
from types import SimpleNamespace

import numpy as np

from ....kernels import load
from ....model.gaussian import DiagonalGaussian
from ....model.posterior import Moments
from ....types import Array
from ..evidence import derivative, gradient, gradient_in
from ..examples.engine import EngineExample
from ..examples.toy import dot, square
from ..proof import Proofs, Step
from ..quadrature import normal_rule

_EPS, _WEIGHTS = normal_rule(4, 2)


@cache
def _example() -> EngineExample:
    """Build a softplus example, for which no factor S' is 1."""
    return EngineExample.build(d_x=3, d_z=2, n=4, scale="softplus", nodes=6)


@cache
def _jacobians() -> tuple[Array, Array, Array]:
    """Compute ``s (N, Z)`` and the gradients of mu and of log s in x, ``(N, Z, D)``."""
    d_mu, d_s = gradient_in(lambda x: np.stack(_example().q(x)), _example().data)
    s = _example().q()[1]
    return s, d_mu, d_s / s[..., None]


@cache
def _norm() -> Array:
    """Compute ``E_q |s^q|^2`` of each datum from differences of log q."""
    return _example().expect(lambda eps, z: square(_example().score_q(eps)))


def _closed() -> Array:
    s, d_mu, d_log_s = _jacobians()
    return np.asarray((square(d_mu) / s**2 + 2 * square(d_log_s)).sum(-1))


def _linear(u: Array, w: Array) -> Array:
    """Compute the vector that is linear in ``u`` and ``w (Q, Z)``, ``(Q, N, D)``."""
    s, d_mu, d_log_s = _jacobians()
    found = np.einsum("qz,nzd->qnd", u, d_mu / s[..., None]) + np.einsum("qz,nzd->qnd", w, d_log_s)
    return np.asarray(found)


def _second_moments(u: Array, w: Array, weights: Array) -> Array:
    both = np.concatenate([u, w], -1)
    return np.asarray(np.einsum("q,qi,qj->ij", weights, both, both))


def _signs() -> tuple[Array, Array, Array]:
    signs = np.array(list(product((-1.0, 1.0), repeat=4)))
    return signs[:, :2], np.sqrt(2) * signs[:, 2:], np.full(16, 1 / 16)


_DIAGONAL = np.diag([1.0, 1.0, 2.0, 2.0])

# --- the gradient: features f = (mu, rho) of one datum, noise u, cotangent a(f) of the score ---

_F, _U, _Y = np.array([0.4, -0.6, 0.3, -0.8]), np.array([1.3, -0.7]), np.array([0.9, -1.2, 0.5, 0.7])


def _cotangent(f: Array, z: Array | None = None) -> Array:
    """Compute the engine's ``a = (u/s, (u^2 - 1) S'/s)`` with fixed u, or with fixed z."""
    k, mu, s = load("reference"), f[:2], np.log1p(np.exp(f[2:]))
    u = _U if z is None else (z - mu) / s
    found = DiagonalGaussian(2, "softplus").score_features(k, Moments(mu, s), u)
    return np.asarray(found)


def _here() -> SimpleNamespace:
    rho = _F[2:]
    s, d = np.log1p(np.exp(rho)), 1 / (1 + np.exp(-rho))
    return SimpleNamespace(
        mu=_Y[:2], rho=_Y[2:], u=_U, w=_U**2 - 1, s=s, d=d, dd=d * (1 - d), z=_F[:2] + s * _U
    )


def _moving() -> tuple[Array, Array]:
    """Compute the nonzero half of ``(da/df)' y``, u fixed, by differences and by the formula."""
    v = _here()
    found = gradient(lambda f: dot(_cotangent(f), _Y), _F)
    return found[2:], -v.mu * v.u * v.d / v.s**2 + v.rho * v.w * (v.dd / v.s - v.d**2 / v.s**2)


def _fixed() -> tuple[Array, Array]:
    """Compute ``(da/df)' y``, z fixed, by differences and by the formula."""
    v = _here()
    found = gradient(lambda f: dot(_cotangent(f, v.z), _Y), _F)
    in_mu = -v.mu / v.s**2 - 2 * v.u * v.d * v.rho / v.s**2
    in_rho = -2 * v.u * v.d * v.mu / v.s**2 + v.rho * ((1 - 3 * v.u**2) * v.d**2 / v.s**2 + v.w * v.dd / v.s)
    return found, np.concatenate([in_mu, in_rho])


def _noise_slopes() -> tuple[Array, Array]:
    """Compute the derivatives of u in mu and rho, z fixed, by differences and by the formula."""
    v = _here()
    found = [
        derivative(lambda t: (v.z - (_F[:2] + t)) / v.s),
        derivative(lambda t: (v.z - _F[:2]) / np.log1p(np.exp(_F[2:] + t))),
    ]
    return np.array(found), np.array([-1 / v.s, -v.u * v.d / v.s])


def _bilinear() -> tuple[float, float]:
    """Compute the slope of ``|J' a|^2/2`` along changes of J and a, and that of ``<J' a, s>``, s fixed."""
    rng = np.random.default_rng(5)
    j, dj = rng.standard_normal((2, 4, 3))
    a, da = rng.standard_normal((2, 4))
    s = j.T @ a
    whole = derivative(lambda t: 0.5 * ((j + t * dj).T @ (a + t * da)) @ ((j + t * dj).T @ (a + t * da)))
    return float(whole), float(a @ (dj @ s) + da @ (j @ s))


_LINEAR = Step(
    r"s^q = \sum_i \Bigl( u_i \tfrac{\nabla_x \mu_i}{s_i} + w_i \nabla_x \log s_i \Bigr), \quad u = "
    r"\epsilon, "
    r"\; w = \epsilon^2 - 1",
    "By (engine-score-q), with grad log s = S' grad rho/s: the score is linear in (u, w).",
    lambda: (_example().score_q(_EPS[:5, None]), _linear(_EPS[:5], _EPS[:5] ** 2 - 1)),
    kind="finite differences",
)

PROOFS: Proofs = {
    "engine-score-norm": (
        _LINEAR,
        Step(
            r"E u_i u_j = \delta_{ij}, \quad E w_i w_j = 2 \delta_{ij}, \quad E u_i w_j = 0",
            "The moments of a standard normal: E eps^4 - 2 E eps^2 + 1 = 3 - 2 + 1, and odd ones vanish.",
            lambda: (_second_moments(_EPS, _EPS**2 - 1, _WEIGHTS), _DIAGONAL),
        ),
        Step(
            r"E_q |s^q|^2 = \sum_i \frac{|\nabla_x \mu_i|^2}{s_i^2} + 2 \sum_i |\nabla_x \log s_i|^2",
            "The square of the sum is expanded; only the squares of single terms have a mean.",
            lambda: (_norm(), _closed()),
            kind="finite differences",
        ),
    ),
    "engine-score-norm-probe": (
        _LINEAR,
        Step(
            r"E_q |s^q|^2 \text{ depends on } (u, w) \text{ only through } E \tbinom{u}{w} \tbinom{u}{w}^T "
            r"= \operatorname{diag}(1, \dots, 1, 2, \dots, 2)",
            "The mean of a quadratic form needs second moments alone: (engine-score-norm).",
            lambda: (_second_moments(_EPS, _EPS**2 - 1, _WEIGHTS), _DIAGONAL),
        ),
        Step(
            r"(u, w) = (\eta_1, \sqrt2\, \eta_2): \quad E \eta_i \eta_j = \delta_{ij} \implies "
            r"E \tbinom{u}{w} \tbinom{u}{w}^T = \operatorname{diag}(1, \dots, 1, 2, \dots, 2)",
            "The square of a sign is 1, and independent signs are uncorrelated; the root doubles the square.",
            lambda: (_second_moments(*_signs()), _DIAGONAL),
        ),
        Step(
            r"E_\eta |J_\mu^T \tfrac{u}{s} + J_\rho^T \tfrac{w S'}{s}|^2 = E_q |s^q|^2, \quad "
            r"(u, w) = (\eta_1, \sqrt2 \, \eta_2)",
            "The same quadratic form with the same second moments.",
            lambda: (square(_linear(*_signs()[:2])).mean(0), _norm()),
            kind="finite differences",
        ),
    ),
    "engine-score-norm-gradient": (
        Step(
            r"s^q = J_e^T a: \quad d\, \tfrac12 |s^q|^2 = \langle dJ_e^T a + J_e^T da, s^q \rangle "
            r"= \langle a, dJ_e\, s^q \rangle + \langle da, y \rangle, \quad y = J_e s^q",
            "The product rule, with s^q held where it is in the scalar product.",
            _bilinear,
            kind="finite differences",
        ),
        Step(
            r"\langle a, dJ_e\, s^q \rangle + \langle (\partial_f a)^T y, df \rangle, \quad df = J_\phi "
            r"d\phi",
            "The first term is the weight output of the tangent sweep along dx = s^q with cotangent a; the "
            "second "
            "is what it adds for a tangent (da/df)' y of the cotangent, f being the features.",
        ),
        Step(
            r"a = \Bigl( \tfrac{u}{s}, \tfrac{w S'}{s} \Bigr), \; u \text{ fixed}: \quad \dot a = \Bigl( "
            r"0, \; "
            r"-y_\mu \tfrac{u S'}{s^2} + y_\rho w \bigl( \tfrac{S''}{s} - \tfrac{S'^2}{s^2} \bigr) \Bigr)",
            "If z follows phi, the noise stays, and a depends on rho alone, through s and S'.",
            _moving,
            kind="finite differences",
        ),
        Step(
            r"z \text{ fixed}: \quad \partial_\mu u = -\tfrac1s, \quad \partial_\rho u = -\tfrac{u S'}{s}, "
            r"\quad "
            r"\partial w = 2 u\, \partial u",
            "Now u = (z - mu)/s moves with both features.",
            _noise_slopes,
            kind="finite differences",
        ),
        Step(
            r"\dot a_{\text{fixed}} = \Bigl( -\tfrac{y_\mu}{s^2} - \tfrac{2 u S' y_\rho}{s^2}, \; "
            r"-\tfrac{2 u S' y_\mu}{s^2} + y_\rho \bigl( (1 - 3 u^2) \tfrac{S'^2}{s^2} + w \tfrac{S''}{s} "
            r"\bigr) \Bigr)",
            "These are added to the derivative with u fixed: -u - u = -2 u, and -w - 2 u^2 = 1 - 3 u^2.",
            _fixed,
            kind="finite differences",
        ),
    ),
}
