"""Derive (1) to (3) by Bayes' rule, and (5) as the rate at which noise lowers the KL divergence."""

from __future__ import annotations

import numpy as np

from ....model.gaussian import DiagonalGaussian
from ....model.likelihood import kl_to_normal, log_likelihood, log_normal
from ....model.posterior import Moments
from ....types import Array
from ..evidence import derivative
from ..examples.linear_joint import LINEAR, TOY, log_ratio
from ..examples.toy import square
from ..proof import Proofs, Step
from ..quadrature import normal_log_density, normal_rule

# --- (1), (2) ---

_X, _Z = np.array([[0.7], [-1.2], [2.0]]), np.array([0.3, -0.8, 1.1])


def _elbo() -> Array:
    """Compute ``E_q log p(x|z) - D_KL[q || p(z)]`` of the toy, the divergence in closed form."""
    x = TOY.few
    return TOY.expect_q(TOY.log_likelihood, x) - kl_to_normal(TOY.mu(x)[:, None], TOY.s(x)[:, None])


def _gap(x: Array, z: Array) -> Array:
    """Compute ``log q(z|x)/p(z|x)`` of the toy."""
    log_joint = TOY.log_prior(z) + TOY.log_likelihood(x, z)
    return np.asarray(TOY.log_q(x, z) - log_joint + TOY.log_marginal(x[:, 0])[:, None])


def _marginal_kl() -> float:
    """Compute ``D_KL[pi || p(x)]`` of the linear model, both Gaussians about zero, in closed form."""
    ratio = LINEAR.variance / LINEAR.marginal_variance
    return float((ratio - 1 - np.log(ratio)) / 2)


def _posterior_kl() -> float:
    """Compute ``E_pi D_KL[q || p(z|x)]`` of the linear model in closed form."""
    exact, ratio = LINEAR.exact(), LINEAR.v * LINEAR.precision
    shift = LINEAR.precision * (LINEAR.phi - exact.phi) ** 2 * LINEAR.variance
    return float((ratio - 1 - np.log(ratio) + shift) / 2)


# --- (3) ---

_AT, _MEAN, _SD, _GAMMA = np.array([0.9, -0.4]), np.array([-0.5, 0.2]), np.array([0.7, 0.35]), 0.3


def _written_out(mean: Array, variance: Array) -> float:
    return float(-0.5 * (square((_AT - mean) / np.sqrt(variance)) + np.log(2 * np.pi * variance).sum()))


# --- (5): pi_t and p_t are the Gaussians of the linear model, with noise of variance t added ---

_PI, _P = LINEAR.variance, LINEAR.marginal_variance
_NODES, _WEIGHTS = normal_rule(20)
_POINTS = np.sqrt(_PI) * _NODES[:, 0]


def _log(x: Array, variance: float) -> Array:
    return normal_log_density(x, 0.0, variance)


def _density(x: Array, variance: float) -> Array:
    return np.asarray(np.exp(_log(x, variance)))


def _in_time(variance: float) -> Array:
    """Compute the derivative in t of the density with noise of variance t, at three points."""
    return derivative(lambda t: _density(_Z, variance + t))


def _second_derivative(variance: float) -> Array:
    """Compute the second derivative in x of the density without noise, at the same points."""
    return derivative(lambda t: derivative(lambda u: _density(_Z + t + u, variance)))


def _kl_with_noise(t: float) -> float:
    """Compute ``D_KL[pi_t || p_t]`` in closed form."""
    ratio = (_PI + t) / (_P + t)
    return float((ratio - 1 - np.log(ratio)) / 2)


def _rate() -> Array:
    """Compute both integrals of the product rule as expectations under pi."""
    of_pi = derivative(lambda t: _log(_POINTS, _PI + t))
    of_p = derivative(lambda t: _log(_POINTS, _P + t))
    return np.asarray(_WEIGHTS @ (of_pi * (_log(_POINTS, _PI) - _log(_POINTS, _P)) - of_p))


def _by_parts() -> Array:
    """Compute both integrals after the integration by parts, the slopes by differences."""
    of_pi = derivative(lambda t: _log(_POINTS + t, _PI))
    of_p = derivative(lambda t: _log(_POINTS + t, _P))
    slope_of_ratio = of_pi - of_p
    return np.asarray(_WEIGHTS @ (-of_pi * slope_of_ratio + slope_of_ratio * of_p) / 2)


