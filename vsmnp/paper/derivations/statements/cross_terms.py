"""Appendix A.1, from (16) to (8): the expansion of J, its cross terms, and the score trick."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import M3
from ....types import Array
from ..checks import both_sides, sampling_check, symbolic_sides, value_check
from ..evidence import divergence_in, gradient_in, monte_carlo, statistical
from ..examples import linear_joint as joint
from ..examples.engine import EngineExample
from ..examples.linear_joint import LINEAR, TOY, Model
from ..examples.toy import dot, square
from ..statement import Effort, Evidence, Statement

_SAMPLES = 1_000_000
_V = np.array([0.7, -1.1, 0.4])

# --- (16): the claim is an integrand of the three scores ---


@symbolic_sides("the integrand, coordinate by coordinate")
def _expansion_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    p, q, pi = sympy.symbols("p q pi", real=True)
    return claim(p, q, pi), (p - q - pi) ** 2 / 2


def _squares(p: Any, q: Any, pi: Any) -> Any:
    return (p**2 + q**2 + pi**2) / 2


def _mean_expansion(claim: Any, model: Model) -> Array:
    return model.expect(
        lambda x, z: claim(model.score_p(x, z), model.score_q(x, z), model.score_pi(x)).sum(-1)
    )


# --- the first cross term: the claim is its value, given the mean square of grad log pi ---


@both_sides("quadrature", 1e-12, "E |s^q + grad log pi|^2")
def _first_on_the_toy(claim: Any) -> tuple[Array, Array]:
    """Compare through ``|s^q + grad log pi|^2``, which gives the scale for comparing a zero."""
    square_q = TOY.expect(lambda x, z: square(TOY.score_q(x, z)))
    square_pi = 2 * joint.constant(TOY)
    truth = TOY.expect(lambda x, z: square(TOY.score_q(x, z) + TOY.score_pi(x)))
    return square_q + square_pi + 2 * claim(square_pi), truth


_ONE_DATUM = EngineExample.build(d_z=1, n=1)


def _engine_first(samples: int) -> tuple[Array, Array]:
    example = _ONE_DATUM
    q, cache_ = example.model.encode(example.k, example.phi, example.x)

    def draw(rng: np.random.Generator, n: int) -> Array:
        eps = rng.standard_normal((1, n, 1, 1))
        s_q = example.model.score_q(example.k, example.phi, q, cache_, eps)
        return np.asarray(s_q[0, :, 0] @ _V)

    return monte_carlo(draw, samples)


# --- the second cross term ---


def _cross_with_pi(model: Model) -> Array:
    return model.expect(lambda x, z: dot(model.score_p(x, z), model.score_pi(x)))


def _second_on_the_toy(claim: Any) -> Any:
    cross = TOY.expect(lambda x, z: dot(TOY.score_q(x, z), TOY.score_p(x, z)))
    return claim(cross, -TOY.d_x / TOY.gamma)


def _second_by_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare the claim at the engine's two terms of M3 with the exact value; the claim has the noise."""
    samples = effort.samples(_SAMPLES)
    (cross, divergence), error = _engine_m3(samples)
    detail = (
        f"E s^p . grad log pi from M3's cross term and divergence, linear VAE, {samples:,} samples a datum"
    )
    return statistical(claim(cross, divergence), _cross_with_pi(LINEAR), error[0], detail)


@cache
def _engine_m3(samples: int) -> tuple[Array, Array]:
    return LINEAR.engine().outcomes(
        lambda s: M3(samples=s), samples, lambda o: np.array([o.terms["cross"][0], o.terms["divergence"][0]])
    )


# --- the score trick: the claim is E_q[s^q f], given grad E_q f and E_q grad f ---


@both_sides("finite differences", 1e-9, "E_q s^q f for three f, pointwise in x")
def _trick_on_the_toy(claim: Any) -> tuple[Array, Array]:
    """Compare for a bilinear f, one nonlinear in x, and a constant, for which ``E_q s^q = 0``."""

    def f(x: Array, z: Array) -> Array:
        x0, x1 = x[..., 0], x[..., 1]
        return np.stack([z * x0, np.sin(x0 + z) * x1, 1 + 0 * (z + x0)], -1)

    def df(x: Array, z: Array) -> Array:
        x0, x1, none = x[..., 0] + 0 * z, x[..., 1] + 0 * z, 0 * (z + x[..., 0])
        rows = [[z + none, none], [np.cos(x0 + z) * x1, np.sin(x0 + z)], [none, none]]
        return np.stack([np.stack(row, -1) for row in rows], -2)

    slope_of_mean = gradient_in(lambda x: TOY.expect_q(f, x), TOY.few)
    truth = TOY.expect_q(lambda x, z: f(x, z)[..., None] * TOY.score_q(x, z)[..., None, :], TOY.few)
    return claim(slope_of_mean, TOY.expect_q(df, TOY.few)), truth


