"""Beyond the paper: M3 as score matching of a field, its cross term and the baseline in it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import M3, Outcome
from ....types import Array
from ..evidence import derivative, gradient, numeric, statistical
from ..examples.engine import EngineExample
from ..examples.moments import (
    FEW,
    engine_mean,
    engine_scores,
    loss,
    toy_pairs,
    toy_reconstruction,
    toy_scores,
)
from ..examples.toy import Toy, dot, square
from ..statement import Effort, Evidence, Form, Statement

_ORIGIN = np.zeros(2)
_UNBIASED = M3(4, estimator="u-statistic", baseline="leave-one-out")
_LEAVE_ONE_OUT = M3(3, baseline="leave-one-out")
_PLAIN = M3(3)


def _cross(outcome: Outcome) -> Array:
    return outcome.terms["cross"][0]  # type: ignore[no-any-return]


# --- the field: functions of (psi, div psi, gamma, d_x) that give E M3 and D ---


def _field_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy, r = Toy(), toy_reconstruction(Toy())

    def field(x: Array) -> Array:
        return np.asarray((toy.expect_q(lambda x, z: toy.g(z), x) - x) / toy.gamma)

    divergence = np.trace(gradient(lambda shift: field(FEW + shift), _ORIGIN), axis1=-2, axis2=-1)
    claimed = claim(field(FEW), divergence, toy.gamma, 2)
    detail = "M3 and D = E[s^q . g] at three data"
    return numeric(
        "finite differences", claimed, [toy_scores(toy).m3, r.cross], effort.tolerance(1e-9), detail
    )


@cache
def _field_of_the_engine() -> tuple[Array, Array]:
    example = EngineExample.build()
    eps, w = example.noise()

    def field(x: Array) -> Array:
        mu, s = example.q(x)
        return np.asarray(np.tensordot(w, example.g(mu + s * eps), 1) - x) / example.gamma

    slope = gradient(lambda shift: field(example.data + shift), _ORIGIN)
    return field(example.data), np.trace(slope, axis1=-2, axis2=-1)


def _m3_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    samples = effort.samples(1_000_000)
    claimed = claim(*_field_of_the_engine(), EngineExample.build().gamma, 2)[0].mean()
    found = engine_mean(EngineExample.build, _UNBIASED, loss, samples)
    return statistical(claimed, *found, f"the engine's M3, {samples} samples")


# --- the baseline: functions of (E[s^q . s^p], E s^q . E s^p, S) ---


def _baseline_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    """Compare for two samples, each the other's baseline."""
    toy, s = Toy(z_nodes=24), toy_scores(Toy())
    truth = toy_pairs(toy, lambda s_p, s_q: dot(s_q, s_p - s_p[..., ::-1, :]).mean(-1))
    detail = "mean of the cross term of two samples at three data"
    return numeric("quadrature", claim(s.cross, 2), truth, effort.tolerance(1e-10), detail)


def _baseline_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    samples = effort.samples(1_000_000)
    found = engine_mean(EngineExample.build, _LEAVE_ONE_OUT, _cross, samples)
    claimed = claim(engine_scores(EngineExample.build).cross, 3).mean()
    return statistical(
        claimed, *found, f"the engine's cross term, leave-one-out of 3, {samples} samples in all"
    )


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
    mu, s = example.q()
    s_q, z, at = example.score_q(eps), mu + s * eps, example.at

    def both(t: float) -> Array:
        s_p = at(theta=example.theta + t * _direction()).score_p(z)
        mean = np.tensordot(w, s_p, 1)
        spread = np.tensordot(w, square(s_p - mean), 1)
        cross = np.tensordot(w, dot(s_q, s_p), 1)
        return np.array([cross.mean(), 0.5 * (square(mean) + spread / 3).mean()])

    cross, rest = derivative(both)
    return float(cross), float(rest)


def _gradient_with_baseline(claim: Any, effort: Effort) -> Evidence:
    """Compare with the mean of the engine's theta-gradient of M3 with the baseline."""
    samples = effort.samples(1_000_000)
    cross, rest = _slopes_of_the_engine()
    found = engine_mean(EngineExample.build, _LEAVE_ONE_OUT, _along, samples)
    detail = f"the engine's gradient of M3 along a direction, leave-one-out of 3, {samples} samples in all"
    return statistical(claim(cross, 3) + rest, *found, detail)


# --- the pathwise cross term: functions of (J_g, J_mu, J_s, eps, gamma), before the mean over eps ---


