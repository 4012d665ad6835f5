"""Equations (1) to (3) and (5): the ELBO, the joint KLD, the Gaussian VAE, the Fisher divergence."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....metrics import Subject, log_prob_and_score
from ....model.likelihood import LOG_2PI, kl_to_normal, log_likelihood, log_normal
from ....model.posterior import Moments
from ....objectives import ELBO
from ....rng import Key
from ....types import Array
from ..checks import both_sides, sampling_check, symbolic_sides, value_check
from ..evidence import divergence_in, mean_and_error, statistical
from ..examples.engine import EngineExample
from ..examples.linear_joint import LINEAR, TOY, log_ratio
from ..examples.toy import Toy, square
from ..quadrature import normal_log_density
from ..statement import Effort, Evidence, Statement

_SAMPLES = 1_000_000

# --- (1), (2) ---


@cache
def _gap_to_the_posterior() -> Array:
    """Compute ``D_KL[q || p(z|x)]`` for the toy's data by sums over a grid that normalises the posterior."""
    z = np.linspace(-9, 9, 211)
    step = z[1] - z[0]
    x = TOY.data[0][:, None, :]
    log_joint = TOY.log_prior(z) + TOY.log_likelihood(x, z)
    mass = np.exp(log_joint).sum(-1, keepdims=True) * step
    log_q = TOY.log_q(x, z)
    return np.asarray((np.exp(log_q) * (log_q - log_joint + np.log(mass))).sum(-1) * step)


def _elbo_of_the_toy(claim: Any) -> Any:
    x = TOY.few
    return claim(TOY.expect_q(TOY.log_likelihood, x), kl_to_normal(TOY.mu(x)[:, None], TOY.s(x)[:, None]))


_EXAMPLE = EngineExample.build(d_z=1, n=1)


def _elbo_of_networks(claim: Any) -> Any:
    """Evaluate the claim at both terms, by quadrature of densities written out here."""
    example = _EXAMPLE
    constant = example.model.d_x * (LOG_2PI + np.log(example.gamma)) / 2
    fit = example.expect(lambda eps, z: example.log_likelihood(z)) - constant
    kl = example.expect(lambda eps, z: (square(z) - square(eps)) / 2) - np.log(example.q()[1]).sum(-1)
    return claim(fit, kl).mean()


def _parts_of_the_toy(claim: Any) -> Any:
    posterior = TOY.expect_pi(lambda x: _gap_to_the_posterior())
    return claim(posterior, TOY.expect_pi(lambda x: TOY.log_pi(x) - TOY.log_marginal(x)))


def _parts_of_gaussians(claim: Any) -> Any:
    posterior = LINEAR.expect(lambda x, z: LINEAR.log_q(x, z) - LINEAR.log_posterior(x, z))
    return claim(posterior, LINEAR.expect_pi(lambda x: LINEAR.log_pi(x) - LINEAR.log_marginal(x)))


def _joint_kl_of_the_engine(samples: int) -> tuple[Array, Array]:
    loss, error = LINEAR.engine().outcomes(lambda s: ELBO(samples=s), samples, lambda o: o.loss[0])
    return loss + LINEAR.expect_pi(LINEAR.log_pi), error


# --- (3): the claim gives log p(z), log p(x|z) and log q(z|x) ---


@both_sides("quadrature", 1e-10, "mass, mean and variances of p(z), p(x|z) and q(z|x)")
def _densities_are_normalised(claim: Any) -> tuple[Any, Any]:
    """Check mass, mean and covariance in the plane by sums over a grid that covers all of the mass."""
    grid = np.linspace(-12, 12, 241)
    points = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    area = (grid[1] - grid[0]) ** 2
    gamma, g = 0.4, np.array([0.8, -0.3])
    mu, s = np.array([-0.5, 0.2]), np.array([0.7, 0.35])
    of_z, _, of_q = claim(points, g, g, gamma, mu, s)
    _, of_x, _ = claim(mu, points, g, gamma, mu, s)
    claimed: list[Array] = []
    truth: list[Array] = []
    for log_density, mean, variance in ((of_z, 0 * g, 1 + 0 * s), (of_x, g, gamma + 0 * s), (of_q, mu, s**2)):
        weights = np.exp(log_density) * area
        centred = points - mean
        claimed += [weights.sum(keepdims=True), weights @ centred + mean, weights @ centred**2]
        truth += [np.ones(1), mean, variance]
    return np.concatenate(claimed), np.concatenate(truth)


