"""Appendix A.1: the steps up to (6), the definition of J, and the constant (17)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....model.likelihood import log_likelihood, log_normal
from ....model.posterior import Moments
from ....types import Array
from ..checks import both_sides, sampling_check, symbolic_sides, value_check
from ..examples import linear_joint as joint
from ..examples.linear_joint import LINEAR, TOY, Model
from ..examples.toy import square
from ..statement import Form, Statement

_SAMPLES = 1_000_000

# --- the second line: the gradients in z and x separate ---


@both_sides("finite differences", 1e-9, "|grad|^2 / 2, pointwise")
def _apart_on_the_toy(claim: Any) -> tuple[Array, Array]:
    """Compare with the gradient in (z, x) along axes that are rotated against z and x."""
    x, z = TOY.few[:, None, :], np.array([-0.8, 0.1, 0.9])
    claimed = claim(joint.latent_difference(TOY, x, z), joint.data_difference(TOY, x, z))
    return claimed, joint.squared_gradient(TOY, x, z) / 2


def _apart_for_gaussians(claim: Any) -> Array:
    return LINEAR.expect(
        lambda x, z: claim(joint.latent_difference(LINEAR, x, z), joint.data_difference(LINEAR, x, z))
    )


# --- the third line: Bayes' rule ---


@symbolic_sides("log p(z) p(x|z) of the linear Gaussian model")
def _bayes_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    x, z, theta = sympy.symbols("x z theta", real=True)
    gamma = sympy.symbols("gamma", positive=True)

    def log_density(e: Any, variance: Any) -> Any:
        return -(e**2) / (2 * variance) - sympy.log(2 * sympy.pi) / 2 - sympy.log(variance) / 2

    precision = (gamma + theta**2) / gamma
    posterior = log_density(z - theta * x / (gamma + theta**2), 1 / precision)
    log_joint = log_density(z, sympy.Integer(1)) + log_density(x - theta * z, gamma)
    return sympy.expand_log(claim(posterior, log_density(x, gamma + theta**2)), force=True), log_joint


@both_sides("closed form", 1e-12, "log p(z) p(x|z), linear VAE")
def _bayes_by_the_engine(claim: Any) -> tuple[Array, Array]:
    """Compare the engine's densities of q at the exact posterior, times the marginal, with the joint."""
    exact, z = LINEAR.exact(), np.linspace(-2, 2, 5)[:, None]
    example, x = exact.engine(), np.array([[0.7]])
    (mu, s), log_sd = example.q(x), np.log(exact.gamma) / 2
    log_joint = log_normal(z) + log_likelihood(square(x - example.g(z)), log_sd, 1)
    log_posterior = example.model.posterior.log_prob(Moments(mu, s), z)
    return claim(log_posterior, exact.log_marginal(x)), log_joint


# --- the last display: the claim is a function of two mean squares ---


def _display(claim: Any, model: Model) -> Any:
    return claim(2 * joint.posterior_part(model), 2 * joint.data_part(model))


# --- J: the claim is a function of E_q|..|^2 for each x, and the mean over the data ---


def _mean_j(claim: Any, model: Model) -> Any:
    x, w = model.data
    squares = model.expect_q(lambda x, z: square(joint.data_difference(model, x, z)), x)
    return claim(squares, lambda values: w @ values)


# --- (17): the claim is a function of grad log pi for each x, and the mean over the data ---


def _mean_constant(claim: Any, model: Model) -> Any:
    x, w = model.data
    return claim(model.score_pi(x), lambda values: w @ values)


def _constant_of_the_toy() -> Array:
    """Compute ``E_pi J`` less ``E_pi M1``."""
    m1 = TOY.expect(lambda x, z: square(TOY.score_p(x, z)) / 2 + square(TOY.score_q(x, z)) / 2)
    return joint.joint_fisher(TOY) - joint.posterior_part(TOY) - (m1 - TOY.d_x / TOY.gamma)


def _constant_by_the_engine(samples: int) -> tuple[float, float]:
    loss, error = joint.engine_terms(samples)["loss"]
    return joint.joint_fisher(LINEAR) - loss, error


