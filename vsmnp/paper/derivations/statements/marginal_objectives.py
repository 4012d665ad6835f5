"""Equations (12) to (14): the marginal Fisher divergence and M2."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import M2
from ....types import Array
from ..evidence import gradient, numeric, statistical
from ..examples.engine import EngineExample
from ..examples.linear_engine import at_exact_posterior
from ..examples.moments import FEW, engine_mean, engine_scores, loss
from ..examples.toy import Toy, square
from ..statement import Effort, Evidence, Form, Statement

_ORIGIN = np.zeros(2)
_SMOOTH = Toy(gamma=1.0, prior_nodes=50)  # its marginal is smooth enough for the rule of pi to converge


def _exact() -> EngineExample:
    return at_exact_posterior().example


# --- (12): functions of (E|s^p|^2, |E s^p|^2, E div_x s^p, E div_theta s^p) under the exact posterior ---


@cache
def _divergence_of_the_toy() -> tuple[float, Array, float]:
    """Compute FD less its constant from log p(x), moments of s^p at pi's nodes, and div in theta."""
    toy = _SMOOTH
    x, w = toy.data
    score = gradient(lambda shift: toy.log_marginal(x + shift), _ORIGIN)
    score_pi = toy.score_pi(x)
    truth = 0.5 * w @ (square(score_pi - score) - square(score_pi))
    each = toy.expect_posterior(lambda x, z: square(toy.score_p(x, z)), x)
    mean = toy.expect_posterior(toy.score_p, x)
    theta = gradient(lambda bias: (toy.g(np.array(0.3)) + bias - FEW[0]) / toy.gamma, _ORIGIN)
    return float(truth), np.array([each, square(mean), w]), float(np.trace(theta))


def _against_the_divergence(claim: Any, effort: Effort) -> Evidence:
    toy = _SMOOTH
    truth, (each, of_mean, w), by_theta = _divergence_of_the_toy()
    claimed = w @ claim(each, of_mean, -toy.d_x / toy.gamma, by_theta)
    detail = "marginal FD minus its constant; theta is the bias of g"
    return numeric("quadrature", claimed, truth, effort.tolerance(1e-10), detail)


def _against_a_gaussian_marginal(claim: Any, effort: Effort) -> Evidence:
    """Compare for each datum with |grad log p|^2/2 + Laplacian, known for a linear model."""
    score, divergence = at_exact_posterior().marginal_score()
    s = engine_scores(_exact)
    claimed = claim(s.square, s.square_of_mean, s.divergence, -s.divergence)
    detail = "score-matching loss of a Gaussian marginal, posterior moments by the engine's networks"
    return numeric("closed form", claimed, 0.5 * square(score) + divergence, effort.tolerance(1e-11), detail)


# --- (13): functions of (E|s^p|^2, |E s^p|^2, E div_x s^p) under q ---


def _m2_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    s = engine_scores(EngineExample.build)
    samples = effort.samples(1_000_000)
    found = engine_mean(EngineExample.build, M2(4, estimator="u-statistic"), loss, samples)
    claimed = claim(s.square, s.square_of_mean, s.divergence).mean()
    return statistical(claimed, *found, f"the engine's M2, u-statistic of 4 samples, {samples} in all")


def _m2_at_the_exact_posterior(claim: Any, effort: Effort) -> Evidence:
    toy = Toy()
    each = toy.expect_posterior(lambda x, z: square(toy.score_p(x, z)), FEW)
    of_mean = square(toy.expect_posterior(toy.score_p, FEW))
    slope = gradient(lambda shift: toy.score_marginal(FEW + shift), _ORIGIN)
    truth = 0.5 * square(toy.score_marginal(FEW)) + np.trace(slope, axis1=-2, axis2=-1)
    claimed = claim(each, of_mean, -toy.d_x / toy.gamma)
    detail = "score-matching loss of the marginal where q is the exact posterior"
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-9), detail)


# --- (14): functions of (grad log pi, E s^p, E|s^p|^2) that give the integrand ---


