"""Derive the divergence of a diagonal Gaussian from the prior, and the score of q in the data."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....types import Array
from ..evidence import derivative, gradient, gradient_in
from ..examples.engine import EngineExample
from ..proof import Proofs, Step
from ..quadrature import normal_log_density, normal_rule

_MU, _S = np.array([0.7, -1.2]), np.array([0.8, 1.3])
#: Nodes of one coordinate, exact for polynomials of degree eleven.
_E, _WEIGHTS = (array[..., 0] if array.ndim > 1 else array for array in normal_rule(6))
_EPS = np.array([[0.4, -1.1], [1.7, 0.2], [-0.6, -0.9]])[:, None]


def _mean(f: Array) -> Array:
    """Compute the mean over the nodes of one coordinate, the first axis."""
    return np.asarray(_WEIGHTS @ f)


def _kl(mu: Array, s: Array) -> float:
    """Compute the divergence from the log-densities, by quadrature in each coordinate."""
    z = mu + s * _E[:, None]
    log_ratio = normal_log_density(z, mu, s**2) - normal_log_density(z, 0.0, 1.0)
    return float(_mean(log_ratio).sum())


def _closed(mu: Array, s: Array) -> float:
    return float(0.5 * (mu**2 + s**2 - 1).sum() - np.log(s).sum())


# --- the score of q: the engine's softplus example, features (mu, rho) ---


@cache
def _example() -> EngineExample:
    return EngineExample.build(d_x=3, d_z=2, n=4, scale="softplus", nodes=6)


def _features(x: Array) -> Array:
    e = _example()
    return np.asarray(e.model.encoder.forward(e.k, e.model.encoder_part(e.phi), x[None, None])[0][0, 0])


def _rho() -> Array:
    return _features(_example().data)[:, 2:]


def _slope() -> Array:
    """Compute S' of softplus."""
    return np.asarray(1 / (1 + np.exp(-_rho())))


@cache
def _jacobians() -> tuple[Array, Array]:
    """Compute ``J_mu`` and ``J_rho`` of the features by differences, each ``(N, Z, D)``."""
    found = gradient_in(_features, _example().data)
    return found[:, :2], found[:, 2:]


@cache
def _log_q_slopes() -> Array:
    """Compute ``grad_x log q(z|x)`` at fixed z by differences, ``(Q, N, D)``."""
    return _example().score_q(_EPS)


def _by_features() -> tuple[Array, Array]:
    """Compute the slopes of log q in mu and s by differences, z fixed, and by the formula."""
    mu, s = (each[0] for each in _example().q())
    z = mu + s * _EPS[:, 0]

    def log_q(at: Array) -> Array:
        return np.asarray(normal_log_density(z, at[:2], at[2:] ** 2).sum(-1))

    found = gradient(log_q, np.concatenate([mu, s]), 3e-4)
    return found, np.concatenate([_EPS[:, 0] / s, (_EPS[:, 0] ** 2 - 1) / s], -1)


def _swept() -> tuple[Array, Array]:
    (j_mu, j_rho), s = _jacobians(), _example().q()[1]
    a_mu, a_rho = _EPS / s, (_EPS**2 - 1) * _slope() / s
    return _log_q_slopes(), np.einsum("qnz,nzd->qnd", a_mu, j_mu) + np.einsum("qnz,nzd->qnd", a_rho, j_rho)


def _standardised() -> tuple[Array, Array]:
    """Compute 1 + the mean of s^q by differences of log q, and by the moments of eps."""
    (j_mu, j_rho), s, e = _jacobians(), _example().q()[1], _example()
    found = e.expect(lambda eps, z: 1 + e.score_q(eps))
    mean_eps, mean_square = float(_mean(_E)), float(_mean(_E**2 - 1))
    by_moments = np.einsum("nz,nzd->nd", mean_eps / s, j_mu) + np.einsum(
        "nz,nzd->nd", mean_square * _slope() / s, j_rho
    )
    return found, 1 + by_moments


