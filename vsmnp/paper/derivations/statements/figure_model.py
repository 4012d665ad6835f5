"""The example of Section 3.1: its likelihood, and both joint divergences in closed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ....objectives import ELBO
from ....types import Array
from ...reproduce.fig1.linear_gaussian import JointDivergence, JointFisherDivergence, JointKL
from ..checks import both_sides, sampling_check, value_check
from ..examples.linear_joint import LinearModel, engine_estimate, log_ratio, squared_gradient
from ..statement import Form, Statement

_SAMPLES = 1_000_000
#: Values of alpha, gamma, theta, phi and theta_star in the checks.
_CASES = ((0.6, 0.5, 1.2, 0.6, 2.0), (1.7, 0.3, -0.8, 0.4, 0.5), (1.0, 0.9, 0.7, -0.2, 0.0))


def _model(alpha: float, gamma: float, theta: float, phi: float, theta_star: float) -> LinearModel:
    return LinearModel(theta, gamma, phi, alpha / (1 + theta**2 / gamma), theta_star**2 + gamma)


def _divergences(of: Callable[[LinearModel], Any]) -> Callable[[], list[Any]]:
    """Return the function that computes a divergence for the model of every case."""
    return lambda: [of(_model(*case)) for case in _CASES]


def _claimed(claim: Any) -> Array:
    return np.array([claim(*case) for case in _CASES])


def _of_figure_1(divergence: type[JointDivergence]) -> list[Array]:
    """Compute the divergence of every case by the code of Figure 1."""
    return [
        divergence(alpha, gamma).value(theta, phi, theta_star)
        for alpha, gamma, theta, phi, theta_star in _CASES
    ]


# --- the joint Fisher divergence, and the joint KL divergence ---


def _kl_of_the_engine(samples: int) -> tuple[Array, Array]:
    model = _model(*_CASES[0])
    loss, error = model.engine().outcomes(lambda s: ELBO(samples=s), samples, lambda o: o.loss[0])
    return loss + model.expect_pi(model.log_pi), error


def _fisher_terms(
    alpha: float, gamma: float, theta: float, phi: float, theta_star: float
) -> Mapping[str, float]:
    """Compute the four squares of which the divergence consists."""
    precision, square = 1 + theta**2 / gamma, theta_star**2 + gamma
    v = alpha / precision
    return {
        "noise in z": v * (precision - 1 / v) ** 2,
        "data in z": square * (precision * phi - theta / gamma) ** 2,
        "data in x": square * (1 / gamma - 1 / square - theta * phi / gamma) ** 2,
        "noise in x": v * (phi / v - theta / gamma) ** 2,
    }


def _fisher(*case: float) -> float:
    return sum(_fisher_terms(*case).values()) / 2


def _kl(alpha: float, gamma: float, theta: float, phi: float, theta_star: float) -> float:
    precision, square = 1 + theta**2 / gamma, theta_star**2 + gamma
    rho = square / (theta**2 + gamma)
    off = precision * square * (phi - theta / (gamma * precision)) ** 2
    return float((alpha - 1 - np.log(alpha) + off) / 2 + (rho - 1 - np.log(rho)) / 2)


# --- the likelihood: the claim is its mean, given theta, z and x ---


@both_sides("quadrature", 1e-10, "integral over x of N(x; mean, 0.5) for three z")
def _likelihood_is_normalised(claim: Any) -> tuple[Any, Any]:
    theta, gamma = 3.0, 0.5
    x, z = np.linspace(-12, 12, 1201), np.array([[-0.7], [0.4], [1.1]])
    density = np.exp(-((x - claim(theta, z, x)) ** 2) / (2 * gamma)) / np.sqrt(2 * np.pi * gamma)
    mass = density.sum(-1) * (x[1] - x[0])
    return mass, np.ones(3)


@both_sides("quadrature", 1e-10, "posterior variance at x = 0.8, beside the text's v*")
def _variance_of_the_posterior(claim: Any) -> tuple[Any, Any]:
    theta, gamma, x = 2.0, 0.5, 0.8
    z = np.linspace(-9, 9, 1801)
    weights = np.exp(-z * z / 2 - (x - claim(theta, z, x)) ** 2 / (2 * gamma))
    weights = weights / weights.sum()
    variance = weights @ z**2 - (weights @ z) ** 2
    exact = 1 / (1 + theta**2 / gamma)
    return variance, exact


@both_sides("closed form", 1e-12, "decoder mean")
def _mean_of_the_engine(claim: Any) -> tuple[Any, Any]:
    z, x = np.array([[-0.7], [0.4], [1.1]]), 0.8
    return claim(1.4, z, x) + 0 * z, LinearModel(theta=1.4).engine().g(z)


STATEMENTS = (
    Statement(
        id="figure-1-model",
        section="3.1",
        title="The likelihood of the example with a Gaussian prior",
        assumptions="p(z) = N(0, 1); v* = 1 / (1 + theta^2 / gamma) is called the exact posterior variance.",
        latex=r"p(x|z) = N(x; \theta z, \gamma)",
        claim=lambda theta, z, x: theta * z,
        printed=Form(r"p(x|z) = N(\theta x, \gamma)", lambda theta, z, x: theta * x + 0 * z),
        error="theta-x",
        checks=(_likelihood_is_normalised, _variance_of_the_posterior, _mean_of_the_engine),
        mutations={
            "the roles of theta and its inverse": lambda theta, z, x: z / theta,
            "affine in x": lambda theta, z, x: theta * z + x / 2,
        },
        consequence="A misprint: the variance v* that follows, and Figure 1, are those of the mean theta z.",
        code="vsmnp.model.vae.GaussianVAE",
    ),
    Statement(
        id="engine-closed-form-jfd",
        title="The joint Fisher divergence of Figure 1 in closed form",
        assumptions="v = alpha / P, P = 1 + theta^2 / gamma, sigma^2 = theta_*^2 + gamma.",
        latex=r"\tfrac12 [ v (P - \tfrac1v)^2 + \sigma^2 (P\phi - \tfrac\theta\gamma)^2 + "
            r"\sigma^2 (\tfrac1\gamma - \tfrac1{\sigma^2} - \tfrac{\theta\phi}\gamma)^2 "
            r"+ v (\tfrac\phi v - \tfrac\theta\gamma)^2 ]",
        claim=_fisher,
        checks=(
            value_check("closed form", 1e-11, "joint FD by the covariances of (z, x)",
                _claimed, _divergences(LinearModel.joint_fisher)),
            value_check("quadrature", 1e-9, "joint FD by its definition, derivatives by differences",
                _claimed, _divergences(lambda m: m.expect(lambda x, z: squared_gradient(m, x, z) / 2))),
            value_check("closed form", 1e-12, "value of the code of Figure 1",
                _claimed, lambda: _of_figure_1(JointFisherDivergence)),
            sampling_check(_SAMPLES,
                "JointFisher's loss plus C_pi at theta = 1.2, theta_* = 2, {samples:,} samples a datum",
                lambda claim: claim(*_CASES[0]), engine_estimate("loss", _model(*_CASES[0]))),
        ),
        mutations={
            "no half": lambda *case: 2 * _fisher(*case),
            "posterior alone": lambda *case: sum(list(_fisher_terms(*case).values())[:2]) / 2,
            "z held at its mean": lambda *case: _fisher(*case) - _fisher_terms(*case)["noise in x"] / 2,
        },
        code="vsmnp.paper.reproduce.fig1.linear_gaussian.JointFisherDivergence",
    ),
    Statement(
        id="engine-closed-form-jkl",
        title="The joint KL divergence of Figure 1 in closed form",
        assumptions="The same model; rho = sigma^2 / (theta^2 + gamma).",
        latex=r"\tfrac12 [\alpha - 1 - \log\alpha + P\sigma^2 (\phi - \tfrac{\theta}{\gamma P})^2] + "
            r"\tfrac12 [\rho - 1 - \log\rho]",
        claim=_kl,
        checks=(
            value_check("closed form", 1e-11, "joint KLD by the covariances of (z, x)",
                _claimed, _divergences(LinearModel.joint_kl)),
            value_check("quadrature", 1e-11, "E log q pi / p(z, x)",
                _claimed, _divergences(lambda m: m.expect(lambda x, z: log_ratio(m, x, z)))),
            value_check("closed form", 1e-12, "value of the code of Figure 1",
                _claimed, lambda: _of_figure_1(JointKL)),
            sampling_check(_SAMPLES,
                "ELBO's loss plus E log pi at theta = 1.2, theta_* = 2, {samples:,} samples a datum",
                lambda claim: claim(*_CASES[0]), _kl_of_the_engine),
        ),
        mutations={
            "no half": lambda *case: 2 * _kl(*case),
            "alpha inverted": lambda alpha, *case: _kl(1 / alpha, *case),
            "theta and theta_* exchanged": lambda alpha, gamma, theta, phi, theta_star: _kl(
                alpha, gamma, theta_star, phi, theta
            ),
        },
        code="vsmnp.paper.reproduce.fig1.linear_gaussian.JointKL",
    ),
)  # fmt: skip
