"""Equations (12) to (14): the marginal Fisher divergence and M2."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....objectives import M2
from ....types import Array
from ..checks import both_sides, sampling_check, value_check
from ..evidence import divergence_in, gradient, gradient_in
from ..examples.engine import EngineExample
from ..examples.linear_engine import at_exact_posterior
from ..examples.moments import FEW, Scores, engine_estimate, engine_scores
from ..examples.toy import Toy, square
from ..statement import Form, Statement

# (12) and (13) are functions of the moments s of the score s^p: under the exact posterior, and under q.

_TOY = Toy()
_SMOOTH = Toy(gamma=1.0, prior_nodes=50)  # its marginal is smooth enough for the rule of pi to converge


def _exact() -> EngineExample:
    return at_exact_posterior().example


def _posterior_scores(toy: Toy, x: Array) -> Scores:
    """Compute the moments of s^p under the exact posterior; (12) to (14) have no cross term."""
    each = toy.expect_posterior(lambda x, z: square(toy.score_p(x, z)), x)
    divergence = np.full(len(x), -toy.d_x / toy.gamma)
    return Scores(each, square(toy.expect_posterior(toy.score_p, x)), divergence, np.zeros(len(x)))


@both_sides("quadrature", 1e-10, "marginal FD minus its constant; theta is the bias of g")
def _against_the_divergence(claim: Any) -> tuple[Any, Any]:
    toy, (x, w) = _SMOOTH, _SMOOTH.data
    score, score_pi = gradient_in(toy.log_marginal, x), toy.score_pi(x)
    by_theta = gradient(lambda bias: (toy.g(np.array(0.3)) + bias - FEW[0]) / toy.gamma, np.zeros(2))
    claimed = w @ claim(_posterior_scores(toy, x), np.trace(by_theta))
    return claimed, 0.5 * w @ (square(score_pi - score) - square(score_pi))


def _linear_loss() -> Array:
    """Compute ``|grad log p|^2/2 + Laplacian`` for each datum of a linear model, whose marginal is known."""
    score, divergence = at_exact_posterior().marginal_score()
    return 0.5 * square(score) + divergence


# --- (14): functions of (grad log pi, E s^p, E|s^p|^2) that give the integrand ---


@both_sides("finite differences", 1e-9, "|grad log pi - grad log p|^2/2 at three data")
def _integrand_by_differences(claim: Any) -> tuple[Any, Any]:
    mean, each = _TOY.expect_posterior(_TOY.score_p, FEW), _posterior_scores(_TOY, FEW).square
    truth = gradient_in(lambda x: _TOY.log_pi(x) - _TOY.log_marginal(x), FEW)
    return claim(_TOY.score_pi(FEW), mean, each), 0.5 * square(truth)


def _integrand_of_the_engine(claim: Any) -> Any:
    mean = _exact().expect(lambda eps, z: _exact().score_p(z))
    return claim(-_exact().data, mean, engine_scores(_exact).square)


STATEMENTS = (
    Statement(
        id="12",
        section="4",
        title="The objective of Swersky et al.",
        assumptions="Expectations over the exact posterior; it is the marginal FD up to a constant in pi.",
        latex=r"E_\pi \{ E_{p(z|x)} [ |s^p|^2 + \nabla_x \cdot s^p ] - \tfrac12 |E_{p(z|x)} s^p|^2 \}",
        claim=lambda s, by_theta: s.square + s.divergence - 0.5 * s.square_of_mean,
        printed=Form(
            r"E_\pi \{ E_{p(z|x)} [ |s^p|^2 + \nabla_\theta \cdot s^p ] - \tfrac12 |E_{p(z|x)} s^p|^2 \}",
            lambda s, by_theta: s.square + by_theta - 0.5 * s.square_of_mean,
        ),
        error="nabla-theta",
        checks=(
            _against_the_divergence,
            value_check("closed form", 1e-11,
                "score-matching loss of a Gaussian marginal, posterior moments by the engine's networks",
                lambda claim: claim(engine_scores(_exact), -engine_scores(_exact).divergence), _linear_loss),
        ),
        mutations={
            "half of the square": lambda s, by_theta: 0.5 * s.square + s.divergence - 0.5 * s.square_of_mean,
            "whole square of the mean": lambda s, by_theta: s.square + s.divergence - s.square_of_mean,
            "sign of the last term": lambda s, by_theta: s.square + s.divergence + 0.5 * s.square_of_mean,
        },
        consequence="The paper's (13) has the divergence in x. As printed it has no meaning unless theta "
            "has as many entries as x; the counterexample takes theta to be the bias of g, where it has the "
            "wrong sign.",
        without_code="The engine has no exact posterior: M2, equation (13), has q in its place.",
    ),
    Statement(
        id="13",
        section="4",
        title="Definition of M2",
        assumptions="q in place of the posterior; with q = p(z|x) it is the score-matching loss of p(x).",
        latex=r"M_2(x) = E_q [ |s^p|^2 + \nabla_x \cdot s^p ] - \tfrac12 |E_q s^p|^2",
        claim=lambda s: s.square + s.divergence - 0.5 * s.square_of_mean,
        checks=(
            sampling_check(1_000_000, "the engine's M2, u-statistic of 4 samples, {samples} in all",
                lambda claim: claim(engine_scores(EngineExample.build)).mean(),
                engine_estimate(M2(4, estimator="u-statistic"))),
            value_check("finite differences", 1e-9,
                "score-matching loss of the marginal where q is the exact posterior",
                lambda claim: claim(_posterior_scores(_TOY, FEW)),
                lambda: 0.5 * square(_TOY.score_marginal(FEW)) + divergence_in(_TOY.score_marginal, FEW)),
        ),
        mutations={
            "half of the square": lambda s: 0.5 * s.square + s.divergence - 0.5 * s.square_of_mean,
            "M1": lambda s: 0.5 * s.square + s.divergence,
            "sign of the last term": lambda s: s.square + s.divergence + 0.5 * s.square_of_mean,
        },
        code="vsmnp.objectives.M2",
    ),
    Statement(
        id="14",
        section="4",
        title="The marginal score is the posterior mean of the likelihood's score",
        assumptions="Expectation over the exact posterior; the statement is made of the integrand.",
        latex=r"D_F[\pi \| p] = \tfrac12 E_\pi |\nabla_x \log \pi - E_{p(z|x)} s^p|^2",
        claim=lambda of_pi, mean, each: 0.5 * square(of_pi - mean),
        checks=(
            _integrand_by_differences,
            value_check("closed form", 1e-12,
                "the integrand for pi = N(0, I) and a Gaussian marginal, posterior mean by the engine's "
                "networks",
                _integrand_of_the_engine,
                lambda: 0.5 * square(-_exact().data - at_exact_posterior().marginal_score()[0])),
        ),
        mutations={
            "no half": lambda of_pi, mean, each: square(of_pi - mean),
            "sign": lambda of_pi, mean, each: 0.5 * square(of_pi + mean),
            "expectation outside the norm": lambda of_pi, mean, each: (
                0.5 * (square(of_pi - mean) + each - square(mean))
            ),
        },
        code="vsmnp.model.vae.GaussianVAE",
    ),
)  # fmt: skip
