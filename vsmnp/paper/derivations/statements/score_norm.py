r"""The term :math:`\tfrac12 E_q |s^q|^2` of the Fisher autoencoder: its mean, a probe, its gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np

from ....objectives.score_norm import ScoreNorm, ScoreNormTerm
from ....rng import Key, Stream
from ....types import Array, Grads, Tangents
from ..checks import both_sides, sampling_check, value_check
from ..evidence import derivative, gradient, gradient_in, mean_and_error
from ..examples.engine import EngineExample
from ..examples.toy import dot, square
from ..statement import Claim, Statement

_DRAWS = 20_000


#: A softplus example, so that no factor S' is 1; fourth powers of the noise need few nodes.
_EXAMPLE = EngineExample.build(scale="softplus", nodes=6)


# --- the expectation ---


@cache
def _by_quadrature() -> Array:
    """Compute ``E_q |s^q|^2`` for each datum, from differences of log q."""
    example = _EXAMPLE
    return example.expect(lambda eps, z: square(example.score_q(eps)))


@cache
def _jacobians() -> tuple[Array, Array, Array]:
    """Compute ``s (N, Z)`` and the gradients of mu and of log s in x, ``(N, Z, D)``."""
    example = _EXAMPLE
    _, s = example.q()
    d_mu, d_s = gradient_in(lambda x: np.stack(example.q(x)), example.data)
    return s, d_mu, d_s / s[..., None]


def _term_by_draws(estimator: ScoreNorm) -> Callable[[int], tuple[Array, Array]]:
    """Return the estimator of the engine's term from a number of draws."""

    def estimate(draws: int) -> tuple[Array, Array]:
        e = _EXAMPLE
        term, key, values = ScoreNormTerm(estimator, True), Key((7,)), []
        q, cached = e.model.encode(e.k, e.phi, e.x)
        for step in range(draws // _DRAWS):
            own = key.on(Stream.OUTCOME, step)
            eps = e.model.gaussian_posterior.noise(e.k, own, _DRAWS, e.x)
            values.append(term(e.k, e.model, e.phi, q, cached, eps, own, None)[0])
        return mean_and_error(values)

    return estimate


# --- the probe ---


@both_sides("closed form", 1e-14, "u and w of the engine")
def _probe_of_the_engine(claim: Claim) -> tuple[Any, Any]:
    """Compare with the directions to which the engine maps its random signs."""
    e = _EXAMPLE
    key, eps = Key((5,)), np.zeros((1, 5, 4, e.model.d_z))
    q, _ = e.model.encode(e.k, e.phi, e.x)
    truth = ScoreNormTerm("probe", True).directions(e.k, e.model, q, eps, key)
    signs = key.on(Stream.PROBE, key.step).signs(e.k, (5, 4, 2 * e.model.d_z), np.float64)
    return claim(*np.split(signs, 2, axis=-1)), truth


def _probed(claim: Claim) -> Array:
    """Compute the mean of ``|s|^2`` over all signs, for each datum, by the Jacobians of mu and log s."""
    s, d_mu, d_log_s = _jacobians()
    signs = np.array(list(product((-1.0, 1.0), repeat=2 * s.shape[1])))[:, None, :]
    u, w = claim(*np.split(signs, 2, axis=-1))
    score = np.einsum("qnz,nzd->qnd", u / s, d_mu) + np.einsum("qnz,nzd->qnd", w + 0 * s, d_log_s)
    return np.asarray(square(score).mean(0))


# --- the gradient in phi ---


_WAYS = np.random.default_rng(8).standard_normal((8, *_EXAMPLE.phi.shape)) / 20
_NOISE = np.random.default_rng(9).standard_normal((1, 5, 4, 2))


@both_sides("finite differences", 1e-9, "the gradient of <a, y> in the features, z following phi and z fixed")
def _adjoint_by_differences(claim: Claim) -> tuple[Any, Any]:
    """Compare for ``<a(f), y>`` as a function of the encoder's features, separate for every sample."""
    e, eps = _EXAMPLE, _NOISE
    features, _ = e.model.encoder.forward(e.k, e.model.encoder_part(e.phi), e.x)
    features = np.repeat(features, eps.shape[1], axis=1)
    y = np.random.default_rng(10).standard_normal(features.shape)
    z = e.model.posterior.moments(e.k, features).place(eps)
    claimed, truth = [], []
    for follows, rule in claim.items():

        def aligned(shift: Array, follows: bool = follows) -> Array:
            q = e.model.posterior.moments(e.k, features + shift)
            a = e.model.gaussian_posterior.score_features(e.k, q, eps if follows else (z - q.mu) / q.s)
            return dot(a, y)

        truth.append(gradient(aligned, np.zeros(features.shape[-1])))
        claimed.append(_back(e, rule, eps, y))
    return claimed, truth


def _back(e: EngineExample, rule: Callable[..., tuple[Array, Array]], eps: Array, y: Array) -> Array:
    """Evaluate a claim, with the derivatives of softplus written in rho."""
    features, _ = e.model.encoder.forward(e.k, e.model.encoder_part(e.phi), e.x)
    rho = features[..., e.model.d_z :]
    s, slope = np.log(1 + np.exp(rho)), 1 / (1 + np.exp(-rho))
    y_mu, y_rho = np.split(y, 2, axis=-1)
    v = SimpleNamespace(mu=y_mu, rho=y_rho, u=eps, w=eps**2 - 1, s=s, d=slope, dd=slope * (1 - slope))
    return np.concatenate(rule(v), axis=-1)


def _sweep(rule: Callable[..., tuple[Array, Array]]) -> Array:
    """Compute the gradient ``(1, P)``, the tangent of the encoder's backward sweep, with the claimed rule."""
    e, eps = _EXAMPLE, _NOISE
    q, c = e.model.encode(e.k, e.phi, e.x)
    p, rows = e.model.encoder_part(e.phi), eps.shape[1] * eps.shape[2]
    a = e.model.gaussian_posterior.score_features(e.k, q, eps)
    y, dc = e.model.encoder.jvp(e.k, p, c, None, e.model.score_q(e.k, e.phi, q, c, eps))
    assert y is not None
    g = np.zeros_like(e.phi)
    da = _back(e, rule, eps, y)
    e.model.encoder.vjp_jvp(
        e.k, p, c, a / rows, Tangents(None, dc, da / rows), Grads(None, e.model.encoder_part(g), want_x=False)
    )
    return g


def _value(phi: Array, follows: bool) -> Array:
    """Compute the engine's value of the term at ``phi``, z following phi or fixed at the example's."""
    e, eps = _EXAMPLE, _NOISE
    q, c = e.model.encode(e.k, phi, e.x)
    if not follows:
        there, _ = e.model.encode(e.k, e.phi, e.x)
        eps = (there.place(eps) - q.mu) / q.s
    return np.asarray(0.5 * square(e.model.score_q(e.k, phi, q, c, eps)).mean())


def _slopes() -> list[list[Array]]:
    """Compute differences of the value along random directions, z following phi and fixed."""

    def along(way: Array, follows: bool) -> Array:
        return derivative(lambda t: _value(_EXAMPLE.phi + t * way, follows))

    return [[along(way, follows) for way in _WAYS] for follows in (True, False)]


@both_sides("closed form", 1e-12, "the phi-gradient of the engine, z following phi and z fixed")
def _gradient_of_the_engine(claim: Claim) -> tuple[Any, Any]:
    e, eps, truth = _EXAMPLE, _NOISE, []
    q, c = e.model.encode(e.k, e.phi, e.x)
    for follows in (True, False):
        g = np.zeros_like(e.phi)
        ScoreNormTerm("pathwise", follows)(e.k, e.model, e.phi, q, c, eps, Key((1,)), g)
        truth.append(g)
    return [_sweep(claim[follows]) for follows in (True, False)], truth


_ADJOINT: dict[bool, Callable[[SimpleNamespace], tuple[Array, Array]]] = {
    True: lambda v: (0 * v.mu, -v.mu * v.u * v.d / v.s**2 + v.rho * v.w * (v.dd / v.s - v.d**2 / v.s**2)),
    False: lambda v: (
        -v.mu / v.s**2 - 2 * v.u * v.d * v.rho / v.s**2,
        -2 * v.u * v.d * v.mu / v.s**2 + v.rho * ((1 - 3 * v.u**2) * v.d**2 / v.s**2 + v.w * v.dd / v.s),
    ),
}

STATEMENTS = (
    Statement(
        id="engine-score-norm",
        title="The mean square of the score of q in closed form",
        assumptions="q = N(mu(x), diag s(x)^2).",
        latex=r"E_q |s^q|^2 = \sum_i \frac{|\nabla_x \mu_i|^2}{s_i^2} + 2 \sum_i |\nabla_x \log s_i|^2",
        claim=lambda s, d_mu, d_log_s: (square(d_mu) / s**2 + 2 * square(d_log_s)).sum(-1),
        checks=(
            value_check("quadrature", 1e-9, "E_q |s^q|^2 of each datum",
                lambda claim: claim(*_jacobians()), _by_quadrature),
            sampling_check(16 * _DRAWS, "E_q |s^q|^2 / 2, the engine's term from {samples:,} draws of z",
                lambda claim: 0.5 * np.mean(claim(*_jacobians())), _term_by_draws("pathwise")),
        ),
        mutations={
            "factor two missing": lambda s, d_mu, d_log_s: (square(d_mu) / s**2 + square(d_log_s)).sum(-1),
            "deviation for variance": lambda s, d_mu, d_log_s: (
                square(d_mu) / s + 2 * square(d_log_s)
            ).sum(-1),
            "square of the sum": lambda s, d_mu, d_log_s: square((d_mu / s[..., None]).sum(1))
            + 2 * square(d_log_s.sum(1)),
        },
        code="vsmnp.objectives.score_norm.ScoreNormTerm",
    ),
    Statement(
        id="engine-score-norm-probe",
        title="Random signs in place of the noise leave the mean square as it is",
        assumptions="eta_1, eta_2 are independent vectors of independent signs; s^q is linear in (u, w).",
        latex=r"E_\eta |J_\mu^T \tfrac{u}{s} + J_\rho^T \tfrac{w S'}{s}|^2 = E_q |s^q|^2, \quad "
            r"(u, w) = (\eta_1, \sqrt2 \, \eta_2)",
        claim=lambda one, two: (one, np.sqrt(2) * two),
        checks=(
            value_check("quadrature", 1e-9, "the mean over all 16 vectors of signs, against E_q |s^q|^2",
                _probed, _by_quadrature),
            _probe_of_the_engine,
            sampling_check(16 * _DRAWS, "the engine's term from {samples:,} probes",
                lambda claim: 0.5 * np.mean(_probed(claim)), _term_by_draws("probe")),
        ),
        mutations={
            "no root": lambda one, two: (one, two),
            "two for its root": lambda one, two: (one, 2 * two),
            "one vector for both": lambda one, two: (one, np.sqrt(2) * one),
            "exchanged": lambda one, two: (np.sqrt(2) * one, two),
        },
        code="vsmnp.objectives.score_norm.ScoreNormTerm",
    ),
    Statement(
        id="engine-score-norm-gradient",
        title="The gradient of the score norm is the tangent of the sweep that made the score",
        assumptions="a = (u/s, w S'/s) with u = eps, w = eps^2 - 1, and y = J_e s^q. The gradient in phi of "
            "|s^q|^2/2 is the weight output of the tangent sweep along dx = s^q with cotangent a and a dot "
            "in the place of its tangent: (da/df)^T y for the encoder's features f, first if z follows phi, "
            "then if z is fixed.",
        latex=r"\dot a = \Big(0, \ "
            r"-y_\mu \frac{u S'}{s^2} + y_\rho w \big(\frac{S''}{s} - \frac{S'^2}{s^2}\big)\Big), \quad "
            r"\dot a_{\text{fixed}} = \Big(-\frac{y_\mu}{s^2} - \frac{2 u S' y_\rho}{s^2}, \ "
            r"-\frac{2 u S' y_\mu}{s^2} "
            r"+ y_\rho \big((1 - 3 u^2) \frac{S'^2}{s^2} + w \frac{S''}{s}\big)\Big)",
        claim=_ADJOINT,
        checks=(
            _adjoint_by_differences,
            value_check("finite differences", 1e-9,
                "the term along 8 directions of phi, z following phi and z fixed",
                lambda claim: [[np.vdot(_sweep(rule), way) for way in _WAYS] for rule in claim.values()],
                _slopes),
            _gradient_of_the_engine,
        ),
        mutations={
            "scale at rest": _ADJOINT | {True: lambda v: (0 * v.mu, 0 * v.rho)},
            "S'' missing": _ADJOINT
            | {True: lambda v: (0 * v.mu, -v.mu * v.u * v.d / v.s**2 - v.rho * v.w * v.d**2 / v.s**2)},
            "sign": _ADJOINT | {True: lambda v: _ADJOINT[True](SimpleNamespace(**{**vars(v), "d": -v.d}))},
            "z followed where it is fixed": _ADJOINT | {False: _ADJOINT[True]},
            "z fixed where it follows": _ADJOINT | {True: _ADJOINT[False]},
        },
        code="vsmnp.objectives.score_norm.ScoreNormTerm",
    ),
)  # fmt: skip
