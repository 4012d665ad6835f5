"""Equation (15), Proposition 4.2 and its proof: M3."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from ....objectives import M3
from ....types import Array
from ..checks import both_sides, sampling_check, symbolic_sides, value_check
from ..evidence import divergence_in, mean_and_error, statistical
from ..examples.engine import EngineExample
from ..examples.moments import FEW, Scores, engine_estimate, engine_scores, evaluate, toy_scores
from ..examples.toy import Toy, square
from ..quadrature import normal_mean, normal_rule
from ..statement import Effort, Evidence, Form, Statement

_TOY = Toy()
_UNBIASED = M3(4, estimator="u-statistic", baseline="leave-one-out")

# --- (15) is a function of the moments s of the scores; Proposition 4.2 of means over pi: of M3, of ---
# --- grad log pi, squared, and of |grad log pi|^2 ---


@cache
def _over_pi() -> tuple[Scores, Array, Array, float]:
    """Compute E_pi of the moments, of ``grad log pi`` and of its square, and (14) with q as posterior."""
    toy = Toy(z_nodes=24)
    x, w = toy.data
    s, of_pi = toy_scores(toy, x), toy.score_pi(x)
    divergence = 0.5 * w @ square(of_pi - toy.expect_q(toy.score_p, x))
    means = Scores(w @ s.square, w @ s.square_of_mean, w @ s.divergence, w @ s.cross)
    return means, w @ of_pi, w @ square(of_pi), float(divergence)


@symbolic_sides("marginal FD with q for the posterior, everything linear and Gaussian")
def _divergence_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare for ``pi = N(0, v)``, ``q = N(phi x, s^2)``, ``g = w z``."""
    x, z, eps, w, phi = sympy.symbols("x z eps w phi", real=True)
    v, s, gamma = sympy.symbols("v s gamma", positive=True)
    s_p = sympy.diff(-((x - w * z) ** 2) / (2 * gamma), x)
    s_q = sympy.diff(-((z - phi * x) ** 2) / (2 * s**2), x)
    of_pi = sympy.diff(-(x**2) / (2 * v), x)

    def expect_q(f: Any) -> Any:
        return normal_mean(f.subs(z, phi * x + s * eps), eps)

    mean = expect_q(s_p)
    m3 = expect_q(s_q * s_p + sympy.diff(s_p, x)) + mean**2 / 2
    of_m3, of_score, of_square = (normal_mean(f, x, v) for f in (m3, of_pi, of_pi**2))
    return claim(of_m3, of_score**2, of_square), normal_mean((of_pi - mean) ** 2 / 2, x, v)


@both_sides("quadrature", 1e-10, "marginal FD with q for the posterior")
def _divergence_by_quadrature(claim: Any) -> tuple[Any, Any]:
    s, mean_pi, square_pi, divergence = _over_pi()
    return claim(s.m3, square(mean_pi), square_pi), divergence


@cache
def _one_latent() -> EngineExample:
    """Build an example whose data are the nodes of pi = N(0, I)."""
    return replace(EngineExample.build(d_x=2, d_z=1), x=normal_rule(24, 2)[0][None, None])