def _trick_for_the_score(claim: Any) -> Any:
    """Evaluate the claim for f = s^p, coordinate by coordinate: M3's cross term is the sum."""
    example = _ONE_DATUM
    (slope,) = divergence_in(lambda x: (example.mean_decoded(x) - x) / example.gamma, example.data)
    return claim(slope, -example.model.d_x / example.gamma)


STATEMENTS = (
    Statement(
        id="16",
        section="A.1",
        title="Expansion of J into squares and cross terms",
        assumptions="All three scores have finite second moments.",
        latex=r"E_\pi J^\pi = \tfrac12 E_{q\pi}[|s^p|^2 + |s^q|^2 + |\nabla\log\pi|^2] + E_{q\pi}[s^q \cdot "
            r"\nabla\log\pi - s^p \cdot \nabla\log\pi - s^q \cdot s^p]",
        claim=lambda p, q, pi: _squares(p, q, pi) + q * pi - p * pi - q * p,
        checks=(
            _expansion_symbolic,
            value_check("quadrature", 1e-9, "joint FD less the posterior's",
                lambda claim: _mean_expansion(claim, TOY),
                lambda: joint.joint_fisher(TOY) - joint.posterior_part(TOY)),
            sampling_check(_SAMPLES,
                "JointFisher's terms of (8) plus C_pi, linear VAE, {samples:,} samples a datum",
                lambda claim: _mean_expansion(claim, LINEAR), joint.engine_estimate("m1")),
        ),
        mutations={
            "sign of the second cross term": lambda p, q, pi: _squares(p, q, pi) + q * pi + p * pi - q * p,
            "sign of the third cross term": lambda p, q, pi: _squares(p, q, pi) + q * pi - p * pi + q * p,
            "sign of the first cross term": lambda p, q, pi: _squares(p, q, pi) - q * pi - p * pi - q * p,
            "no half": lambda p, q, pi: 2 * _squares(p, q, pi) + q * pi - p * pi - q * p,
        },
        code="vsmnp.objectives.JointFisher",
    ),
    Statement(
        id="A.1-first-cross-term",
        section="A.1",
        title="The first cross term is zero",
        assumptions="q is normalised for every x, and differentiable under the integral.",
        latex=r"E_{q\pi}[s^q \cdot \nabla_x \log\pi] = E_\pi\{ E_q[s^q] \cdot \nabla_x \log\pi \} = 0",
        claim=lambda square_pi: 0.0,
        checks=(
            _first_on_the_toy,
            sampling_check(_SAMPLES,
                "E s^q . v for v in the place of grad log pi, the engine's s^q, nonlinear VAE, "
                "{samples:,} samples",
                lambda claim: claim(square(_V)), _engine_first),
        ),
        mutations={
            "a function of pi alone, as Elkhalil et al. suggest": lambda square_pi: square_pi,
            "half of it, with the other sign": lambda square_pi: -square_pi / 2,
        },
        code="vsmnp.model.vae.GaussianVAE",
    ),
    Statement(
        id="A.1-second-cross-term",
        section="A.1",
        title="The second cross term without the score of the data",
        assumptions="pi E_q s^p vanishes at infinity, as the integration by parts requires.",
        latex=r"E_{q\pi}[s^p \cdot \nabla_x \log\pi] = -E_{q\pi}[s^q \cdot s^p] - "
            r"E_{q\pi}[\nabla_x \cdot s^p]",
        claim=lambda cross, divergence: -cross - divergence,
        checks=(
            value_check("quadrature", 1e-10, "E s^p . grad log pi of the toy",
                _second_on_the_toy, lambda: _cross_with_pi(TOY)),
            _second_by_the_engine,
        ),
        mutations={
            "sign of the parts": lambda cross, divergence: cross + divergence,
            "without the score trick": lambda cross, divergence: -divergence,
            "sign of the divergence": lambda cross, divergence: divergence - cross,
        },
        code="vsmnp.objectives.M3",
    ),
    Statement(
        id="A.1-score-trick",
        section="A.1",
        title="The score trick",
        assumptions="q is differentiable in x under the integral; f may depend on x and z.",
        latex=r"E_q[s^q f] = \nabla_x E_q[f] - E_q[\nabla_x f], \quad f = 1: E_q[s^q] = 0",
        claim=lambda slope_of_mean, mean_of_slope: slope_of_mean - mean_of_slope,
        checks=(
            _trick_on_the_toy,
            sampling_check(_SAMPLES, "M3's cross term, nonlinear VAE, {samples:,} samples",
                _trick_for_the_score,
                lambda n: _ONE_DATUM.outcomes(lambda s: M3(samples=s), n, lambda o: o.terms["cross"][0])),
        ),
        mutations={
            "f as if it did not depend on x": lambda slope_of_mean, mean_of_slope: slope_of_mean,
            "sum": lambda slope_of_mean, mean_of_slope: slope_of_mean + mean_of_slope,
            "sign": lambda slope_of_mean, mean_of_slope: mean_of_slope - slope_of_mean,
        },
        code="vsmnp.objectives.M3",
    ),
)  # fmt: skip
