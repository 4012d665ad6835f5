"""Beyond the paper: M3 as score matching of a field, its cross term and the baseline in it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import M3, Outcome
from ....types import Array
from ..checks import sampling_check, value_check
from ..evidence import derivative, divergence_in, gradient_in
from ..examples.engine import EngineExample
from ..examples.moments import (
    FEW,
    cross,
    engine_estimate,
    engine_reconstruction,
    engine_scores,
    toy_pairs,
    toy_reconstruction,
    toy_scores,
)
from ..examples.toy import Toy, dot, square
from ..statement import Statement

_TOY = Toy()
_UNBIASED = M3(4, estimator="u-statistic", baseline="leave-one-out")
_LEAVE_ONE_OUT = M3(5, baseline="leave-one-out")

# --- the field: functions of (psi, div psi, gamma, d_x) that give E M3 and D ---


def _field_of_the_toy(claim: Any) -> Any:
    def field(x: Array) -> Array:
        return np.asarray((_TOY.expect_q(lambda x, z: _TOY.g(z), x) - x) / _TOY.gamma)

    return claim(field(FEW), divergence_in(field, FEW), _TOY.gamma, _TOY.d_x)


@cache
def _field_of_the_engine() -> tuple[Array, Array, float, int]:
    example = EngineExample.build()

    def field(x: Array) -> Array:
        return (example.mean_decoded(x) - x) / example.gamma

    return field(example.data), divergence_in(field, example.data), example.gamma, example.model.d_x


# --- the baseline: functions of (E[s^q . s^p], E s^q . E s^p, S) ---


def _pairs_with_baseline() -> Array:
    """Compute the mean cross term of two samples, each the other's baseline."""
    return toy_pairs(Toy(z_nodes=24), lambda s_p, s_q: dot(s_q, s_p - s_p[..., ::-1, :]).mean(-1))


@cache
def _direction() -> Array:
    example = EngineExample.build()
    direction = np.random.default_rng(6).standard_normal(example.theta.shape)
    example.model.log_sd(direction)[:] = 0
    return np.asarray(direction / np.linalg.norm(direction))


def _along(outcome: Outcome) -> Array:
    assert outcome.g_theta is not None
    return np.asarray((outcome.g_theta * _direction()).sum())


@cache
def _slopes_of_the_engine() -> tuple[float, float]:
    """Compute slopes of ``E[s^q . s^p]`` and ``|E s^p|^2/2 + T/(2 S gamma^2)`` by quadrature."""
    example = EngineExample.build()
    eps, w = example.noise()
    s_q, z = example.score_q(eps), example.place(eps)

    def both(t: float) -> Array:
        s_p = example.at(theta=example.theta + t * _direction()).score_p(z)
        mean = np.tensordot(w, s_p, 1)
        spread = np.tensordot(w, square(s_p - mean), 1)
        return np.array(
            [(w @ dot(s_q, s_p)).mean(), 0.5 * (square(mean) + spread / _LEAVE_ONE_OUT.samples).mean()]
        )

    of_cross, rest = derivative(both)
    return float(of_cross), float(rest)


# --- the pathwise cross term: functions of (J_g, J_mu, J_s, eps, gamma), before the mean over eps ---


def _pathwise_of_the_toy(claim: Any) -> Array:
    def each(x: Array, z: Array) -> Array:
        s = _TOY.s(x)
        eps = ((z - _TOY.mu(x)) / s)[..., None]
        j_s = (s[..., None] * _TOY.dlog_s(x))[..., None, :]
        return np.asarray(claim(_TOY.dg(z)[..., None], _TOY.dmu(x)[..., None, :], j_s, eps, _TOY.gamma))

    return _TOY.expect_q(each, FEW)


@cache
def _jacobians_of_the_engine() -> tuple[Array, Array, Array]:
    """Compute ``J_g (Q, N, D, Z)``, ``J_mu`` and ``J_s (N, Z, D)`` by differences."""
    example = EngineExample.build()
    of_g = gradient_in(example.g, example.place(example.noise()[0]))
    of_mu, of_s = gradient_in(lambda x: np.stack(example.q(x)), example.data)
    return of_g, of_mu, of_s


def _pathwise_of_the_engine(claim: Any) -> Any:
    example = EngineExample.build()
    eps, w = example.noise()
    return np.tensordot(w, claim(*_jacobians_of_the_engine(), eps, example.gamma), 1).mean()


def _trace(j_g: Array, j_z: Array) -> Array:
    return np.asarray(np.einsum("...dz,...zd->...", j_g, j_z))