@cache
def _m3_over_data(samples: int) -> tuple[Array, Array]:
    """Estimate the engine's M3 on batches from pi = N(0, I)."""
    rng, rows, values = np.random.default_rng(7), 20_000, []
    for step in range(max(16, samples // rows)):
        x = rng.standard_normal((1, 1, rows // _UNBIASED.samples, 2))
        values.append(evaluate(replace(_one_latent(), x=x), _UNBIASED, step).loss[0])
    return mean_and_error(values)


def _divergence_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare both sides minus the constant: the claim's own constant goes to the left."""
    example, w = _one_latent(), normal_rule(24, 2)[1]
    mean = example.expect(lambda eps, z: example.score_p(z))
    divergence = 0.5 * w @ square(-example.data - mean)
    samples = effort.samples(1_000_000)
    m3, error = _m3_over_data(samples)
    slope = claim(1.0, 0.0, 2.0) - claim(0.0, 0.0, 2.0)
    found = claim(m3, 0.0, 2.0)
    return statistical(divergence, found, abs(slope) * error, f"the engine's M3 and FD, {samples} samples")


# --- the score trick: functions of (E[s^q . s^p], E div s^p) ---


@symbolic_sides("divergence of E_q s^p, a cubic decoder and any encoder")
def _trick_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare for one latent, one data dimension, any mean and deviation of q, and a cubic decoder."""
    x, z, eps, a, b = sympy.symbols("x z eps a b", real=True)
    gamma = sympy.Symbol("gamma", positive=True)
    mu, s = (sympy.Function(name, real=True)(x) for name in ("mu", "s"))
    s_p = sympy.diff(-((x - a * z - b * z**3) ** 2) / (2 * gamma), x)
    s_q = sympy.diff(-((z - mu) ** 2) / (2 * s**2) - sympy.log(s), x)

    def expect(f: Any) -> Any:
        return normal_mean(sympy.expand(f).subs(z, mu + s * eps), eps)

    return claim(expect(s_q * s_p), expect(sympy.diff(s_p, x))), sympy.diff(expect(s_p), x)


@cache
def _many_nodes() -> EngineExample:
    return replace(EngineExample.build(d_z=1), nodes=160)


@both_sides("finite differences", 1e-9, "divergence of E_q s^p, the engine's networks")
def _trick_of_the_engine(claim: Any) -> tuple[Any, Any]:
    example, s = _many_nodes(), engine_scores(_many_nodes)
    truth = divergence_in(lambda x: (example.mean_decoded(x) - x) / example.gamma, example.data)
    return claim(s.cross, s.divergence), truth


STATEMENTS = (
    Statement(
        id="15",
        section="4",
        title="Definition of M3",
        assumptions="q in place of the posterior; pi decays faster than E_q s^p grows.",
        latex=r"M_3(x) = E_q [ s^q \cdot s^p + \nabla_x \cdot s^p ] + \tfrac12 |E_q s^p|^2",
        claim=lambda s: s.cross + s.divergence + 0.5 * s.square_of_mean,
        checks=(
            sampling_check(1_000_000, "the engine's M3, u-statistic of 4 samples, {samples} in all",
                lambda claim: claim(engine_scores(EngineExample.build)).mean(), engine_estimate(_UNBIASED)),
            value_check("quadrature", 1e-10, "marginal FD with q for the posterior, minus its constant",
                lambda claim: claim(_over_pi()[0]), lambda: _over_pi()[3] - 0.5 * _over_pi()[2]),
        ),
        mutations={
            "sign of the cross term": lambda s: -s.cross + s.divergence + 0.5 * s.square_of_mean,
            "no cross term": lambda s: s.divergence + 0.5 * s.square_of_mean,
            "whole square": lambda s: s.cross + s.divergence + s.square_of_mean,
        },
        code="vsmnp.objectives.M3",
    ),
    Statement(
        id="prop-4.2",
        section="4",
        title="M3 is the marginal FD with q for the posterior, up to a constant",
        assumptions="pi decays faster than E_q s^p grows; the constant depends on pi alone.",
        latex=r"\tfrac12 E_\pi |\nabla \log \pi - E_q s^p|^2 = E_\pi M_3 + "
            r"\tfrac12 E_\pi |\nabla \log \pi|^2",
        claim=lambda m3, of_mean, each: m3 + 0.5 * each,
        checks=(_divergence_symbolic, _divergence_by_quadrature, _divergence_of_the_engine),
        mutations={
            "no constant": lambda m3, of_mean, each: m3,
            "sign of the constant": lambda m3, of_mean, each: m3 - 0.5 * each,
            "twice M3": lambda m3, of_mean, each: 2 * m3 + 0.5 * each,
        },
        code="vsmnp.objectives.M3",
    ),
    Statement(
        id="prop-4.2-proof",
        section="A.3",
        title="The constant in the proof of Proposition 4.2",
        assumptions="As for Proposition 4.2.",
        latex=r"C_\pi = \tfrac12 E_\pi |\nabla_x \log \pi(x)|^2",
        claim=lambda m3, of_mean, each: m3 + 0.5 * each,
        printed=Form(
            r"C_\pi = \tfrac12 |E_\pi \nabla_x \log \pi(x)|^2", lambda m3, of_mean, each: m3 + 0.5 * of_mean
        ),
        error="norm-of-the-mean",
        checks=(_divergence_symbolic, _divergence_by_quadrature),
        mutations={"no half": lambda m3, of_mean, each: m3 + each},
        consequence="The mean of the score of pi is zero, and so is the constant as printed. That does not "
            "matter for training, but it is not the gap between the divergence and the loss.",
        without_code="The constant needs the score of pi, and the engine has samples of pi only: M3 leaves "
            "it out.",
    ),
    Statement(
        id="prop-4.2-score-trick",
        section="A.3",
        title="Divergence of the mean score",
        assumptions="s^q is taken with z held fixed; the integral of grad_x q s^p is over z.",
        latex=r"\nabla_x \cdot E_q s^p = \int \nabla_x q(z|x) \cdot s^p dz + E_q \nabla_x \cdot s^p "
            r"= E_q [ s^q \cdot s^p + \nabla_x \cdot s^p ]",
        claim=lambda cross, divergence: cross + divergence,
        checks=(
            _trick_symbolic,
            value_check("finite differences", 1e-9, "divergence of E_q s^p",
                lambda claim: claim(toy_scores(_TOY).cross, toy_scores(_TOY).divergence),
                lambda: divergence_in(lambda x: _TOY.expect_q(_TOY.score_p, x), FEW)),
            _trick_of_the_engine,
        ),
        mutations={
            "sign": lambda cross, divergence: -cross + divergence,
            "q frozen": lambda cross, divergence: divergence,
            "divergence dropped": lambda cross, divergence: cross,
        },
        code="vsmnp.model.vae.GaussianVAE",
    ),
)  # fmt: skip
