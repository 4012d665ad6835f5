"""Equations (18) to (22): scores of a Gaussian likelihood, and the precision that minimises a quadratic."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....model.likelihood import log_likelihood, precision, score_matching_terms
from ....objectives import M1, M2, OptimalGamma, Outcome
from ....types import Array
from ..evidence import gradient, numeric, statistical, symbolic
from ..examples.engine import EngineExample
from ..examples.moments import (
    FEW,
    SAMPLES,
    engine_mean,
    engine_reconstruction,
    evaluate,
    toy_reconstruction,
    toy_scores,
    wide,
)
from ..examples.toy import Toy, square
from ..statement import Effort, Evidence, Form, Statement

# --- (18), (21): derivatives of log N(x; g, gamma I), written for both numbers and symbols ---


def _score_symbolic(claim: Any, effort: Effort) -> Evidence:
    import sympy

    x, g = sympy.symbols("x g", real=True)
    gamma = sympy.symbols("gamma", positive=True)
    log_density = -((x - g) ** 2) / (2 * gamma) - sympy.log(2 * sympy.pi * gamma) / 2
    return symbolic(claim(x, g, gamma), sympy.diff(log_density, x), "d/dx log N(x; g, gamma)")


def _score_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare with differences of the engine's log-likelihood, exact for a quadratic."""
    x, g, log_sd = np.array([0.3, -0.8]), np.array([1.1, 0.4]), np.array(-0.35)
    truth = gradient(lambda at: log_likelihood(square(at - g), log_sd, 2), x, 0.5)
    claimed = claim(x, g, float(np.exp(2 * log_sd)))
    detail = "gradient of the engine's log-likelihood"
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-11), detail)


def _divergence_symbolic(claim: Any, effort: Effort) -> Evidence:
    import sympy

    gamma, d_z = sympy.symbols("gamma d_z", positive=True)
    x, g = sympy.symbols("x:3", real=True), sympy.symbols("g:3", real=True)
    log_density = -sum((a - b) ** 2 for a, b in zip(x, g, strict=True)) / (2 * gamma)
    truth = sum(sympy.diff(log_density, a, 2) for a in x)
    return symbolic(claim(gamma, 3, d_z), truth, "Laplacian of log N(x; g, gamma I) in three dimensions")


def _divergence_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare the constant term of the engine's objectives with the Laplacian of its log-likelihood."""
    log_sd, origin = np.array(-0.35), np.zeros(3)

    def log_density(x: Array) -> Array:
        return log_likelihood(square(x), log_sd, 3)

    laplacian = np.trace(gradient(lambda y: gradient(lambda x: log_density(x + y), origin, 0.5), origin, 0.5))
    zero, tau = np.zeros(1), precision(log_sd)
    term = score_matching_terms(zero, zero, tau, 3)["divergence"]
    claimed = np.full(2, claim(float(1 / tau), 3, 2))
    detail = "Laplacian of the engine's log-likelihood, and the engine's term"
    return numeric("finite differences", claimed, [laplacian, float(term)], effort.tolerance(1e-11), detail)


# --- (19): functions of (x, E_q g, gamma) ---


def _mean_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy, r = Toy(), toy_reconstruction(Toy())
    truth = toy_scores(toy).square_of_mean
    return numeric("quadrature", claim(FEW, r.mean, toy.gamma), truth, effort.tolerance(1e-10), "|E_q s^p|^2")


def _mean_by_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare with the engine: 2 M1 - M2 is half the square of the mean, divergences aside."""
    example, r = wide()
    terms = [evaluate(example, each(SAMPLES)).terms["score_square"][0] for each in (M1, M2)]
    claimed = claim(example.data, r.mean, example.gamma).mean()
    detail = "mean of |E s^p|^2 over the data, from the engine's M1 and M2 on given samples"
    return numeric("closed form", claimed, 4 * terms[0] - 2 * terms[1], effort.tolerance(1e-12), detail)


# --- (20): functions of (E_q|x - g|^2, |x - E_q g|^2, tr Cov_q[g], gamma) that give both right-hand sides ---


def _square_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy, r = Toy(), toy_reconstruction(Toy())
    truth = toy_scores(toy).square
    claimed = claim(r.A, r.B, r.T, toy.gamma)
    return numeric("quadrature", claimed, [truth, truth], effort.tolerance(1e-10), "E_q|s^p|^2 at three data")


def _square_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    r, samples = engine_reconstruction(EngineExample.build), effort.samples(1_000_000)
    claimed = np.mean(claim(r.A, r.B, r.T, EngineExample.build().gamma), -1)
    mean, error = engine_mean(EngineExample.build, M1(4), _score_square, samples)
    detail = f"E_q|s^p|^2, twice the engine's term of M1, {samples:,} samples"
    return statistical(claimed, np.full(2, 2 * mean), np.full(2, 2 * error), detail)


def _score_square(outcome: Outcome) -> Array:
    return outcome.terms["score_square"][0]  # type: ignore[no-any-return]


def _abs2(v: Array) -> Array:
    return square(np.asarray(v))


# --- (22) ---


def _minimum_symbolic(claim: Any, effort: Effort) -> Evidence:
    import sympy

    a, b, tau = sympy.symbols("a b tau", positive=True)
    loss = tau**2 * a / 2 - tau * b
    (best,) = sympy.solve(sympy.diff(loss, tau), tau)
    return symbolic(claim(a, b), loss.subs(tau, best), "min over tau = 1/gamma, b > 0")


def _minimum_by_search(claim: Any, effort: Effort) -> Evidence:
    """Compare with a search for both signs of b: for b <= 0 the infimum 0 is approached as gamma grows."""
    from scipy.optimize import minimize_scalar

    cases = [(1.7, 0.9), (0.4, 2.5), (1.3, -0.7)]

    def infimum(a: float, b: float) -> float:
        found = minimize_scalar(
            lambda log_tau: 0.5 * a * np.exp(2 * log_tau) - b * np.exp(log_tau),
            bounds=(-60, 10), method="bounded", options={"xatol": 1e-12},
        )  # fmt: skip
        return float(found.fun)

    claimed = [float(claim(a, b)) for a, b in cases]
    truth = [infimum(a, b) for a, b in cases]
    detail = "infimum over gamma > 0 at (a, b) = (1.7, .9), (.4, 2.5), (1.3, -.7)"
    return numeric("search", claimed, truth, effort.tolerance(1e-9), detail)


def _minimum_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare with the quadratic at the engine's choice of gamma, or 0 where it reports no minimum."""
    cases = np.array([(1.7, 0.9), (0.4, 2.5), (1.3, -0.7)])
    a, b = cases.T
    choice = OptimalGamma().choose(np.zeros(3), a, b)
    tau = precision(choice.log_sd)
    truth = np.where(choice.kept, 0.0, tau**2 * a / 2 - tau * b)
    claimed = [float(claim(*case)) for case in cases]
    return numeric("closed form", claimed, truth, effort.tolerance(1e-12), "the engine's choice of gamma")