STATEMENTS = (
    Statement(
        id="engine-m3-field",
        title="M3 is score matching of the field of reconstruction errors",
        assumptions="p(x|z) = N(x; g(z), gamma I), r(x) = E_q g(z).",
        latex=r"E M_3 = \tfrac12 |\psi|^2 + \nabla_x \cdot \psi, \quad \psi = \tfrac{r(x) - "
            r"x}{\gamma}, \quad "
            r"D = E_q[s^q \cdot g] = \nabla_x \cdot r",
        claim=lambda psi, slope, gamma, d: [0.5 * square(psi) + slope, gamma * slope + d],
        checks=(
            value_check("finite differences", 1e-9, "M3 and D = E[s^q . g] at three data",
                _field_of_the_toy, lambda: [toy_scores(_TOY).m3, toy_reconstruction(_TOY).cross]),
            sampling_check(1_000_000, "the engine's M3, {samples} samples",
                lambda claim: claim(*_field_of_the_engine())[0].mean(), engine_estimate(_UNBIASED)),
            value_check("quadrature", 1e-8, "D = E[s^q . g] of the engine's networks",
                lambda claim: claim(*_field_of_the_engine())[1],
                lambda: engine_reconstruction(EngineExample.build).cross),
        ),
        mutations={
            "sign": lambda psi, slope, gamma, d: [0.5 * square(psi) - slope, gamma * slope + d],
            "no half": lambda psi, slope, gamma, d: [square(psi) + slope, gamma * slope + d],
            "D of r - x": lambda psi, slope, gamma, d: [0.5 * square(psi) + slope, gamma * slope],
        },
        code="vsmnp.objectives.M3",
    ),
    Statement(
        id="engine-m3-baseline",
        title="A baseline made of the other samples leaves the cross term's mean and gradient",
        assumptions="Independent samples; E_q s^q = 0.",
        latex=r"E \tfrac1S \sum_i s^q_i \cdot \Bigl(s^p_i - \tfrac1{S-1} \sum_{j \ne i} s^p_j\Bigr) "
            r"= E_q[s^q \cdot s^p]",
        claim=lambda cross, S: cross,
        checks=(
            value_check("quadrature", 1e-10, "mean of the cross term of two samples at three data",
                lambda claim: claim(toy_scores(_TOY).cross, 2), _pairs_with_baseline),
            sampling_check(1_000_000, "the engine's cross term, leave-one-out of 5, {samples} samples in all",
                lambda claim: claim(engine_scores(EngineExample.build).cross, 5).mean(),
                engine_estimate(_LEAVE_ONE_OUT, cross)),
            sampling_check(1_000_000,
                "the engine's gradient of M3 along a direction, leave-one-out of 5, {samples} samples in all",
                lambda claim: claim(_slopes_of_the_engine()[0], 5) + _slopes_of_the_engine()[1],
                engine_estimate(_LEAVE_ONE_OUT, _along)),
        ),
        mutations={
            "baseline with the sample itself": lambda cross, S: (1 - 1 / S) * cross,
            "share counted twice": lambda cross, S: S / (S - 1) * cross,
            "sign": lambda cross, S: -cross,
        },
        code="vsmnp.objectives.M3",
    ),
    Statement(
        id="engine-cross-pathwise",
        title="The cross term of M3 by the Jacobians of the two networks",
        assumptions="q(z|x) = N(mu, diag s^2), z = mu + s eps.",
        latex=r"E_q[s^q \cdot s^p] = \tfrac1\gamma E_\epsilon \operatorname{tr} "
            r"[ J_g (J_\mu + \operatorname{diag}(\epsilon) J_s) ]",
        claim=lambda j_g, j_mu, j_s, eps, gamma: _trace(j_g, j_mu + eps[..., None] * j_s) / gamma,
        checks=(
            value_check("quadrature", 1e-10, "E[s^q . s^p] at three data",
                _pathwise_of_the_toy, lambda: toy_scores(_TOY).cross),
            sampling_check(1_000_000, "the engine's cross term by the score of q, {samples} samples",
                _pathwise_of_the_engine, engine_estimate(M3(5), cross)),
        ),
        mutations={
            "mean alone": lambda j_g, j_mu, j_s, eps, gamma: (
                _trace(j_g, j_mu + 0 * eps[..., None] * j_s) / gamma
            ),
            "gamma squared": lambda j_g, j_mu, j_s, eps, gamma: (
                _trace(j_g, j_mu + eps[..., None] * j_s) / gamma**2
            ),
            "sign of eps": lambda j_g, j_mu, j_s, eps, gamma: (
                _trace(j_g, j_mu - eps[..., None] * j_s) / gamma
            ),
        },
        code="vsmnp.model.vae.GaussianVAE",
    ),
)  # fmt: skip