STATEMENTS = (
    Statement(
        id="A.1-separation",
        section="A.1",
        title="Second line: the squared norm separates",
        assumptions="The joint densities are positive and differentiable.",
        latex=r"\tfrac12 |\nabla_{z,x} \log r|^2 = \tfrac12 (|\nabla_z \log r|^2 + "
            r"|\nabla_x \log r|^2), \quad "
            r"r = \frac{q(z|x) \pi(x)}{p(z) p(x|z)}",
        claim=lambda in_z, in_x: (square(in_z) + square(in_x)) / 2,
        checks=(
            _apart_on_the_toy,
            value_check("closed form", 1e-12, "joint FD of two Gaussians in (z, x)",
                _apart_for_gaussians, lambda: joint.joint_fisher(LINEAR)),
        ),
        mutations={
            "square of the sum": lambda in_z, in_x: (in_z + in_x).sum(-1) ** 2 / 2,
            "half of one": lambda in_z, in_x: square(in_z) / 2 + square(in_x),
        },
        without_code="The ratio r contains the density pi of the data, of which the engine has samples only.",
    ),
    Statement(
        id="A.1-bayes",
        section="A.1",
        title="Third line: Bayes' rule in the denominator",
        assumptions="p(z|x) and p(x) belong to the joint p(z) p(x|z).",
        latex=r"\log p(z) p(x|z) = \log p(z|x) + \log p(x)",
        claim=lambda posterior, marginal: posterior + marginal,
        checks=(_bayes_symbolic, _bayes_by_the_engine),
        mutations={
            "quotient": lambda posterior, marginal: posterior - marginal,
            "marginal left out": lambda posterior, marginal: posterior,
        },
        code="vsmnp.model.likelihood.log_likelihood",
    ),
    Statement(
        id="A.1-last-display",
        section="A.1",
        title="Last line of the first display",
        assumptions="grad_z log p(x) = grad_z log pi(x) = 0.",
        latex=r"D_F = \tfrac12 E_{q\pi} |\nabla_z \log\tfrac{q}{p(z|x)}|^2 + \tfrac12 E_{q\pi} "
            r"|\nabla_x \log\tfrac{\pi}{p(x)} + \nabla_x \log\tfrac{q}{p(z|x)}|^2",
        claim=lambda in_z, in_x: in_z / 2 + in_x / 2,
        printed=Form(
            r"D_F = \tfrac12 E_{q\pi} |\nabla_z \log\tfrac{q}{p(z|x)}|^2 + E_{q\pi} "
            r"|\nabla_x \log\tfrac{\pi}{p(x)} + \nabla_x \log\tfrac{q}{p(z|x)}|^2",
            lambda in_z, in_x: in_z / 2 + in_x,
        ),
        error="half-in-a-display",
        checks=(
            value_check("quadrature", 1e-9, "joint FD of the toy",
                lambda claim: _display(claim, TOY), lambda: joint.joint_fisher(TOY)),
            value_check("closed form", 1e-12, "joint FD of two Gaussians in (z, x)",
                lambda claim: _display(claim, LINEAR), lambda: joint.joint_fisher(LINEAR)),
            sampling_check(_SAMPLES,
                "JointFisher's loss plus C_pi, linear VAE, {samples:,} samples a datum",
                lambda claim: _display(claim, LINEAR), joint.engine_estimate("loss")),
        ),
        mutations={
            "neither half": lambda in_z, in_x: in_z + in_x,
            "sign": lambda in_z, in_x: in_z / 2 - in_x / 2,
        },
        consequence="The second summand would count twice against the first, and the display would "
            "contradict its own third line and (6), which it is said to be. (6) is right; only the display "
            "is not.",
        code="vsmnp.objectives.JointFisher",
    ),
    Statement(
        id="A.1-J",
        section="A.1",
        title="J in the appendix, and what is averaged over the data",
        assumptions="J is the second summand of (6).",
        latex=r"J^\pi(x) = \tfrac12 E_q |s^p - s^q - \nabla_x \log\pi|^2, \quad "
            r"\text{and } E_\pi[J^\pi] \text{ is the second term of the joint FD}",
        claim=lambda squares, mean: mean(squares / 2),
        printed=Form(
            r"J^\pi(x) = E_q |s^p - s^q - \nabla_x \log\pi|^2, \quad "
            r"\text{and } E_\pi[|J^\pi|^2] \text{ is the second term of the joint FD}",
            lambda squares, mean: mean(squares**2),
        ),
        error="definition-of-j",
        checks=(
            value_check("quadrature", 1e-9, "joint FD less the posterior's",
                lambda claim: _mean_j(claim, TOY),
                lambda: joint.joint_fisher(TOY) - joint.posterior_part(TOY)),
            sampling_check(_SAMPLES,
                "JointFisher's terms of (8) plus C_pi, linear VAE, {samples:,} samples a datum",
                lambda claim: _mean_j(claim, LINEAR), joint.engine_estimate("m1")),
        ),
        mutations={
            "half missing, as in the definition printed": lambda squares, mean: mean(squares),
            "J squared, as before the last display": lambda squares, mean: mean((squares / 2) ** 2),
        },
        consequence="The definition contradicts (7), and J is a number, not a vector: what is averaged is J "
            "itself. The displays that follow have the half and no second square, so that M1 is not "
            "affected.",
        code="vsmnp.objectives.JointFisher",
    ),
    Statement(
        id="17",
        section="A.1",
        title="The constant that depends on the data alone",
        assumptions="pi has a finite Fisher information, and vanishes at infinity.",
        latex=r"C_\pi = \tfrac12 E_\pi |\nabla_x \log\pi|^2",
        claim=lambda score, mean: mean(square(score)) / 2,
        printed=Form(
            r"C_\pi = \tfrac12 | E_\pi \nabla_x \log\pi |^2",
            lambda score, mean: square(mean(score)) / 2,
        ),
        error="norm-of-the-mean",
        checks=(
            value_check("quadrature", 1e-9, "E_pi J less E_pi M1",
                lambda claim: _mean_constant(claim, TOY), _constant_of_the_toy),
            sampling_check(_SAMPLES,
                "joint FD of two Gaussians less JointFisher's loss, linear VAE, {samples:,} samples a datum",
                lambda claim: _mean_constant(claim, LINEAR), _constant_by_the_engine),
        ),
        mutations={
            "no half": lambda score, mean: mean(square(score)),
            "sign": lambda score, mean: -mean(square(score)) / 2,
        },
        consequence="As printed the constant is zero for every pi, because a score has mean zero; the mean "
            "of M1, which is negative for good models, would then equal the mean of J, which cannot be. The "
            "constant depends on pi alone, so that nothing that is optimised changes.",
        without_code="The constant needs the score of pi, and the engine has samples of pi only: JointFisher "
            "leaves it out.",
    ),
)  # fmt: skip