def _mass() -> tuple[Array, Array]:
    """Compute the integral of q over z at a shifted x, by the nodes of the unshifted q, and 1."""
    e, shift = _example(), 0.02
    mu, s = e.q()
    moved_mu, moved_s = e.q(e.data + shift)
    eps, w = normal_rule(20, 2)
    z = mu + s * eps[:, None]
    log_ratio = (normal_log_density(z, moved_mu, moved_s**2) - normal_log_density(z, mu, s**2)).sum(-1)
    return w @ np.exp(log_ratio), np.ones(len(mu))


_FEATURES = Step(
    r"\log q = -\tfrac12 \sum \epsilon^2 - \sum \log s + \text{const}, \; \epsilon = \tfrac{z - \mu}{s}: "
    r"\quad "
    r"\partial_\mu \log q = \tfrac{\epsilon}{s}, \quad \partial_s \log q = \tfrac{\epsilon^2 - 1}{s}",
    "With z fixed, eps has the slopes -1/s in mu and -eps/s in s.",
    _by_features,
    kind="finite differences",
)

PROOFS: Proofs = {
    "engine-kl-closed-form": (
        Step(
            r"\log \tfrac{q(z)}{p(z)} = \sum \bigl( -\tfrac12 \epsilon^2 - \log s + \tfrac12 z^2 \bigr), "
            r"\quad "
            r"z = \mu + s \epsilon",
            "The normalisations (2 pi)^(-1/2) are those of both densities and cancel.",
            lambda: (
                normal_log_density(_MU + 0.6 * _S, _MU, _S**2) - normal_log_density(_MU + 0.6 * _S, 0.0, 1.0),
                -0.18 - np.log(_S) + 0.5 * (_MU + 0.6 * _S) ** 2,
            ),
            kind="closed form",
        ),
        Step(
            r"E \epsilon^2 = 1, \quad E z^2 = \mu^2 + s^2",
            "The cross term 2 mu s eps has the mean 0.",
            lambda: (_mean((_MU + _S * _E[:, None]) ** 2), _MU**2 + _S**2),
        ),
        Step(
            r"D_{KL}[q \| p] = E_q \log \tfrac{q}{p} = \tfrac12 \sum (\mu^2 + s^2 - 1) - \sum \log s",
            "Both means are inserted.",
            lambda: (_kl(_MU, _S), _closed(_MU, _S)),
        ),
        Step(
            r"\nabla_\mu = \mu, \quad \nabla_s = s - 1/s",
            "The formula is differentiated, each latent by itself.",
            lambda: (
                gradient(lambda at: _kl(at[:2], at[2:]), np.concatenate([_MU, _S])),
                np.concatenate([_MU, _S - 1 / _S]),
            ),
            kind="finite differences",
        ),
    ),
    "engine-score-q": (
        _FEATURES,
        Step(
            r"\partial_\rho \log q = S'\, \partial_s \log q = \tfrac{(\epsilon^2 - 1) S'}{s}",
            "The chain rule for s = S(rho).",
            lambda: (derivative(lambda t: np.log1p(np.exp(_rho() + t))), _slope()),
            kind="finite differences",
        ),
        Step(
            r"s^q = \nabla_x \log q(z|x) = J_\mu^T \tfrac{\epsilon}{s} + J_\rho^T \tfrac{(\epsilon^2 - 1) "
            r"S'}{s}",
            "The chain rule: x enters through the features (mu, rho) alone. This is the backward sweep of "
            "the "
            "encoder with these two cotangents.",
            _swept,
            kind="finite differences",
        ),
    ),
    "engine-score-q-mean": (
        Step(
            r"E_q[s^q] = \int q\, \nabla_x \log q\, dz = \int \nabla_x q\, dz = \nabla_x \int q\, dz",
            "The gradient of q is q times the gradient of its logarithm; z is fixed under the integral.",
        ),
        Step(
            r"\int q(z|x)\, dz = 1 \text{ for every } x \implies E_q[s^q] = \nabla_x 1 = 0",
            "A density integrates to 1, so its integral does not change with x.",
            _mass,
            tolerance=1e-8,
        ),
        Step(
            r"E_q [s^q] = J_\mu^T \tfrac{E \epsilon}{s} + J_\rho^T \tfrac{(E \epsilon^2 - 1) S'}{s} = 0",
            "The same from (engine-score-q): eps has the mean 0 and the mean square 1. The check adds 1 to "
            "both "
            "sides.",
            _standardised,
            kind="finite differences",
        ),
    ),
}
