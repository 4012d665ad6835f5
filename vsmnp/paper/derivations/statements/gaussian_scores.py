"""Equations (18) to (22): scores of a Gaussian likelihood, and the precision that minimises a quadratic."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....model.likelihood import log_likelihood, precision, score_matching_terms
from ....objectives import M1, M2, OptimalGamma
from ....types import Array
from ..checks import both_sides, sampling_check, symbolic_sides, value_check
from ..evidence import divergence_in, gradient_in
from ..examples import moments
from ..examples.engine import EngineExample
from ..examples.minimum import least_between
from ..examples.moments import SAMPLES, evaluate
from ..examples.toy import Toy, square
from ..statement import Form, Statement

_TOY = Toy()

# --- (18), (21): derivatives of log N(x; g, gamma I), written for both numbers and symbols ---


@symbolic_sides("d/dx log N(x; g, gamma)")
def _score_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    x, g = sympy.symbols("x g", real=True)
    gamma = sympy.symbols("gamma", positive=True)
    log_density = -((x - g) ** 2) / (2 * gamma) - sympy.log(2 * sympy.pi * gamma) / 2
    return claim(x, g, gamma), sympy.diff(log_density, x)


@both_sides("finite differences", 1e-11, "gradient of the engine's log-likelihood")
def _score_of_the_engine(claim: Any) -> tuple[Any, Any]:
    """Compare with differences of the engine's log-likelihood, exact for a quadratic."""
    x, g, log_sd = np.array([0.3, -0.8]), np.array([1.1, 0.4]), np.array(-0.35)
    truth = gradient_in(lambda x: log_likelihood(square(x - g), log_sd, 2), x, 0.5)
    return claim(x, g, float(np.exp(2 * log_sd))), truth


@symbolic_sides("Laplacian of log N(x; g, gamma I) in three dimensions")
def _divergence_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    gamma, d_z = sympy.symbols("gamma d_z", positive=True)
    x, g = sympy.symbols("x:3", real=True), sympy.symbols("g:3", real=True)
    log_density = -sum((a - b) ** 2 for a, b in zip(x, g, strict=True)) / (2 * gamma)
    return claim(gamma, 3, d_z), sum(sympy.diff(log_density, a, 2) for a in x)


@both_sides("finite differences", 1e-11, "Laplacian of the engine's log-likelihood, and the engine's term")
def _divergence_of_the_engine(claim: Any) -> tuple[Any, Any]:
    """Compare the constant term of the engine's objectives with the Laplacian of its log-likelihood."""
    log_sd = np.array(-0.35)

    def score(x: Array) -> Array:
        return gradient_in(lambda x: log_likelihood(square(x), log_sd, 4), x, 0.5)

    zero, tau = np.zeros(1), precision(log_sd)
    term = score_matching_terms(zero, zero, tau, 4)["divergence"]
    laplacian = divergence_in(score, np.zeros(4), 0.5)
    return np.full(2, claim(float(1 / tau), 4, 2)), [laplacian, float(term)]


# --- (19), (20): functions of the moments of the reconstruction and gamma; (20) has two right-hand sides ---


def _square_of_mean_of_the_engine() -> Any:
    """Compute ``4 M1 - 2 M2`` in their terms, the square of the mean, divergences aside."""
    m1, m2 = (evaluate(moments.wide()[0], each(SAMPLES)).terms["score_square"][0] for each in (M1, M2))
    return 4 * m1 - 2 * m2


# --- (22) ---

_CASES = np.array([(1.7, 0.9), (0.4, 2.5), (1.3, -0.7)])


@symbolic_sides("min over tau = 1/gamma, b > 0")
def _minimum_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    a, b, tau = sympy.symbols("a b tau", positive=True)
    loss = tau**2 * a / 2 - tau * b
    (best,) = sympy.solve(sympy.diff(loss, tau), tau)
    return claim(a, b), loss.subs(tau, best)


def _infimum(a: float, b: float) -> float:
    """Search over log tau for either sign of b: for b <= 0 the infimum 0 is approached as gamma grows."""
    return least_between(lambda log_tau: a * np.exp(2 * log_tau) / 2 - b * np.exp(log_tau), -60, 10, 1e-12)[1]


def _minimum_of_the_engine() -> Array:
    """Compute the quadratic at the engine's choice of gamma, or 0 where it reports no minimum."""
    a, b = _CASES.T
    choice = OptimalGamma().choose(np.zeros(3), a, b)
    tau = precision(choice.log_sd)
    return np.where(choice.kept, 0.0, tau**2 * a / 2 - tau * b)