@both_sides("closed form", 1e-12, "log_normal, log_likelihood and DiagonalGaussian.log_prob")
def _densities_of_the_engine(claim: Any) -> tuple[Any, Any]:
    example = EngineExample.build()
    mu, s = example.q()
    z = mu + 0.7 * s
    g, x = example.g(z), example.data
    log_sd = float(example.model.log_sd(example.theta)[0])
    log_x = log_likelihood(square(x - g), np.asarray(log_sd), example.model.d_x)
    truth = [log_normal(z), log_x, example.model.posterior.log_prob(Moments(mu, s), z)]
    return claim(z, x, g, example.gamma, mu, s), truth


def _gaussian_vae(z: Array, x: Array, g: Array, gamma: float, mu: Array, s: Array) -> tuple[Array, ...]:
    densities = (z, 0.0, 1.0), (x, g, gamma), (z, mu, s**2)
    return tuple(np.asarray(normal_log_density(*each).sum(-1)) for each in densities)


# --- (5): the claim is an integrand of both scores ---

#: A toy for which the rules compute the score of p(x) to 13 digits.
_SMOOTH = Toy(gamma=0.8, x_nodes=28, prior_nodes=100)


@cache
def _smooth_scores() -> tuple[Array, Array]:
    """Compute the scores of pi and of p(x) at the nodes."""
    x, _ = _SMOOTH.data
    return _SMOOTH.score_pi(x), _SMOOTH.score_marginal(x)


def _implicit() -> float:
    """Compute ``E[|s|^2 / 2 + div s] + E |grad log pi|^2 / 2`` with s the score of p(x)."""
    (x, w), (pi, score) = _SMOOTH.data, _smooth_scores()
    return float(w @ (square(score) / 2 + divergence_in(_SMOOTH.score_marginal, x) + square(pi) / 2))