def _fisher() -> float:
    """Compute half the mean squared difference of the two scores, which are written out."""
    return float(_WEIGHTS @ (-_POINTS / _PI + _POINTS / _P) ** 2 / 2)


PROOFS: Proofs = {
    "1": (
        Step(
            r"\log p(x) = \log p(x|z) + \log p(z) - \log p(z|x)",
            "Bayes' rule: both p(x|z) p(z) and p(z|x) p(x) are the joint density.",
            lambda: (
                LINEAR.log_marginal(_X),
                LINEAR.log_likelihood(_X, _Z) + LINEAR.log_prior(_Z) - LINEAR.log_posterior(_X, _Z),
            ),
            kind="closed form",
        ),
        Step(
            r"= E_q [\log p(x|z) + \log p(z) - \log q(z|x)] + E_q [\log q(z|x) - \log p(z|x)]",
            "The left-hand side does not depend on z and equals its mean over q; log q is subtracted and "
            "added.",
            lambda: (
                LINEAR.log_marginal(_X),
                LINEAR.expect_q(
                    lambda x, z: LINEAR.log_likelihood(x, z) + LINEAR.log_prior(z) - LINEAR.log_q(x, z), _X
                )
                + LINEAR.expect_q(lambda x, z: LINEAR.log_q(x, z) - LINEAR.log_posterior(x, z), _X),
            ),
        ),
        Step(
            r"= E_q [\log p(x|z)] - D_{KL}[q(z|x) \| p(z)] + D_{KL}[q(z|x) \| p(z|x)]",
            "Each mean of a log-ratio of densities under q is a KL divergence.",
            lambda: (TOY.log_marginal(TOY.few), _elbo() + TOY.expect_q(_gap, TOY.few)),
        ),
        Step(
            r"F(x) = E_q[\log p(x|z)] - D_{KL}[q(z|x) \| p(z)] = \log p(x) - D_{KL}[q(z|x) \| p(z|x)]",
            "The last divergence is taken to the other side; it is not negative, so F is a lower bound.",
            lambda: (_elbo(), TOY.log_marginal(TOY.few) - TOY.expect_q(_gap, TOY.few)),
        ),
    ),
    "2": (
        Step(
            r"\log \tfrac{q(z|x) \pi(x)}{p(z,x)} = \log \tfrac{q(z|x)}{p(z|x)} + \log \tfrac{\pi(x)}{p(x)}",
            "The joint density is p(z|x) p(x).",
            lambda: (
                log_ratio(LINEAR, _X, _Z),
                LINEAR.log_q(_X, _Z)
                - LINEAR.log_posterior(_X, _Z)
                + LINEAR.log_pi(_X)
                - LINEAR.log_marginal(_X),
            ),
            kind="closed form",
        ),
        Step(
            r"E_{q\pi} \log \tfrac{\pi(x)}{p(x)} = E_\pi \log \tfrac{\pi(x)}{p(x)} = D_{KL}[\pi(x) \| p(x)]",
            "The integrand does not depend on z, and q is normalised for every x.",
            lambda: (
                LINEAR.expect(lambda x, z: LINEAR.log_pi(x) - LINEAR.log_marginal(x) + 0 * z),
                _marginal_kl(),
            ),
        ),
        Step(
            r"E_{q\pi} \log \tfrac{q(z|x)}{p(z|x)} = E_\pi D_{KL}[q(z|x) \| p(z|x)]",
            "For each x the mean over q is the KL divergence between the two posteriors.",
            lambda: (
                LINEAR.expect(lambda x, z: LINEAR.log_q(x, z) - LINEAR.log_posterior(x, z)),
                _posterior_kl(),
            ),
        ),
        Step(
            r"D_{KL}[q(z|x)\pi(x) \| p(z,x)] = E_\pi D_{KL}[q(z|x) \| p(z|x)] + D_{KL}[\pi(x) \| p(x)]",
            "The mean of the first line over q pi; both summands are not negative, so that each is at most "
            "the joint divergence.",
            lambda: (LINEAR.joint_kl(), _posterior_kl() + _marginal_kl()),
            kind="closed form",
        ),
    ),
    "3": (
        Step(
            r"\log N(z; m, \operatorname{diag} v) = -\tfrac12 \textstyle\sum_j "
            r"[ (z_j - m_j)^2 / v_j + \log(2 \pi v_j) ]",
            "Independent coordinates: the density is a product of univariate ones.",
            lambda: (normal_log_density(_AT, _MEAN, _SD**2).sum(), _written_out(_MEAN, _SD**2)),
            kind="closed form",
        ),
        Step(
            r"p(z) = N(0, I): \; \log p(z) = -\tfrac12 |z|^2 - \tfrac{d_z}2 \log 2\pi",
            "The prior has m = 0 and v = 1, by definition.",
            lambda: (log_normal(_AT), _written_out(0 * _AT, np.ones(2))),
            kind="closed form",
        ),
        Step(
            r"p(x|z) = N(x; g(z), \gamma I): \; \log p(x|z) = "
            r"-\tfrac1{2\gamma} |x - g(z)|^2 - \tfrac{d_x}2 \log(2 \pi \gamma)",
            "The likelihood has m = g(z) and v = gamma in every coordinate of the data, by definition.",
            lambda: (
                log_likelihood(square(_AT - _MEAN), np.asarray(np.log(_GAMMA) / 2), 2),
                _written_out(_MEAN, np.full(2, _GAMMA)),
            ),
            kind="closed form",
        ),
        Step(
            r"q(z|x) = N(z; \mu(x), \operatorname{diag} s(x)^2): \; \log q(z|x) = -\tfrac12 "
            r"\textstyle\sum_j [ (z_j - \mu_j)^2 / s_j^2 + \log(2\pi s_j^2) ]",
            "The variational posterior has the means and the variances that the encoder gives, by "
            "definition.",
            lambda: (DiagonalGaussian(2).log_prob(Moments(_MEAN, _SD), _AT), _written_out(_MEAN, _SD**2)),
            kind="closed form",
        ),
        Step(
            r"p(z) = N(0, I), \quad p(x|z) = N(x; g(z), \gamma I), \quad q(z|x) = N(z; \mu(x), \Sigma(x))",
            "The three definitions together, with a diagonal Sigma; p(z) p(x|z) is the density of the model.",
        ),
    ),
    "5": (
        Step(
            r"\partial_t \pi_t = \tfrac12 \Delta \pi_t, \quad \partial_t p_t = \tfrac12 \Delta p_t",
            "The density of x plus noise N(0, t I) is a convolution with a Gaussian and solves the heat "
            "equation.",
            lambda: (
                [_in_time(_PI), _in_time(_P)],
                [_second_derivative(_PI) / 2, _second_derivative(_P) / 2],
            ),
            kind="finite differences",
        ),
        Step(
            r"\tfrac{d}{dt} D_{KL}[\pi_t \| p_t] = \int \partial_t \pi_t \log \tfrac{\pi_t}{p_t} dx "
            r"- \int \tfrac{\pi_t}{p_t} \partial_t p_t dx",
            "The product rule under the integral; a third term is the derivative of the total mass of pi_t, "
            "0.",
            lambda: (derivative(_kl_with_noise), _rate()),
            kind="finite differences",
        ),
        Step(
            r"= -\tfrac12 \int \nabla \pi_t \cdot \nabla \log \tfrac{\pi_t}{p_t} dx "
            r"+ \tfrac12 \int \nabla \tfrac{\pi_t}{p_t} \cdot \nabla p_t dx",
            "The heat equation, and integration by parts without boundary terms.",
            lambda: (_rate(), _by_parts()),
        ),
        Step(
            r"= -\tfrac12 \int \pi_t \nabla \log \tfrac{\pi_t}{p_t} \cdot "
            r"( \nabla \log \pi_t - \nabla \log p_t ) dx",
            "A gradient is the function times the gradient of its logarithm, for pi_t, p_t and their ratio.",
            lambda: (_by_parts(), -_fisher()),
        ),
        Step(
            r"D_F[\pi \| p] = \tfrac12 E_\pi |\nabla_x \log\pi - \nabla_x \log p|^2 "
            r"= -\tfrac{d}{dt} D_{KL}[\pi_t \| p_t] \big|_{t=0}",
            "The definition: with its half it is the rate at which noise lowers the KL divergence.",
            lambda: (_fisher(), -derivative(_kl_with_noise)),
            kind="finite differences",
        ),
    ),
}
