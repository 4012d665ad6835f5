"""Equation (15), Proposition 4.2 and its proof: M3."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from ....objectives import M3
from ....types import Array
from ..evidence import gradient, numeric, statistical, symbolic
from ..examples.engine import EngineExample
from ..examples.moments import FEW, engine_mean, engine_scores, evaluate, loss, toy_scores
from ..examples.toy import Toy, square
from ..quadrature import normal_rule
from ..statement import Effort, Evidence, Form, Statement

_UNBIASED = M3(4, estimator="u-statistic", baseline="leave-one-out")

# --- moments over pi ---


@cache
def _over_pi() -> dict[str, Any]:
    """Compute E_pi of the terms of M3 and of |grad log pi|^2, and the divergence (14) with q as posterior."""
    toy = Toy(z_nodes=24)
    x, w = toy.data
    s, of_pi = toy_scores(toy, x), toy.score_pi(x)
    mean = toy.expect_q(toy.score_p, x)
    return {
        "cross": w @ s.cross,
        "divergence": w @ s.divergence,
        "square of mean": w @ s.square_of_mean,
        "M3": w @ s.m3,
        "mean of pi": w @ of_pi,
        "pi": w @ square(of_pi),
        "FD": 0.5 * w @ square(of_pi - mean),
    }


def _gaussian_moments(polynomial: Any, symbol: Any, variance: Any) -> Any:
    """Compute the expectation of a polynomial in a centred Gaussian variable."""
    import sympy

    total = 0
    for (power,), coefficient in sympy.Poly(sympy.expand(polynomial), symbol).terms():
        total += coefficient * (
            sympy.factorial2(power - 1) * variance ** (power // 2) if power % 2 == 0 else 0
        )
    return total


@cache
def _linear() -> tuple[Any, Any, Any, Any]:
    """Compute ``FD, E M3, E grad log pi, E|grad log pi|^2``, pi = N(0, v), q = N(phi x, s^2), g = w z."""
    import sympy

    x, z, eps, w, phi = sympy.symbols("x z eps w phi", real=True)
    v, s, gamma = sympy.symbols("v s gamma", positive=True)
    s_p = sympy.diff(-((x - w * z) ** 2) / (2 * gamma), x)
    s_q = sympy.diff(-((z - phi * x) ** 2) / (2 * s**2), x)
    of_pi = sympy.diff(-(x**2) / (2 * v), x)

    def expect_q(f: Any) -> Any:
        return _gaussian_moments(f.subs(z, phi * x + s * eps), eps, 1)

    mean = expect_q(s_p)
    m3 = expect_q(s_q * s_p + sympy.diff(s_p, x)) + mean**2 / 2

    def expect_pi(f: Any) -> Any:
        return _gaussian_moments(f, x, v)

    return expect_pi((of_pi - mean) ** 2 / 2), expect_pi(m3), expect_pi(of_pi), expect_pi(of_pi**2)


# --- (15): functions of (E[s^q . s^p], E div s^p, |E s^p|^2) ---


def _m3_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    s = engine_scores(EngineExample.build)
    samples = effort.samples(1_000_000)
    claimed = claim(s.cross, s.divergence, s.square_of_mean).mean()
    found = engine_mean(EngineExample.build, _UNBIASED, loss, samples)
    return statistical(claimed, *found, f"the engine's M3, u-statistic of 4 samples, {samples} in all")


def _m3_and_the_divergence(claim: Any, effort: Effort) -> Evidence:
    m = _over_pi()
    claimed = claim(m["cross"], m["divergence"], m["square of mean"])
    detail = "marginal FD with q for the posterior, minus its constant"
    return numeric("quadrature", claimed, m["FD"] - 0.5 * m["pi"], effort.tolerance(1e-10), detail)


# --- Proposition 4.2: functions of (E M3, E grad log pi, E|grad log pi|^2) ---


def _divergence_symbolic(claim: Any, effort: Effort) -> Evidence:
    divergence, m3, mean, each = _linear()
    detail = "marginal FD with q for the posterior, everything linear and Gaussian"
    return symbolic(claim(m3, mean**2, each), divergence, detail)


def _divergence_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    m = _over_pi()
    claimed = claim(m["M3"], square(m["mean of pi"]), m["pi"])
    detail = "marginal FD with q for the posterior"
    return numeric("quadrature", claimed, m["FD"], effort.tolerance(1e-10), detail)


@cache
def _one_latent() -> EngineExample:
    """Build an example whose data are the nodes of pi = N(0, I)."""
    return replace(EngineExample.build(d_z=1), x=normal_rule(24, 2)[0][None, None])


@cache
def _m3_over_data(samples: int) -> tuple[Array, Array]:
    """Estimate the engine's M3 on batches from pi = N(0, I)."""
    example, rng, rows = _one_latent(), np.random.default_rng(7), 20_000
    values = []
    for step in range(max(16, samples // rows)):
        x = rng.standard_normal((1, 1, rows // _UNBIASED.samples, 2))
        batch = replace(example, x=x)
        values.append(evaluate(batch, _UNBIASED, step).loss[0])
    return np.asarray(np.mean(values)), np.asarray(np.std(values, ddof=1) / np.sqrt(len(values)))


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


# --- the score trick: functions of (E[s^q . s^p], E div s^p, E div s^p along the path) ---


def _trick_by_differences(claim: Any, effort: Effort) -> Evidence:
    toy = Toy()
    s = toy_scores(toy)
    slope = gradient(lambda shift: toy.expect_q(toy.score_p, FEW + shift), np.zeros(2))
    truth = np.trace(slope, axis1=-2, axis2=-1)
    detail = "divergence of E_q s^p"
    return numeric("finite differences", claim(s.cross, s.divergence), truth, effort.tolerance(1e-9), detail)


def _trick_symbolic(claim: Any, effort: Effort) -> Evidence:
    """Compare for one latent, one data dimension, any mean and deviation of q, and a cubic decoder."""
    import sympy

    x, z, eps, a, b = sympy.symbols("x z eps a b", real=True)
    gamma = sympy.Symbol("gamma", positive=True)
    mu, s = (sympy.Function(name, real=True)(x) for name in ("mu", "s"))
    s_p = sympy.diff(-((x - a * z - b * z**3) ** 2) / (2 * gamma), x)
    s_q = sympy.diff(-((z - mu) ** 2) / (2 * s**2) - sympy.log(s), x)

    def expect(f: Any) -> Any:
        return _gaussian_moments(sympy.expand(f).subs(z, mu + s * eps), eps, 1)

    claimed = claim(expect(s_q * s_p), expect(sympy.diff(s_p, x)))
    detail = "divergence of E_q s^p, a cubic decoder and any encoder"
    return symbolic(claimed, sympy.diff(expect(s_p), x), detail)


@cache
def _many_nodes() -> EngineExample:
    return replace(EngineExample.build(d_z=1), nodes=160)


def _trick_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    example, s = _many_nodes(), engine_scores(_many_nodes)

    def mean(shift: Array) -> Array:
        mu, sd = example.q(example.data + shift)
        eps, w = example.noise()
        return np.asarray(np.tensordot(w, example.g(mu + sd * eps), 1) - example.data - shift) / example.gamma

    truth = np.trace(gradient(mean, np.zeros(2)), axis1=-2, axis2=-1)
    detail = "divergence of E_q s^p, the engine's networks"
    return numeric("finite differences", claim(s.cross, s.divergence), truth, effort.tolerance(1e-9), detail)


STATEMENTS = (
    Statement(
        id="15",
        section="4",
        title="Definition of M3",
        assumptions="q in place of the posterior; pi decays faster than E_q s^p grows.",
        form=Form(
            r"M_3(x) = E_q [ s^q \cdot s^p + \nabla_x \cdot s^p ] + \tfrac12 |E_q s^p|^2",
            lambda cross, divergence, of_mean: cross + divergence + 0.5 * of_mean,
        ),
        checks=(_m3_of_the_engine, _m3_and_the_divergence),
        mutations={
            "sign of the cross term": lambda cross, divergence, of_mean: -cross + divergence + 0.5 * of_mean,
            "no cross term": lambda cross, divergence, of_mean: divergence + 0.5 * of_mean,
            "whole square": lambda cross, divergence, of_mean: cross + divergence + of_mean,
        },
        code="vsmnp.objectives.M3",
    ),
    Statement(
        id="prop-4.2",
        section="4",
        title="M3 is the marginal FD with q for the posterior, up to a constant",
        assumptions="pi decays faster than E_q s^p grows; the constant depends on pi alone.",
        form=Form(
            r"\tfrac12 E_\pi |\nabla \log \pi - E_q s^p|^2 = E_\pi M_3 + \tfrac12 E_\pi |\nabla \log \pi|^2",
            lambda m3, of_mean, each: m3 + 0.5 * each,
        ),
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
        form=Form(
            r"C_\pi = \tfrac12 E_\pi |\nabla_x \log \pi(x)|^2", lambda m3, of_mean, each: m3 + 0.5 * each
        ),
        printed=Form(
            r"C_\pi = \tfrac12 |E_\pi \nabla_x \log \pi(x)|^2", lambda m3, of_mean, each: m3 + 0.5 * of_mean
        ),
        checks=(_divergence_symbolic, _divergence_by_quadrature),
        mutations={"no half": lambda m3, of_mean, each: m3 + each},
        consequence=(
            "The mean of the score of pi is zero, and so is the constant as printed. That does not matter "
            "for training, but it is not the gap between the divergence and the loss."
        ),
    ),
    Statement(
        id="prop-4.2-score-trick",
        section="A.3",
        title="Divergence of the mean score",
        assumptions="s^q is taken with z held fixed; the integral of grad_x q s^p is over z.",
        form=Form(
            r"\nabla_x \cdot E_q s^p = \int \nabla_x q(z|x) \cdot s^p dz + E_q \nabla_x \cdot s^p "
            r"= E_q [ s^q \cdot s^p + \nabla_x \cdot s^p ]",
            lambda cross, divergence: cross + divergence,
        ),
        checks=(_trick_symbolic, _trick_by_differences, _trick_of_the_engine),
        mutations={
            "sign": lambda cross, divergence: -cross + divergence,
            "q frozen": lambda cross, divergence: divergence,
            "divergence dropped": lambda cross, divergence: cross,
        },
        code="vsmnp.model.vae.GaussianVAE",
    ),
)  # fmt: skip