@symbolic_sides("minus d/dt D_KL[N(0, a + t) || N(0, b + t)] at t = 0")
def _rate_of_kl(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare with the rate at which D_KL[pi || p] falls under noise of variance t (Lyu, UAI 2009)."""
    a, b, x = sympy.symbols("a b x", positive=True)
    t = sympy.symbols("t", nonnegative=True)
    ratio = (a + t) / (b + t)
    kl = (ratio - 1 - sympy.log(ratio)) / 2
    integrand = sympy.expand(claim(-x / a, -x / b))
    return integrand.coeff(x, 2) * a, -sympy.diff(kl, t).subs(t, 0)


def _score_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare by the engine's score of p(x) from draws of the prior; ten estimates give the error."""
    draws = effort.samples(20_000)
    values = claim(LINEAR.score_pi(LINEAR.engine().data), _engine_score(draws))
    found, error = mean_and_error(values.sum(-1).mean(-1))
    difference = 1 / LINEAR.variance - 1 / LINEAR.marginal_variance
    exact = difference**2 * LINEAR.variance / 2
    detail = f"D_F of two Gaussians from log_prob_and_score, ten times {draws:,} draws"
    return statistical(found, exact, error, detail)


@cache
def _engine_score(draws: int) -> Array:
    """Estimate the score at two data that integrate quadratics, ten times, ``(10, 2, 1)``."""
    example = LINEAR.engine()
    k, model, phi, theta = example.k, example.model, example.phi, example.theta
    subjects = [Subject(k, model, phi, theta, example.data, Key((seed,))) for seed in range(10)]
    return np.stack([log_prob_and_score(subject, draws)[1][0] for subject in subjects])


STATEMENTS = (
    Statement(
        id="1",
        section="2",
        title="The evidence lower bound",
        assumptions="q is absolutely continuous with respect to the prior.",
        latex=r"F(x) = E_q[\log p(x|z)] - D_{KL}[q(z|x) \| p(z)] = \log p(x) - D_{KL}[q(z|x) \| p(z|x)]",
        claim=lambda fit, kl: fit - kl,
        checks=(
            value_check("quadrature", 1e-10, "log p(x) - D_KL[q || p(z|x)], pointwise in x",
                _elbo_of_the_toy, lambda: TOY.log_marginal(TOY.few) - _gap_to_the_posterior()[::97]),
            sampling_check(_SAMPLES, "minus the loss of ELBO, nonlinear VAE, {samples:,} samples",
                _elbo_of_networks,
                lambda n: _EXAMPLE.outcomes(lambda s: ELBO(samples=s), n, lambda o: -o.loss[0])),
        ),
        mutations={
            "sign of the divergence": lambda fit, kl: fit + kl,
            "without the divergence": lambda fit, kl: fit,
            "the divergence twice": lambda fit, kl: fit - 2 * kl,
        },
        code="vsmnp.objectives.ELBO",
    ),
    Statement(
        id="2",
        section="2",
        title="The joint KL divergence bounds the marginal one",
        assumptions="All divergences are finite; both summands are nonnegative.",
        latex=r"D_{KL}[q(z|x)\pi(x) \| p(z,x)] = E_\pi D_{KL}[q(z|x) \| p(z|x)] + D_{KL}[\pi(x) \| p(x)]",
        claim=lambda posterior, marginal: posterior + marginal,
        checks=(
            value_check("quadrature", 1e-10, "E log q pi / p(z, x) of the toy",
                _parts_of_the_toy, lambda: TOY.expect(lambda x, z: log_ratio(TOY, x, z))),
            value_check("closed form", 1e-12, "joint KLD of two Gaussians in (z, x)",
                _parts_of_gaussians, LINEAR.joint_kl),
            sampling_check(_SAMPLES, "ELBO's loss plus E log pi, linear VAE, {samples:,} samples a datum",
                _parts_of_gaussians, _joint_kl_of_the_engine),
        ),
        mutations={
            "difference": lambda posterior, marginal: posterior - marginal,
            "posterior alone": lambda posterior, marginal: posterior,
            "half": lambda posterior, marginal: posterior + marginal / 2,
        },
        code="vsmnp.objectives.ELBO",
    ),
    Statement(
        id="3",
        section="2",
        title="The Gaussian VAE",
        assumptions="Sigma(x) is diagonal with entries s(x)^2, as in the engine.",
        latex=r"p(z) = N(0, I), \quad p(x|z) = N(x; g(z), \gamma I), \quad q(z|x) = N(z; \mu(x), \Sigma(x))",
        claim=_gaussian_vae,
        checks=(_densities_are_normalised, _densities_of_the_engine),
        mutations={
            "gamma as a standard deviation": lambda z, x, g, gamma, mu, s: _gaussian_vae(
                z, x, g, gamma**2, mu, s
            ),
            "s as a variance": lambda z, x, g, gamma, mu, s: _gaussian_vae(z, x, g, gamma, mu, np.sqrt(s)),
            "q about the origin": lambda z, x, g, gamma, mu, s: _gaussian_vae(z, x, g, gamma, 0 * mu, s),
        },
        code="vsmnp.model.vae.GaussianVAE",
    ),
    Statement(
        id="5",
        section="3",
        title="The Fisher divergence, with the factor 1/2",
        assumptions="pi grad log p vanishes at infinity; grad_x is the gradient.",
        latex=r"D_F[\pi \| p] = \tfrac12 E_\pi |\nabla_x \log\pi - \nabla_x \log p|^2",
        claim=lambda pi, p: (pi - p) ** 2 / 2,
        checks=(
            value_check("quadrature", 1e-9,
                "E[|s|^2 / 2 + div s] + E |grad log pi|^2 / 2 with s the score of p(x)",
                lambda claim: _SMOOTH.data[1] @ claim(*_smooth_scores()).sum(-1), _implicit),
            _rate_of_kl,
            _score_of_the_engine,
        ),
        mutations={
            "no half": lambda pi, p: (pi - p) ** 2,
            "sum of the scores": lambda pi, p: (pi + p) ** 2 / 2,
            "no cross term": lambda pi, p: (pi**2 + p**2) / 2,
        },
        code="vsmnp.metrics.prior.log_prob_and_score",
    ),
)  # fmt: skip
