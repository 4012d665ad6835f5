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
from ..evidence import gradient, numeric, statistical, symbolic
from ..examples.engine import EngineExample
from ..examples.linear_joint import LINEAR, TOY, log_ratio
from ..examples.toy import Toy, square
from ..quadrature import normal_log_density
from ..statement import Effort, Evidence, Form, Statement

_SAMPLES = 1_000_000

# --- (1) ---


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


def _elbo_of_the_toy(claim: Any, effort: Effort) -> Evidence:
    """Compare with ``log p(x)`` by quadrature over the prior, less the divergence from the posterior."""
    x = TOY.data[0][::97]
    fit = TOY.expect_q(TOY.log_likelihood, x)
    claimed = claim(fit, kl_to_normal(TOY.mu(x)[:, None], TOY.s(x)[:, None]))
    truth = TOY.log_marginal(x) - _gap_to_the_posterior()[::97]
    detail = "log p(x) - D_KL[q || p(z|x)], pointwise in x"
    return numeric("quadrature", claimed, truth, effort.tolerance(1e-10), detail)


def _elbo_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare the engine's ELBO with the claim at both terms, by quadrature of densities written out here."""
    samples = effort.samples(_SAMPLES)
    example = EngineExample.build(d_z=1, n=1)
    d_x, gamma, s = example.model.d_x, example.gamma, example.q()[1]
    constant = d_x * (LOG_2PI + np.log(gamma)) / 2
    fit = example.expect(lambda eps, z: -square(_error(example, z)) / (2 * gamma)) - constant
    kl = example.expect(lambda eps, z: (square(z) - square(eps)) / 2) - np.log(s).sum(-1)
    mean, error = _engine_elbo(samples)
    detail = f"minus the loss of ELBO, nonlinear VAE, {samples:,} samples"
    return statistical(claim(fit, kl).mean(), -mean, error, detail)


def _error(example: EngineExample, z: Array) -> Array:
    """Compute the residual ``g(z) - x``."""
    return np.asarray(example.g(z) - example.data)


@cache
def _engine_elbo(samples: int) -> tuple[Array, Array]:
    example = EngineExample.build(d_z=1, n=1)
    return example.outcomes(lambda s: ELBO(samples=s), samples, lambda o: o.loss[0])


# --- (2) ---


def _joint_kl_of_the_toy(claim: Any, effort: Effort) -> Evidence:
    posterior = TOY.expect_pi(lambda x: _gap_to_the_posterior())
    detail = "E log q pi / p(z, x) of the toy"
    return numeric(
        "quadrature", claim(posterior, _marginal_kl()), _joint_kl(), effort.tolerance(1e-10), detail
    )


@cache
def _marginal_kl() -> float:
    return float(TOY.expect_pi(lambda x: TOY.log_pi(x) - TOY.log_marginal(x)))


@cache
def _joint_kl() -> float:
    return float(TOY.expect(lambda x, z: log_ratio(TOY, x, z)))


def _linear_parts() -> tuple[float, float]:
    posterior = LINEAR.expect(lambda x, z: LINEAR.log_q(x, z) - LINEAR.log_posterior(x, z))
    marginal = LINEAR.expect_pi(lambda x: LINEAR.log_pi(x) - LINEAR.log_marginal(x))
    return float(posterior), float(marginal)


def _joint_kl_of_gaussians(claim: Any, effort: Effort) -> Evidence:
    detail = "joint KLD of two Gaussians in (z, x)"
    return numeric("closed form", claim(*_linear_parts()), LINEAR.joint_kl(), effort.tolerance(1e-12), detail)


def _joint_kl_by_the_engine(claim: Any, effort: Effort) -> Evidence:
    samples = effort.samples(_SAMPLES)
    loss, error = _linear_elbo(samples)
    truth = loss + LINEAR.expect_pi(LINEAR.log_pi)
    detail = f"ELBO's loss plus E log pi, linear VAE, {samples:,} samples a datum"
    return statistical(claim(*_linear_parts()), truth, error, detail)


@cache
def _linear_elbo(samples: int) -> tuple[Array, Array]:
    return LINEAR.engine().outcomes(lambda s: ELBO(samples=s), samples, lambda o: o.loss[0])


# --- (3): the claim gives log p(z), log p(x|z) and log q(z|x) ---


def _densities_are_normalised(claim: Any, effort: Effort) -> Evidence:
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
    detail = "mass, mean and variances of p(z), p(x|z) and q(z|x)"
    return numeric(
        "quadrature", np.concatenate(claimed), np.concatenate(truth), effort.tolerance(1e-10), detail
    )


def _densities_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    example = EngineExample.build()
    mu, s = example.q()
    z = mu + 0.7 * s
    g, x = example.g(z), example.data
    log_sd = float(example.model.log_sd(example.theta)[0])
    log_x = log_likelihood(square(x - g), np.asarray(log_sd), example.model.d_x)
    truth = [log_normal(z), log_x, example.model.posterior.log_prob(Moments(mu, s), z)]
    claimed = claim(z, x, g, example.gamma, mu, s)
    detail = "log_normal, log_likelihood and DiagonalGaussian.log_prob"
    return numeric("closed form", claimed, truth, effort.tolerance(1e-12), detail)


def _gaussian_vae(z: Array, x: Array, g: Array, gamma: float, mu: Array, s: Array) -> tuple[Array, ...]:
    densities = (z, 0.0, 1.0), (x, g, gamma), (z, mu, s**2)
    return tuple(np.asarray(normal_log_density(*each).sum(-1)) for each in densities)


