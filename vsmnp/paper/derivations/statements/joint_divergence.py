"""Equations (6) to (8): the joint Fisher divergence, its two parts, and bounds that it does not give."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import JointFisherLearning
from ....types import Array
from ..evidence import derivative, gradient, numeric, statistical, symbolic
from ..examples.engine import EngineExample
from ..examples.linear_joint import (
    LINEAR,
    TOY,
    LinearModel,
    Model,
    constant,
    data_difference,
    data_part,
    engine_terms,
    joint_fisher,
    posterior_part,
)
from ..examples.toy import square
from ..statement import Effort, Evidence, Form, Kind, Statement

_SAMPLES = 1_000_000

# --- (6) ---


def _parts_of_the_toy(claim: Any, effort: Effort) -> Evidence:
    claimed = claim(posterior_part(TOY), data_part(TOY))
    return numeric("quadrature", claimed, joint_fisher(TOY), effort.tolerance(1e-9), "joint FD of the toy")


def _parts_of_gaussians(claim: Any, effort: Effort) -> Evidence:
    claimed = claim(posterior_part(LINEAR), data_part(LINEAR))
    detail = "joint FD of two Gaussians in (z, x)"
    return numeric("closed form", claimed, joint_fisher(LINEAR), effort.tolerance(1e-12), detail)


def _parts_by_the_engine(claim: Any, effort: Effort) -> Evidence:
    samples = effort.samples(_SAMPLES)
    loss, error = engine_terms(samples)["loss"]
    claimed = claim(posterior_part(LINEAR), data_part(LINEAR))
    detail = f"JointFisher's loss plus C_pi, linear VAE, {samples:,} samples a datum"
    return statistical(claimed, loss + constant(LINEAR), error, detail)


# --- the exact posterior ---


def _exact_on_the_toy(claim: Any, effort: Effort) -> Evidence:
    def j(x: Array, z: Array) -> Array:
        def log_posterior(shift: Array) -> Array:
            there = x + shift
            log_joint = TOY.log_prior(z) + TOY.log_likelihood(there, z)
            return np.asarray(log_joint - TOY.log_marginal(there[:, 0])[:, None])

        slope = gradient(log_posterior, np.zeros(2))
        return square(TOY.score_pi(x) + slope - TOY.score_p(x, z)) / 2

    x = TOY.data[0][::97]
    claimed = claim(TOY.score_pi(x), TOY.score_marginal(x)).sum(-1)
    truth = TOY.expect_posterior(j, x)
    return numeric("quadrature", claimed, truth, effort.tolerance(1e-9), "J at q = p(z|x), pointwise in x")


def _exact_by_the_engine(claim: Any, effort: Effort) -> Evidence:
    exact = LINEAR.exact()
    m1, error = engine_terms(effort.samples(_SAMPLES), exact)["m1"]
    claimed = exact.expect_pi(lambda x: claim(exact.score_pi(x), exact.score_marginal(x)).sum(-1))
    detail = "JointFisher's terms of (8) plus C_pi at the exact posterior of a linear VAE"
    return statistical(claimed, m1 + constant(exact), error, detail)


# --- no bound: the claim is a model whose joint FD is said to be below its marginal FD ---


def _marginal_fisher(model: LinearModel) -> float:
    return float(model.expect_pi(lambda x: square(model.score_pi(x) - model.score_marginal(x)) / 2))


def _below(kind: Kind, joint: float, model: LinearModel) -> Evidence:
    marginal = _marginal_fisher(model)
    detail = f"joint FD {joint:.6g}, at most half of the marginal FD {marginal:.6g}, at {model}"
    return Evidence(kind, max(0.0, joint / marginal - 0.5), 0.0, detail)


def _below_in_closed_form(claim: LinearModel, effort: Effort) -> Evidence:
    return _below("closed form", claim.joint_fisher(), claim)


def _below_by_quadrature(claim: LinearModel, effort: Effort) -> Evidence:
    return _below("quadrature", posterior_part(claim) + data_part(claim), claim)


# --- (7) ---


def _j_on_the_toy(claim: Any, effort: Effort) -> Evidence:
    """Compare J with the claim at the scores of the marginal and of the posterior, joint over marginal."""
    x = TOY.data[0][::97]

    def rightmost(x: Array, z: Array) -> Array:
        def log_ratio(shift: Array) -> Array:
            there = x + shift
            log_posterior = TOY.log_prior(z) + TOY.log_likelihood(there, z)
            log_posterior = log_posterior - TOY.log_marginal(there[:, 0])[:, None]
            return np.asarray(TOY.log_q(there, z) - log_posterior)

        marginals = TOY.score_pi(x[:, 0]) - TOY.score_marginal(x[:, 0])
        return np.asarray(claim(marginals[:, None], gradient(log_ratio, np.zeros(2))).sum(-1))

    truth = TOY.expect_q(lambda x, z: square(data_difference(TOY, x, z)) / 2, x)
    return numeric(
        "finite differences", TOY.expect_q(rightmost, x), truth, effort.tolerance(1e-9), "J, pointwise in x"
    )


def _j_symbolic(claim: Any, effort: Effort) -> Evidence:
    import sympy

    x, z, theta, phi = sympy.symbols("x z theta phi", real=True)
    gamma, v, variance = sympy.symbols("gamma v sigma2", positive=True)
    precision = 1 + theta**2 / gamma
    pi, p = -(x**2) / (2 * variance), -(x**2) / (2 * (theta**2 + gamma))
    q, likelihood = -((z - phi * x) ** 2) / (2 * v), -((x - theta * z) ** 2) / (2 * gamma)
    posterior = -precision * (z - theta * x / (gamma * precision)) ** 2 / 2
    middle = sympy.diff(pi + q - likelihood, x) ** 2 / 2
    rightmost = claim(sympy.diff(pi - p, x), sympy.diff(q - posterior, x))
    return symbolic(rightmost, middle, "the integrand of J for the linear Gaussian model")


def _j_by_the_engine(claim: Any, effort: Effort) -> Evidence:
    samples = effort.samples(_SAMPLES)
    m1, error = engine_terms(samples)["m1"]

    def rightmost(x: Array, z: Array) -> Array:
        slope = derivative(lambda t: LINEAR.log_q(x + t, z) - LINEAR.log_posterior(x + t, z))
        return np.asarray(claim(LINEAR.score_pi(x) - LINEAR.score_marginal(x), slope[..., None]).sum(-1))

    detail = f"JointFisher's terms of (8) plus C_pi on a linear VAE, {samples:,} samples a datum"
    return statistical(LINEAR.expect(rightmost), m1 + constant(LINEAR), error, detail)


# --- (8) ---


def _m1_of(claim: Any, model: Model) -> float:
    square_p = float(model.expect(lambda x, z: square(model.score_p(x, z))))
    square_q = float(model.expect(lambda x, z: square(model.score_q(x, z))))
    return float(claim(square_p, -model.d_x / model.gamma, square_q))


def _m1_on_the_toy(claim: Any, effort: Effort) -> Evidence:
    truth = joint_fisher(TOY) - posterior_part(TOY) - constant(TOY)
    detail = "E_pi J less half the mean square of grad log pi"
    return numeric("quadrature", _m1_of(claim, TOY), truth, effort.tolerance(1e-9), detail)


def _m1_of_gaussians(claim: Any, effort: Effort) -> Evidence:
    truth = joint_fisher(LINEAR) - posterior_part(LINEAR) - 1 / (2 * LINEAR.variance)
    return numeric("closed form", _m1_of(claim, LINEAR), truth, effort.tolerance(1e-12), "linear VAE")


def _m1_by_the_engine(claim: Any, effort: Effort) -> Evidence:
    example = EngineExample.build(d_z=1, n=1)
    square_p = example.expect(lambda eps, z: square(example.score_p(z)))[0]
    square_q = example.expect(lambda eps, z: square(example.score_q(eps)))[0]
    claimed = claim(square_p, -example.model.d_x / example.gamma, square_q)
    return statistical(claimed, *_engine_m1(effort.samples(_SAMPLES)), "JointFisher's terms, nonlinear VAE")


@cache
def _engine_m1(samples: int) -> tuple[Array, Array]:
    return EngineExample.build(d_z=1, n=1).outcomes(
        lambda s: JointFisherLearning(samples=s),
        samples,
        lambda o: o.loss[0] - o.terms["posterior_fisher"][0],
    )


STATEMENTS = (
    Statement(
        id="6",
        section="3.1",
        title="The joint Fisher divergence as posterior divergence and J",
        assumptions="All densities are positive and differentiable; both expectations are finite.",
        form=Form(
            r"D_F[q(z|x)\pi(x) \| p(z,x)] = E_\pi\{ D_F[q(z|x) \| p(z|x)] + J^\pi(x) \}",
            lambda posterior, j: posterior + j,
        ),
        checks=(_parts_of_the_toy, _parts_of_gaussians, _parts_by_the_engine),
        mutations={
            "no J": lambda posterior, j: posterior,
            "J twice, as without its half": lambda posterior, j: posterior + 2 * j,
            "difference": lambda posterior, j: j - posterior,
        },
        code="vsmnp.objectives.JointFisher",
    ),
    Statement(
        id="6-exact-posterior",
        section="3.1",
        title="J at the exact posterior is the marginal Fisher divergence",
        assumptions="q(z|x) = p(z|x) for all x and z; stated in the text under (7), and true pointwise in x.",
        form=Form(
            r"q(z|x) = p(z|x) \Rightarrow E_\pi J^\pi = D_F[\pi(x) \| p(x)]",
            lambda score_pi, score_p: (score_pi - score_p) ** 2 / 2,
        ),
        checks=(_exact_on_the_toy, _exact_by_the_engine),
        mutations={
            "no half": lambda score_pi, score_p: (score_pi - score_p) ** 2,
            "sum of the scores": lambda score_pi, score_p: (score_pi + score_p) ** 2 / 2,
        },
        code="vsmnp.objectives.JointFisher",
    ),
    Statement(
        id="6-no-bound",
        section="3.1",
        title="The joint Fisher divergence does not bound the marginal one",
        assumptions=(
            "The claim is one linear Gaussian model, with a posterior that is not exact, whose joint "
            "divergence is less than half of the marginal one."
        ),
        form=Form(
            r"D_F[q\pi \| p(z,x)] < \tfrac12 D_F[\pi \| p(x)] \text{ at } \theta = 0.5, \gamma = 0.05, "
            r"\phi = 1.9, v = 0.18, \sigma^2 = 2",
            LinearModel(theta=0.5, gamma=0.05, phi=1.9, v=0.18, variance=2.0),
        ),
        checks=(_below_in_closed_form, _below_by_quadrature),
        mutations={
            "its exact posterior": LinearModel(theta=0.5, gamma=0.05, variance=2.0).exact(),
            "the model of Figure 1": LinearModel(theta=1.2, gamma=0.5, phi=0.63, v=0.155, variance=4.5),
        },
    ),
    Statement(
        id="7",
        section="3.1",
        title="Two ways to write J",
        assumptions="Bayes' rule: p(z) p(x|z) = p(z|x) p(x).",
        form=Form(
            r"J^\pi = \tfrac12 E_q |\nabla_x \log\pi + s^q - s^p|^2 = \tfrac12 E_q \left| "
            r"\nabla_x \log \tfrac{\pi(x)}{p(x)} + \nabla_x \log \tfrac{q(z|x)}{p(z|x)} \right|^2",
            lambda marginals, conditionals: (marginals + conditionals) ** 2 / 2,
        ),
        checks=(_j_on_the_toy, _j_symbolic, _j_by_the_engine),
        mutations={
            "sign": lambda marginals, conditionals: (marginals - conditionals) ** 2 / 2,
            "no half": lambda marginals, conditionals: (marginals + conditionals) ** 2,
            "no cross term": lambda marginals, conditionals: (marginals**2 + conditionals**2) / 2,
        },
        code="vsmnp.objectives.JointFisher",
    ),
    Statement(
        id="8",
        section="3.1",
        title="J without the score of the data",
        assumptions="pi E_q s^p vanishes at infinity; C_pi is the constant of (17), corrected.",
        form=Form(
            r"E_\pi J^\pi - C_\pi = E_\pi M_1, \quad M_1 = E_q[\tfrac12 |s^p|^2 + \nabla_x \cdot s^p] "
            r"+ \tfrac12 E_q |s^q|^2",
            lambda square_p, divergence, square_q: square_p / 2 + divergence + square_q / 2,
        ),
        checks=(_m1_on_the_toy, _m1_of_gaussians, _m1_by_the_engine),
        mutations={
            "no half": lambda square_p, divergence, square_q: square_p + divergence + square_q / 2,
            "sign of the divergence": lambda square_p, divergence, square_q: (
                square_p / 2 - divergence + square_q / 2
            ),
            "without the score of q": lambda square_p, divergence, square_q: square_p / 2 + divergence,
        },
        code="vsmnp.objectives.JointFisher",
    ),
)  # fmt: skip
