"""Equations (6) to (8): the joint Fisher divergence, its two parts, and bounds that it does not give."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....objectives import JointFisherLearning
from ....types import Array
from ..checks import both_sides, sampling_check, symbolic_sides, value_check
from ..evidence import derivative, gradient_in
from ..examples import linear_joint as joint
from ..examples.engine import EngineExample
from ..examples.linear_joint import LINEAR, TOY, LinearModel, Model
from ..examples.toy import square
from ..statement import Check, Effort, Evidence, Kind, Statement

_SAMPLES = 1_000_000

# --- the exact posterior ---


def _log_posterior(x: Array, z: Array) -> Array:
    """Compute ``log p(z|x)`` of the toy from the joint and the marginal, ``x (K, 1, 2)``."""
    log_joint = TOY.log_prior(z) + TOY.log_likelihood(x, z)
    return np.asarray(log_joint - TOY.log_marginal(x[:, 0])[:, None])


def _j_at_exact_posterior() -> Array:
    def j(x: Array, z: Array) -> Array:
        slope = gradient_in(lambda x: _log_posterior(x, z), x)
        return square(TOY.score_pi(x) + slope - TOY.score_p(x, z)) / 2

    return TOY.expect_posterior(j, TOY.few)


# --- no bound: the claim is a model whose joint FD is said to be below its marginal FD ---


def _below(kind: Kind, joint_fisher: Any) -> Check:
    """Make a check that the joint divergence of the claimed model is at most half of the marginal one."""

    def check(model: LinearModel, effort: Effort) -> Evidence:
        score_difference = model.expect_pi(lambda x: square(model.score_pi(x) - model.score_marginal(x)) / 2)
        joint_fd, marginal = joint_fisher(model), float(score_difference)
        detail = f"joint FD {joint_fd:.6g}, at most half of the marginal FD {marginal:.6g}, at {model}"
        return Evidence(kind, max(0.0, joint_fd / marginal - 0.5), 0.0, detail)

    return check


# --- (7) ---


@both_sides("finite differences", 1e-9, "J, pointwise in x")
def _j_on_the_toy(claim: Any) -> tuple[Array, Array]:
    """Compare J with the claim at the scores of the marginal and of the posterior, joint over marginal."""

    def rightmost(x: Array, z: Array) -> Array:
        marginals = TOY.score_pi(x) - TOY.score_marginal(x[:, 0])[:, None]
        conditionals = gradient_in(lambda x: TOY.log_q(x, z) - _log_posterior(x, z), x)
        return np.asarray(claim(marginals, conditionals).sum(-1))

    truth = TOY.expect_q(lambda x, z: square(joint.data_difference(TOY, x, z)) / 2, TOY.few)
    return TOY.expect_q(rightmost, TOY.few), truth


@symbolic_sides("the integrand of J for the linear Gaussian model")
def _j_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    x, z, theta, phi = sympy.symbols("x z theta phi", real=True)
    gamma, v, variance = sympy.symbols("gamma v sigma2", positive=True)
    precision = 1 + theta**2 / gamma
    pi, p = -(x**2) / (2 * variance), -(x**2) / (2 * (theta**2 + gamma))
    q, likelihood = -((z - phi * x) ** 2) / (2 * v), -((x - theta * z) ** 2) / (2 * gamma)
    posterior = -precision * (z - theta * x / (gamma * precision)) ** 2 / 2
    middle = sympy.diff(pi + q - likelihood, x) ** 2 / 2
    rightmost = claim(sympy.diff(pi - p, x), sympy.diff(q - posterior, x))
    return rightmost, middle


def _rightmost_of_linear(claim: Any) -> Array:
    def rightmost(x: Array, z: Array) -> Array:
        slope = derivative(lambda t: LINEAR.log_q(x + t, z) - LINEAR.log_posterior(x + t, z))
        return np.asarray(claim(LINEAR.score_pi(x) - LINEAR.score_marginal(x), slope[..., None]).sum(-1))

    return LINEAR.expect(rightmost)


# --- (8) ---


def _m1_of(claim: Any, model: Model) -> float:
    square_p = float(model.expect(lambda x, z: square(model.score_p(x, z))))
    square_q = float(model.expect(lambda x, z: square(model.score_q(x, z))))
    return float(claim(square_p, -model.d_x / model.gamma, square_q))


def _m1_of_networks(claim: Any) -> Any:
    example = EngineExample.build(d_z=1, n=1)
    square_p = example.expect(lambda eps, z: square(example.score_p(z)))[0]
    square_q = example.expect(lambda eps, z: square(example.score_q(eps)))[0]
    return claim(square_p, -example.model.d_x / example.gamma, square_q)


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
        latex=r"D_F[q(z|x)\pi(x) \| p(z,x)] = E_\pi\{ D_F[q(z|x) \| p(z|x)] + J^\pi(x) \}",
        claim=lambda posterior, j: posterior + j,
        checks=(
            value_check("quadrature", 1e-9, "joint FD of the toy",
                lambda claim: claim(joint.posterior_part(TOY), joint.data_part(TOY)),
                lambda: joint.joint_fisher(TOY)),
            value_check("closed form", 1e-12, "joint FD of two Gaussians in (z, x)",
                lambda claim: claim(joint.posterior_part(LINEAR), joint.data_part(LINEAR)),
                lambda: joint.joint_fisher(LINEAR)),
            sampling_check(_SAMPLES,
                "JointFisher's loss plus C_pi, linear VAE, {samples:,} samples a datum",
                lambda claim: claim(joint.posterior_part(LINEAR), joint.data_part(LINEAR)),
                joint.engine_estimate("loss")),
        ),
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
        latex=r"q(z|x) = p(z|x) \Rightarrow E_\pi J^\pi = D_F[\pi(x) \| p(x)]",
        claim=lambda score_pi, score_p: (score_pi - score_p) ** 2 / 2,
        checks=(
            value_check("quadrature", 1e-9, "J at q = p(z|x), pointwise in x",
                lambda claim: claim(TOY.score_pi(TOY.few), TOY.score_marginal(TOY.few)).sum(-1),
                _j_at_exact_posterior),
            sampling_check(_SAMPLES,
                "JointFisher's terms of (8) plus C_pi at the exact posterior of a linear VAE",
                lambda claim: LINEAR.exact().expect_pi(
                    lambda x: claim(LINEAR.score_pi(x), LINEAR.score_marginal(x)).sum(-1)),
                joint.engine_estimate("m1", LINEAR.exact())),
        ),
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
        assumptions="The claim is one linear Gaussian model, with a posterior that is not exact, whose joint "
            "divergence is less than half of the marginal one.",
        latex=r"D_F[q\pi \| p(z,x)] < \tfrac12 D_F[\pi \| p(x)] \text{ at } \theta = 0.5, \gamma = 0.05, "
            r"\phi = 1.9, v = 0.18, \sigma^2 = 2",
        claim=LinearModel(theta=0.5, gamma=0.05, phi=1.9, v=0.18, variance=2.0),
        checks=(
            _below("closed form", LinearModel.joint_fisher),
            _below("quadrature", lambda model: joint.posterior_part(model) + joint.data_part(model)),
        ),
        mutations={
            "its exact posterior": LinearModel(theta=0.5, gamma=0.05, variance=2.0).exact(),
            "the model of Figure 1": LinearModel(theta=1.2, gamma=0.5, phi=0.63, v=0.155, variance=4.5),
        },
        without_code="The marginal divergence needs the score of pi, and the engine has samples of pi only.",
    ),
    Statement(
        id="7",
        section="3.1",
        title="Two ways to write J",
        assumptions="Bayes' rule: p(z) p(x|z) = p(z|x) p(x).",
        latex=r"J^\pi = \tfrac12 E_q |\nabla_x \log\pi + s^q - s^p|^2 = \tfrac12 E_q \left| "
            r"\nabla_x \log \tfrac{\pi(x)}{p(x)} + \nabla_x \log \tfrac{q(z|x)}{p(z|x)} \right|^2",
        claim=lambda marginals, conditionals: (marginals + conditionals) ** 2 / 2,
        checks=(
            _j_on_the_toy,
            _j_symbolic,
            sampling_check(_SAMPLES,
                "JointFisher's terms of (8) plus C_pi on a linear VAE, {samples:,} samples a datum",
                _rightmost_of_linear, joint.engine_estimate("m1")),
        ),
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
        latex=r"E_\pi J^\pi - C_\pi = E_\pi M_1, \quad M_1 = E_q[\tfrac12 |s^p|^2 + \nabla_x \cdot s^p] "
            r"+ \tfrac12 E_q |s^q|^2",
        claim=lambda square_p, divergence, square_q: square_p / 2 + divergence + square_q / 2,
        checks=(
            value_check("quadrature", 1e-9, "E_pi J less half the mean square of grad log pi",
                lambda claim: _m1_of(claim, TOY),
                lambda: joint.joint_fisher(TOY) - joint.posterior_part(TOY) - joint.constant(TOY)),
            value_check("closed form", 1e-12, "linear VAE",
                lambda claim: _m1_of(claim, LINEAR),
                lambda: joint.joint_fisher(LINEAR) - joint.posterior_part(LINEAR)
                - 1 / (2 * LINEAR.variance)),
            sampling_check(_SAMPLES, "JointFisher's terms, nonlinear VAE", _m1_of_networks, _engine_m1),
        ),
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