STATEMENTS = (
    Statement(
        id="18",
        section="A.2",
        title="Score of the Gaussian likelihood",
        assumptions="p(x|z) = N(x; g(z), gamma I).",
        form=Form(r"s^p(x|z) = -\tfrac1\gamma (x - g(z))", lambda x, g, gamma: -(x - g) / gamma),
        checks=(_score_symbolic, _score_of_the_engine),
        mutations={
            "sign": lambda x, g, gamma: (x - g) / gamma,
            "gamma squared": lambda x, g, gamma: -(x - g) / gamma**2,
        },
        code="vsmnp.model.likelihood.precision",
    ),
    Statement(
        id="19",
        section="A.2",
        title="Squared norm of the mean score",
        assumptions="p(x|z) = N(x; g(z), gamma I); q has a mean of g.",
        form=Form(
            r"|E_q s^p|^2 = \tfrac1{\gamma^2} |x - E_q g|^2",
            lambda x, mean_g, gamma: _abs2(x - mean_g) / gamma**2,
        ),
        checks=(_mean_by_quadrature, _mean_by_the_engine),
        mutations={
            "one gamma": lambda x, mean_g, gamma: _abs2(x - mean_g) / gamma,
            "half": lambda x, mean_g, gamma: _abs2(x - mean_g) / (2 * gamma**2),
        },
        code="vsmnp.types.protocols.QuadraticForm",
    ),
    Statement(
        id="20",
        section="A.2",
        title="Mean squared norm of the score",
        assumptions="p(x|z) = N(x; g(z), gamma I); q has second moments of g.",
        form=Form(
            r"E_q |s^p|^2 = \tfrac1{\gamma^2} E_q |x - g|^2 "
            r"= \tfrac1{\gamma^2} \{ |x - E_q g|^2 + \operatorname{tr} \operatorname{Cov}_q[g] \}",
            lambda A, B, T, gamma: [A / gamma**2, (B + T) / gamma**2],
        ),
        checks=(_square_by_quadrature, _square_of_the_engine),
        mutations={
            "no variance": lambda A, B, T, gamma: [A / gamma**2, B / gamma**2],
            "variance twice": lambda A, B, T, gamma: [A / gamma**2, (B + 2 * T) / gamma**2],
            "one gamma": lambda A, B, T, gamma: [A / gamma, (B + T) / gamma],
        },
        code="vsmnp.model.likelihood.score_matching_terms",
    ),
    Statement(
        id="21",
        section="A.2",
        title="Divergence of the score",
        assumptions="p(x|z) = N(x; g(z), gamma I).",
        form=Form(r"\nabla_x \cdot s^p = -\tfrac{d_x}{\gamma}", lambda gamma, d_x, d_z: -d_x / gamma),
        checks=(_divergence_symbolic, _divergence_of_the_engine),
        mutations={
            "sign": lambda gamma, d_x, d_z: d_x / gamma,
            "latent dimension": lambda gamma, d_x, d_z: -d_z / gamma,
            "gamma squared": lambda gamma, d_x, d_z: -d_x / gamma**2,
        },
        code="vsmnp.model.likelihood.score_matching_terms",
    ),
    Statement(
        id="22",
        section="A.2",
        title="Minimum over gamma of a quadratic in the precision",
        assumptions="a > 0.",
        form=Form(
            r"\inf_{\gamma > 0} \{ \tfrac{a}{2\gamma^2} - \tfrac b\gamma \} = -\tfrac{\max(b, 0)^2}{2a}, "
            r"\text{ attained for } b > 0 \text{ at } \gamma = a/b",
            lambda a, b: -((b + abs(b)) ** 2) / (8 * a),
        ),
        printed=Form(
            r"\min_\gamma \{ \tfrac{a}{2\gamma^2} - \tfrac b\gamma \} = -\tfrac{b^2}{2a}",
            lambda a, b: -(b**2) / (2 * a),
        ),
        checks=(_minimum_symbolic, _minimum_by_search, _minimum_of_the_engine),
        mutations={
            "sign": lambda a, b: (b + abs(b)) ** 2 / (8 * a),
            "no half": lambda a, b: -((b + abs(b)) ** 2) / (4 * a),
        },
        consequence=(
            "For b <= 0 there is no optimal gamma: the loss falls towards 0 as gamma grows. M3 has b = "
            "d_x - D, which need not be positive; where it is not, Proposition A.1 has no autoencoding loss."
        ),
        code="vsmnp.objectives.OptimalGamma",
    ),
)  # fmt: skip