def _pathwise_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy = Toy()

    def each(x: Array, z: Array) -> Array:
        s = toy.s(x)
        eps = ((z - toy.mu(x)) / s)[..., None]
        j_s = (s[..., None] * toy.dlog_s(x))[..., None, :]
        return np.asarray(claim(toy.dg(z)[..., None], toy.dmu(x)[..., None, :], j_s, eps, toy.gamma))

    detail = "E[s^q . s^p] at three data"
    claimed = toy.expect_q(each, FEW)
    return numeric("quadrature", claimed, toy_scores(toy).cross, effort.tolerance(1e-10), detail)


@cache
def _jacobians_of_the_engine() -> tuple[Array, Array, Array]:
    """Compute ``J_g (Q, N, D, Z)``, ``J_mu`` and ``J_s (N, Z, D)`` by differences."""
    example = EngineExample.build()
    (mu, s), (eps, _) = example.q(), example.noise()
    of_g = gradient(lambda shift: example.g(mu + s * eps + shift), np.zeros(2))
    of_mu = gradient(lambda shift: example.q(example.data + shift)[0], _ORIGIN)
    return of_g, of_mu, gradient(lambda shift: example.q(example.data + shift)[1], _ORIGIN)


def _pathwise_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    example, samples = EngineExample.build(), effort.samples(1_000_000)
    eps, w = example.noise()
    claimed = np.tensordot(w, claim(*_jacobians_of_the_engine(), eps, example.gamma), 1).mean()
    found = engine_mean(EngineExample.build, _PLAIN, _cross, samples)
    return statistical(claimed, *found, f"the engine's cross term by the score of q, {samples} samples")


def _trace(j_g: Array, j_z: Array) -> Array:
    return np.asarray(np.einsum("...dz,...zd->...", j_g, j_z))


STATEMENTS = (
    Statement(
        id="engine-m3-field",
        section="engine",
        title="M3 is score matching of the field of reconstruction errors",
        assumptions="p(x|z) = N(x; g(z), gamma I), r(x) = E_q g(z).",
        form=Form(
            r"E M_3 = \tfrac12 |\psi|^2 + \nabla_x \cdot \psi, \quad \psi = \tfrac{r(x) - x}{\gamma}, \quad "
            r"D = E_q[s^q \cdot g] = \nabla_x \cdot r",
            lambda psi, slope, gamma, d: [0.5 * square(psi) + slope, gamma * slope + d],
        ),
        checks=(_field_by_quadrature, _m3_of_the_engine),
        mutations={
            "sign": lambda psi, slope, gamma, d: [0.5 * square(psi) - slope, gamma * slope + d],
            "no half": lambda psi, slope, gamma, d: [square(psi) + slope, gamma * slope + d],
            "D of r - x": lambda psi, slope, gamma, d: [0.5 * square(psi) + slope, gamma * slope],
        },
        code="vsmnp.objectives.M3",
    ),
    Statement(
        id="engine-m3-baseline",
        section="engine",
        title="A baseline made of the other samples leaves the cross term's mean and gradient",
        assumptions="Independent samples; E_q s^q = 0.",
        form=Form(
            r"E \tfrac1S \sum_i s^q_i \cdot \Bigl(s^p_i - \tfrac1{S-1} \sum_{j \ne i} s^p_j\Bigr) "
            r"= E_q[s^q \cdot s^p]",
            lambda cross, S: cross,
        ),
        checks=(_baseline_by_quadrature, _baseline_of_the_engine, _gradient_with_baseline),
        mutations={
            "baseline with the sample itself": lambda cross, S: (1 - 1 / S) * cross,
            "share counted twice": lambda cross, S: S / (S - 1) * cross,
            "sign": lambda cross, S: -cross,
        },
        code="vsmnp.objectives.M3",
    ),
    Statement(
        id="engine-cross-pathwise",
        section="engine",
        title="The cross term of M3 by the Jacobians of the two networks",
        assumptions="q(z|x) = N(mu, diag s^2), z = mu + s eps.",
        form=Form(
            r"E_q[s^q \cdot s^p] = \tfrac1\gamma E_\epsilon \operatorname{tr} "
            r"[ J_g (J_\mu + \operatorname{diag}(\epsilon) J_s) ]",
            lambda j_g, j_mu, j_s, eps, gamma: _trace(j_g, j_mu + eps[..., None] * j_s) / gamma,
        ),
        checks=(_pathwise_by_quadrature, _pathwise_of_the_engine),
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