def _integrand_by_differences(claim: Any, effort: Effort) -> Evidence:
    toy = Toy()
    of_pi = gradient(lambda shift: toy.log_pi(FEW + shift), _ORIGIN)
    of_p = gradient(lambda shift: toy.log_marginal(FEW + shift), _ORIGIN)
    each = toy.expect_posterior(lambda x, z: square(toy.score_p(x, z)), FEW)
    claimed = claim(toy.score_pi(FEW), toy.expect_posterior(toy.score_p, FEW), each)
    detail = "|grad log pi - grad log p|^2/2 at three data"
    return numeric("finite differences", claimed, 0.5 * square(of_pi - of_p), effort.tolerance(1e-9), detail)


def _integrand_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    example = _exact()
    score, _ = at_exact_posterior().marginal_score()
    mean = example.expect(lambda eps, z: example.score_p(z))
    claimed = claim(-example.data, mean, engine_scores(_exact).square)
    truth = 0.5 * square(-example.data - score)
    detail = "the integrand for pi = N(0, I) and a Gaussian marginal, posterior mean by the engine's networks"
    return numeric("closed form", claimed, truth, effort.tolerance(1e-12), detail)


STATEMENTS = (
    Statement(
        id="12",
        section="4",
        title="The objective of Swersky et al.",
        assumptions="Expectations over the exact posterior; it is the marginal FD up to a constant in pi.",
        form=Form(
            r"E_\pi \{ E_{p(z|x)} [ |s^p|^2 + \nabla_x \cdot s^p ] - \tfrac12 |E_{p(z|x)} s^p|^2 \}",
            lambda each, of_mean, by_x, by_theta: each + by_x - 0.5 * of_mean,
        ),
        printed=Form(
            r"E_\pi \{ E_{p(z|x)} [ |s^p|^2 + \nabla_\theta \cdot s^p ] - \tfrac12 |E_{p(z|x)} s^p|^2 \}",
            lambda each, of_mean, by_x, by_theta: each + by_theta - 0.5 * of_mean,
        ),
        checks=(_against_the_divergence, _against_a_gaussian_marginal),
        mutations={
            "half of the square": lambda each, of_mean, by_x, by_theta: 0.5 * each + by_x - 0.5 * of_mean,
            "whole square of the mean": lambda each, of_mean, by_x, by_theta: each + by_x - of_mean,
            "sign of the last term": lambda each, of_mean, by_x, by_theta: each + by_x + 0.5 * of_mean,
        },
        consequence=(
            "A misprint: (13) has the divergence in x. As printed it has no meaning unless theta has as many "
            "entries as x; the counterexample takes theta to be the bias of g, where it has the wrong sign."
        ),
        code="vsmnp.objectives.M2",
    ),
    Statement(
        id="13",
        section="4",
        title="Definition of M2",
        assumptions="q in place of the posterior; with q = p(z|x) it is the score-matching loss of p(x).",
        form=Form(
            r"M_2(x) = E_q [ |s^p|^2 + \nabla_x \cdot s^p ] - \tfrac12 |E_q s^p|^2",
            lambda each, of_mean, divergence: each + divergence - 0.5 * of_mean,
        ),
        checks=(_m2_of_the_engine, _m2_at_the_exact_posterior),
        mutations={
            "half of the square": lambda each, of_mean, divergence: 0.5 * each + divergence - 0.5 * of_mean,
            "M1": lambda each, of_mean, divergence: 0.5 * each + divergence,
            "sign of the last term": lambda each, of_mean, divergence: each + divergence + 0.5 * of_mean,
        },
        code="vsmnp.objectives.M2",
    ),
    Statement(
        id="14",
        section="4",
        title="The marginal score is the posterior mean of the likelihood's score",
        assumptions="Expectation over the exact posterior; the statement is made of the integrand.",
        form=Form(
            r"D_F[\pi \| p] = \tfrac12 E_\pi |\nabla_x \log \pi - E_{p(z|x)} s^p|^2",
            lambda of_pi, mean, each: 0.5 * square(of_pi - mean),
        ),
        checks=(_integrand_by_differences, _integrand_of_the_engine),
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