STATEMENTS = (
    Statement(
        id="18",
        section="A.2",
        title="Score of the Gaussian likelihood",
        assumptions="p(x|z) = N(x; g(z), gamma I).",
        latex=r"s^p(x|z) = -\tfrac1\gamma (x - g(z))",
        claim=lambda x, g, gamma: -(x - g) / gamma,
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
        latex=r"|E_q s^p|^2 = \tfrac1{\gamma^2} |x - E_q g|^2",
        claim=lambda r, gamma: square(r.x - r.mean) / gamma**2,
        checks=(
            value_check("quadrature", 1e-10, "|E_q s^p|^2",
                lambda claim: claim(moments.toy_reconstruction(_TOY), _TOY.gamma),
                lambda: moments.toy_scores(_TOY).square_of_mean),
            value_check("closed form", 1e-12,
                "mean of |E s^p|^2 over the data, from the engine's M1 and M2 on given samples",
                lambda claim: claim(moments.wide()[1], moments.wide()[0].gamma).mean(),
                _square_of_mean_of_the_engine),
        ),
        mutations={
            "one gamma": lambda r, gamma: square(r.x - r.mean) / gamma,
            "half": lambda r, gamma: square(r.x - r.mean) / (2 * gamma**2),
        },
        code="vsmnp.types.protocols.QuadraticForm",
    ),
    Statement(
        id="20",
        section="A.2",
        title="Mean squared norm of the score",
        assumptions="p(x|z) = N(x; g(z), gamma I); q has second moments of g.",
        latex=r"E_q |s^p|^2 = \tfrac1{\gamma^2} E_q |x - g|^2 "
            r"= \tfrac1{\gamma^2} \{ |x - E_q g|^2 + \operatorname{tr} \operatorname{Cov}_q[g] \}",
        claim=lambda r, gamma: [r.A / gamma**2, (r.B + r.T) / gamma**2],
        checks=(
            value_check("quadrature", 1e-10, "E_q|s^p|^2 at three data",
                lambda claim: claim(moments.toy_reconstruction(_TOY), _TOY.gamma),
                lambda: [moments.toy_scores(_TOY).square] * 2),
            sampling_check(1_000_000, "E_q|s^p|^2, twice the engine's term of M1, {samples:,} samples",
                lambda claim: np.mean(claim(
                    moments.engine_reconstruction(EngineExample.build), EngineExample.build().gamma), -1),
                moments.engine_estimate(M1(4), lambda o: np.full(2, 2 * o.terms["score_square"][0]))),
        ),
        mutations={
            "no variance": lambda r, gamma: [r.A / gamma**2, r.B / gamma**2],
            "variance twice": lambda r, gamma: [r.A / gamma**2, (r.B + 2 * r.T) / gamma**2],
            "one gamma": lambda r, gamma: [r.A / gamma, (r.B + r.T) / gamma],
        },
        code="vsmnp.model.likelihood.score_matching_terms",
    ),
    Statement(
        id="21",
        section="A.2",
        title="Divergence of the score",
        assumptions="p(x|z) = N(x; g(z), gamma I).",
        latex=r"\nabla_x \cdot s^p = -\tfrac{d_x}{\gamma}",
        claim=lambda gamma, d_x, d_z: -d_x / gamma,
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
        latex=r"\inf_{\gamma > 0} \{ \tfrac{a}{2\gamma^2} - \tfrac b\gamma \} = -\tfrac{\max(b, 0)^2}{2a}, "
            r"\text{ attained for } b > 0 \text{ at } \gamma = a/b",
        claim=lambda a, b: -((b + abs(b)) ** 2) / (8 * a),
        printed=Form(
            r"\min_\gamma \{ \tfrac{a}{2\gamma^2} - \tfrac b\gamma \} = -\tfrac{b^2}{2a}",
            lambda a, b: -(b**2) / (2 * a),
        ),
        error="positive-b",
        checks=(
            _minimum_symbolic,
            value_check("search", 1e-9, "infimum over gamma > 0 at (a, b) = (1.7, .9), (.4, 2.5), (1.3, -.7)",
                lambda claim: [claim(*case) for case in _CASES],
                lambda: [_infimum(*case) for case in _CASES]),
            value_check("closed form", 1e-12, "the engine's choice of gamma",
                lambda claim: [claim(*case) for case in _CASES], _minimum_of_the_engine),
        ),
        mutations={
            "sign": lambda a, b: (b + abs(b)) ** 2 / (8 * a),
            "no half": lambda a, b: -((b + abs(b)) ** 2) / (4 * a),
        },
        consequence="Over all real numbers the printed minimum is right, at a negative gamma for b < 0; "
            "gamma is a variance. For b <= 0 there is no optimal gamma: the loss falls towards 0 as gamma "
            "grows. M3 has b = d_x - D, which need not be positive; where it is not, Proposition A.1 has no "
            "autoencoding loss.",
        code="vsmnp.objectives.OptimalGamma",
    ),
)  # fmt: skip
