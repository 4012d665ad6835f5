"""Derive (12) to (14): the marginal score is a posterior mean, and its divergence a posterior variance."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from ....types import Array
from ..evidence import divergence_in, gradient_in
from ..examples.moments import FEW, Scores, toy_scores
from ..examples.toy import Toy, dot, square
from ..proof import Proofs, Step

_TOY = Toy()
_SMOOTH = Toy(gamma=0.8, x_nodes=28, prior_nodes=100)  # for means over pi of its marginal
_Z = np.array([[0.3, -0.8, 1.1]])


def _density(x: Array) -> Array:
    """Compute ``p(x|z)`` at three latents."""
    return np.asarray(np.exp(_TOY.log_likelihood(x, _Z)))


def _mean(x: Array) -> Array:
    """Compute the posterior mean of s^p."""
    return _TOY.expect_posterior(_TOY.score_p, x)


def _slope_of_posterior(x: Array, z: Array) -> Array:
    """Compute ``grad_x log p(z|x)`` by differences of the log-density, ``x (K, 1, 2)``."""

    def log_posterior(x: Array) -> Array:
        log_joint = _TOY.log_likelihood(x, z) + _TOY.log_prior(z)
        return np.asarray(log_joint - _TOY.log_marginal(x[:, 0])[:, None])

    return gradient_in(log_posterior, x)


def _posterior(toy: Toy, x: Array) -> Scores:
    """Compute the moments of s^p under the exact posterior, and ``E grad_x log p(z|x) . s^p``."""
    each, mean = (
        toy.expect_posterior(lambda x, z: square(toy.score_p(x, z)), x),
        toy.expect_posterior(toy.score_p, x),
    )
    divergence = np.full(len(x), -toy.d_x / toy.gamma)
    return Scores(each, square(mean), divergence, each - square(mean))


def _implicit(x: Array) -> Array:
    """Compute ``|s|^2/2 + div s`` for the score s of ``p(x)``, by differences of its logarithm."""
    return np.asarray(0.5 * square(_TOY.score_marginal(x)) + divergence_in(_TOY.score_marginal, x))


@cache
def _fisher_less_constant() -> float:
    """Compute the marginal Fisher divergence less half the mean square of the score of pi."""
    x, w = _SMOOTH.data
    score, score_pi = gradient_in(_SMOOTH.log_marginal, x), _SMOOTH.score_pi(x)
    return float(w @ (square(score_pi - score) - square(score_pi)) / 2)


def _implicit_over_pi() -> float:
    x, w = _SMOOTH.data
    return float(w @ (0.5 * square(_SMOOTH.score_marginal(x)) + divergence_in(_SMOOTH.score_marginal, x)))


_MARGINAL_SCORE = Step(
    r"\nabla_x \log p(x) = E_{p(z|x)} s^p",
    "The fraction is the density of the posterior, by Bayes' rule.",
    lambda: (gradient_in(_TOY.log_marginal, FEW), _mean(FEW)),
    kind="finite differences",
)
_CITED_SCORE = replace(_MARGINAL_SCORE, reason="The score of the marginal is the posterior mean of s^p (14).")

PROOFS: Proofs = {
    "12": (
        Step(
            r"D_F[\pi \| p] - C_\pi = E_\pi [ \tfrac12 |\nabla_x \log p|^2 + \nabla_x \cdot \nabla_x \log p "
            r"], \quad C_\pi = \tfrac12 E_\pi |\nabla_x \log\pi|^2",
            "The square of (5) is expanded and its mixed term integrated by parts (25).",
            lambda: (_fisher_less_constant(), _implicit_over_pi()),
        ),
        _CITED_SCORE,
        Step(
            r"\nabla_x \cdot E_{p(z|x)} s^p = E_{p(z|x)} [ \nabla_x \log p(z|x) \cdot s^p + \nabla_x \cdot "
            r"s^p ]",
            "The score trick (A.1-score-trick) with the exact posterior for q: it too depends on x.",
            lambda: (
                divergence_in(_mean, FEW),
                _TOY.expect_posterior(lambda x, z: dot(_slope_of_posterior(x, z), _TOY.score_p(x, z)), FEW)
                - _TOY.d_x / _TOY.gamma,
            ),
            kind="finite differences",
        ),
        Step(
            r"\nabla_x \log p(z|x) = s^p - \nabla_x \log p(x) = s^p - E_{p(z|x)} s^p",
            "Bayes' rule; the prior does not depend on x.",
            lambda: (
                _slope_of_posterior(FEW[:, None], _Z),
                _TOY.score_p(FEW[:, None], _Z) - _mean(FEW)[:, None],
            ),
            kind="finite differences",
        ),
        Step(
            r"\nabla_x \cdot \nabla_x \log p(x) = E_{p(z|x)} [ |s^p|^2 + \nabla_x \cdot s^p ] - |E_{p(z|x)} "
            r"s^p|^2",
            "The mean of (s^p - E s^p) . s^p is the mean of |s^p|^2 less the square of the mean.",
            lambda: (
                divergence_in(lambda x: gradient_in(_TOY.log_marginal, x, 2e-3), FEW, 2e-3),
                _posterior(_TOY, FEW).square
                + _posterior(_TOY, FEW).divergence
                - _posterior(_TOY, FEW).square_of_mean,
            ),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"D_F[\pi \| p] - C_\pi = E_\pi \{ E_{p(z|x)} [ |s^p|^2 + \nabla_x \cdot s^p ] "
            r"- \tfrac12 |E_{p(z|x)} s^p|^2 \}",
            "Inserted into the first line, half the square of the mean is left with a minus sign; the "
            "divergence is in x, for the paper's grad_theta comes from no step.",
            lambda: (_fisher_less_constant(), _SMOOTH.data[1] @ _posterior(_SMOOTH, _SMOOTH.data[0]).m2),
        ),
    ),
    "13": (
        Step(
            r"\tfrac12 |\nabla_x \log p|^2 + \nabla_x \cdot \nabla_x \log p = E_{p(z|x)} [ |s^p|^2 "
            r"+ \nabla_x \cdot s^p ] - \tfrac12 |E_{p(z|x)} s^p|^2",
            "The integrand of (12), for every x.",
            lambda: (_implicit(FEW), _posterior(_TOY, FEW).m2),
            kind="finite differences",
        ),
        Step(
            r"E_q [ |s^p|^2 + \nabla_x \cdot s^p ] - \tfrac12 |E_q s^p|^2 "
            r"= E_q [ \tfrac12 |s^p|^2 + \nabla_x \cdot s^p ] + \tfrac12 E_q |s^p - E_q s^p|^2",
            "Half of the mean square is split off: M2 is M1, without the term in s^q, and half the variance "
            "of the score.",
            lambda: (
                toy_scores(_TOY).m2,
                toy_scores(_TOY).m1
                + _TOY.expect_q(
                    lambda x, z: square(_TOY.score_p(x, z) - _TOY.expect_q(_TOY.score_p, FEW)[:, None]), FEW
                )
                / 2,
            ),
        ),
        Step(
            r"M_2(x) = E_q [ |s^p|^2 + \nabla_x \cdot s^p ] - \tfrac12 |E_q s^p|^2",
            "The definition: q stands where (12) has the posterior; both agree if q is exact.",
        ),
    ),
    "14": (
        Step(
            r"\nabla_x p(x) = \int p(z) \nabla_x p(x|z) dz = \int p(z) p(x|z) s^p dz",
            "The gradient is taken under the integral, and that of p(x|z) is p(x|z) times its score.",
            lambda: (
                gradient_in(_density, FEW[:, None]),
                _density(FEW[:, None])[..., None] * _TOY.score_p(FEW[:, None], _Z),
            ),
            kind="finite differences",
        ),
        Step(
            r"\nabla_x \log p(x) = \tfrac{\nabla_x p(x)}{p(x)} = \int \tfrac{p(z) p(x|z)}{p(x)} s^p dz",
            "The derivative of the logarithm, with the first line inserted.",
            lambda: (gradient_in(_TOY.log_marginal, FEW), _TOY.score_marginal(FEW)),
            kind="finite differences",
        ),
        _MARGINAL_SCORE,
        Step(
            r"D_F[\pi \| p] = \tfrac12 E_\pi |\nabla_x \log \pi - E_{p(z|x)} s^p|^2",
            "The identity is inserted into the definition (5), under the norm.",
            lambda: (
                square(gradient_in(lambda x: _TOY.log_pi(x) - _TOY.log_marginal(x), FEW)) / 2,
                square(_TOY.score_pi(FEW) - _mean(FEW)) / 2,
            ),
            kind="finite differences",
        ),
    ),
}