# --- (5): the claim is an integrand of both scores ---


_MILD = Toy(gamma=0.8, x_nodes=28, prior_nodes=100)  # the rules compute the score of its p(x) to 13 digits


@cache
def _mild_scores() -> tuple[Array, Array]:
    """Compute the scores of pi and of p(x) at the nodes."""
    x, _ = _MILD.data
    return _MILD.score_pi(x), _MILD.score_marginal(x)


@cache
def _implicit() -> float:
    """Compute ``E[|s|^2 / 2 + div s]`` with s the score of p(x)."""
    x, w = _MILD.data
    hessian = gradient(lambda shift: _MILD.score_marginal(x + shift), np.zeros(2))
    score = _mild_scores()[1]
    return float(w @ (square(score) / 2 + np.trace(hessian, axis1=-2, axis2=-1)))


def _hyvarinen_on_the_toy(claim: Any, effort: Effort) -> Evidence:
    """Compare with implicit score matching plus half the mean square of the score of pi."""
    w, (pi, p) = _MILD.data[1], _mild_scores()
    truth = _implicit() + w @ square(pi) / 2
    detail = "E[|s|^2 / 2 + div s] + E |grad log pi|^2 / 2 with s the score of p(x)"
    return numeric("quadrature", w @ claim(pi, p).sum(-1), truth, effort.tolerance(1e-9), detail)


def _rate_of_kl(claim: Any, effort: Effort) -> Evidence:
    """Compare with the rate at which D_KL[pi || p] falls under noise of variance t (Lyu, UAI 2009)."""
    import sympy

    a, b, x = sympy.symbols("a b x", positive=True)
    t = sympy.symbols("t", nonnegative=True)
    ratio = (a + t) / (b + t)
    kl = (ratio - 1 - sympy.log(ratio)) / 2
    integrand = sympy.expand(claim(-x / a, -x / b))
    mean = integrand.coeff(x, 2) * a
    detail = "minus d/dt D_KL[N(0, a + t) || N(0, b + t)] at t = 0"
    return symbolic(mean, -sympy.diff(kl, t).subs(t, 0), detail)


def _score_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare by the engine's score of p(x) from draws of the prior; ten estimates give the error."""
    draws = effort.samples(20_000)
    x, score = _engine_score(draws)
    found = claim(LINEAR.score_pi(x), score).sum(-1).mean(-1)
    difference = 1 / LINEAR.variance - 1 / LINEAR.marginal_variance
    exact = difference**2 * LINEAR.variance / 2
    error = found.std(ddof=1) / np.sqrt(len(found))
    detail = f"D_F of two Gaussians from log_prob_and_score, ten times {draws:,} draws"
    return statistical(found.mean(), exact, error, detail)


@cache
def _engine_score(draws: int) -> tuple[Array, Array]:
    """Return two data that integrate quadratics, and ten estimates of the score there, ``(10, 2, 1)``."""
    example = LINEAR.engine()
    x = example.data
    scores = [
        log_prob_and_score(
            Subject(example.k, example.model, example.phi, example.theta, x, Key((seed,))), draws
        )[1][0]
        for seed in range(10)
    ]
    return x, np.stack(scores)


STATEMENTS = (
    Statement(
        id="1",
        section="2",
        title="The evidence lower bound",
        assumptions="q is absolutely continuous with respect to the prior.",
        form=Form(
            r"F(x) = E_q[\log p(x|z)] - D_{KL}[q(z|x) \| p(z)] = \log p(x) - D_{KL}[q(z|x) \| p(z|x)]",
            lambda fit, kl: fit - kl,
        ),
        checks=(_elbo_of_the_toy, _elbo_of_the_engine),
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
        form=Form(
            r"D_{KL}[q(z|x)\pi(x) \| p(z,x)] = E_\pi D_{KL}[q(z|x) \| p(z|x)] + D_{KL}[\pi(x) \| p(x)]",
            lambda posterior, marginal: posterior + marginal,
        ),
        checks=(_joint_kl_of_the_toy, _joint_kl_of_gaussians, _joint_kl_by_the_engine),
        mutations={
            "difference": lambda posterior, marginal: posterior - marginal,
            "posterior alone": lambda posterior, marginal: posterior,
            "half": lambda posterior, marginal: posterior + marginal / 2,
        },
        code="vsmnp.objectives.KL",
    ),
    Statement(
        id="3",
        section="2",
        title="The Gaussian VAE",
        assumptions="Sigma(x) is diagonal with entries s(x)^2, as in the engine.",
        form=Form(
            r"p(z) = N(0, I), \quad p(x|z) = N(x; g(z), \gamma I), \quad q(z|x) = N(z; \mu(x), \Sigma(x))",
            _gaussian_vae,
        ),
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
        title="The Fisher divergence, with its half",
        assumptions="pi grad log p vanishes at infinity; grad_x is the gradient.",
        form=Form(
            r"D_F[\pi \| p] = \tfrac12 E_\pi |\nabla_x \log\pi - \nabla_x \log p|^2",
            lambda pi, p: (pi - p) ** 2 / 2,
        ),
        checks=(_hyvarinen_on_the_toy, _rate_of_kl, _score_of_the_engine),
        mutations={
            "no half": lambda pi, p: (pi - p) ** 2,
            "sum of the scores": lambda pi, p: (pi + p) ** 2 / 2,
            "no cross term": lambda pi, p: (pi**2 + p**2) / 2,
        },
        code="vsmnp.metrics.prior.log_prob_and_score",
    ),
)  # fmt: skip
