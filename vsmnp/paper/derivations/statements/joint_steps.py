"""Appendix A.1: the steps up to (6), the definition of J, and the constant (17)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....model.likelihood import log_likelihood, log_normal
from ....model.posterior import Moments
from ..evidence import derivative, numeric, statistical, symbolic
from ..examples.linear_joint import (
    LINEAR,
    TOY,
    Model,
    constant,
    data_difference,
    data_part,
    engine_terms,
    joint_fisher,
    latent_difference,
    log_ratio,
    posterior_part,
)
from ..examples.toy import square
from ..statement import Effort, Evidence, Form, Statement

_SAMPLES = 1_000_000

# --- the second line: the gradients in z and x separate ---


def _apart_on_the_toy(claim: Any, effort: Effort) -> Evidence:
    """Compare with the gradient in (z, x) along axes that are rotated against z and x."""
    x, z = TOY.data[0][::97][:, None, :], np.array([-0.8, 0.1, 0.9])
    axes, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))
    slopes = [
        derivative(lambda t, a=axis: log_ratio(TOY, x + t * a[1:], z + t * a[0]))  # type: ignore[misc]
        for axis in axes
    ]
    claimed = claim(latent_difference(TOY, x, z), data_difference(TOY, x, z))
    truth = square(np.stack(slopes, -1)) / 2
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-9), "|grad|^2 / 2, pointwise")


def _apart_for_gaussians(claim: Any, effort: Effort) -> Evidence:
    claimed = LINEAR.expect(
        lambda x, z: claim(latent_difference(LINEAR, x, z), data_difference(LINEAR, x, z))
    )
    detail = "joint FD of two Gaussians in (z, x)"
    return numeric("closed form", claimed, joint_fisher(LINEAR), effort.tolerance(1e-12), detail)


# --- the third line: Bayes' rule ---


def _bayes_symbolic(claim: Any, effort: Effort) -> Evidence:
    import sympy

    x, z, theta = sympy.symbols("x z theta", real=True)
    gamma = sympy.symbols("gamma", positive=True)

    def log_density(e: Any, variance: Any) -> Any:
        return -(e**2) / (2 * variance) - sympy.log(2 * sympy.pi) / 2 - sympy.log(variance) / 2

    precision = (gamma + theta**2) / gamma
    posterior = log_density(z - theta * x / (gamma + theta**2), 1 / precision)
    joint = log_density(z, sympy.Integer(1)) + log_density(x - theta * z, gamma)
    claimed = sympy.expand_log(claim(posterior, log_density(x, gamma + theta**2)), force=True)
    return symbolic(claimed, joint, "log p(z) p(x|z) of the linear Gaussian model")


def _bayes_by_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare the engine's densities of q at the exact posterior, times the marginal, with the joint."""
    exact, z = LINEAR.exact(), np.linspace(-2, 2, 5)[:, None]
    example, x = exact.engine(), np.array([[0.7]])
    (mu, s), log_sd = example.q(x), np.log(exact.gamma) / 2
    log_joint = log_normal(z) + log_likelihood(square(x - example.g(z)), log_sd, 1)
    log_posterior = example.model.posterior.log_prob(Moments(mu, s), z)
    claimed = claim(log_posterior, exact.log_marginal(x))
    return numeric("closed form", claimed, log_joint, effort.tolerance(1e-12), "log p(z) p(x|z), linear VAE")


# --- the last display ---


def _display_on_the_toy(claim: Any, effort: Effort) -> Evidence:
    claimed = claim(2 * posterior_part(TOY), 2 * data_part(TOY))
    return numeric("quadrature", claimed, joint_fisher(TOY), effort.tolerance(1e-9), "joint FD of the toy")


def _display_for_gaussians(claim: Any, effort: Effort) -> Evidence:
    claimed = claim(2 * posterior_part(LINEAR), 2 * data_part(LINEAR))
    detail = "joint FD of two Gaussians in (z, x)"
    return numeric("closed form", claimed, joint_fisher(LINEAR), effort.tolerance(1e-12), detail)


def _display_by_the_engine(claim: Any, effort: Effort) -> Evidence:
    samples = effort.samples(_SAMPLES)
    loss, error = engine_terms(samples)["loss"]
    claimed = claim(2 * posterior_part(LINEAR), 2 * data_part(LINEAR))
    detail = f"JointFisher's loss plus C_pi, linear VAE, {samples:,} samples a datum"
    return statistical(claimed, loss + constant(LINEAR), error, detail)


# --- J: the claim is a function of E_q|..|^2 for each x, and the mean over the data ---


def _mean_j(claim: Any, model: Model) -> Any:
    x, w = model.data
    squares = model.expect_q(lambda x, z: square(data_difference(model, x, z)), x)
    return claim(squares, lambda values: w @ values)


def _j_on_the_toy(claim: Any, effort: Effort) -> Evidence:
    truth = joint_fisher(TOY) - posterior_part(TOY)
    detail = "joint FD less the posterior's"
    return numeric("quadrature", _mean_j(claim, TOY), truth, effort.tolerance(1e-9), detail)


def _j_by_the_engine(claim: Any, effort: Effort) -> Evidence:
    samples = effort.samples(_SAMPLES)
    m1, error = engine_terms(samples)["m1"]
    detail = f"JointFisher's terms of (8) plus C_pi, linear VAE, {samples:,} samples a datum"
    return statistical(_mean_j(claim, LINEAR), m1 + constant(LINEAR), error, detail)


# --- (17): the claim is a function of grad log pi for each x, and the mean over the data ---


def _mean_constant(claim: Any, model: Model) -> Any:
    x, w = model.data
    return claim(model.score_pi(x), lambda values: w @ values)


def _constant_of_the_toy(claim: Any, effort: Effort) -> Evidence:
    m1 = TOY.expect(lambda x, z: square(TOY.score_p(x, z)) / 2 + square(TOY.score_q(x, z)) / 2)
    truth = joint_fisher(TOY) - posterior_part(TOY) - (m1 - TOY.d_x / TOY.gamma)
    detail = "E_pi J less E_pi M1"
    return numeric("quadrature", _mean_constant(claim, TOY), truth, effort.tolerance(1e-9), detail)


def _constant_by_the_engine(claim: Any, effort: Effort) -> Evidence:
    samples = effort.samples(_SAMPLES)
    loss, error = engine_terms(samples)["loss"]
    truth = joint_fisher(LINEAR) - loss
    detail = f"joint FD of two Gaussians less JointFisher's loss, linear VAE, {samples:,} samples a datum"
    return statistical(_mean_constant(claim, LINEAR), truth, error, detail)


STATEMENTS = (
    Statement(
        id="A.1-separation",
        section="A.1",
        title="Second line: the squared norm separates",
        assumptions="The joint densities are positive and differentiable.",
        form=Form(
            r"\tfrac12 |\nabla_{z,x} \log r|^2 = \tfrac12 (|\nabla_z \log r|^2 + |\nabla_x \log r|^2), \quad "
            r"r = \frac{q(z|x) \pi(x)}{p(z) p(x|z)}",
            lambda in_z, in_x: (square(in_z) + square(in_x)) / 2,
        ),
        checks=(_apart_on_the_toy, _apart_for_gaussians),
        mutations={
            "square of the sum": lambda in_z, in_x: (in_z + in_x).sum(-1) ** 2 / 2,
            "half of one": lambda in_z, in_x: square(in_z) / 2 + square(in_x),
        },
        code="vsmnp.objectives.JointFisher",
    ),
    Statement(
        id="A.1-bayes",
        section="A.1",
        title="Third line: Bayes' rule in the denominator",
        assumptions="p(z|x) and p(x) belong to the joint p(z) p(x|z).",
        form=Form(
            r"\log p(z) p(x|z) = \log p(z|x) + \log p(x)", lambda posterior, marginal: posterior + marginal
        ),
        checks=(_bayes_symbolic, _bayes_by_the_engine),
        mutations={
            "quotient": lambda posterior, marginal: posterior - marginal,
            "marginal left out": lambda posterior, marginal: posterior,
        },
        code="vsmnp.metrics.posterior_means.iwae_bound",
    ),
    Statement(
        id="A.1-last-display",
        section="A.1",
        title="Last line of the first display",
        assumptions="grad_z log p(x) = grad_z log pi(x) = 0.",
        form=Form(
            r"D_F = \tfrac12 E_{q\pi} |\nabla_z \log\tfrac{q}{p(z|x)}|^2 + \tfrac12 E_{q\pi} "
            r"|\nabla_x \log\tfrac{\pi}{p(x)} + \nabla_x \log\tfrac{q}{p(z|x)}|^2",
            lambda in_z, in_x: in_z / 2 + in_x / 2,
        ),
        printed=Form(
            r"D_F = \tfrac12 E_{q\pi} |\nabla_z \log\tfrac{q}{p(z|x)}|^2 + E_{q\pi} "
            r"|\nabla_x \log\tfrac{\pi}{p(x)} + \nabla_x \log\tfrac{q}{p(z|x)}|^2",
            lambda in_z, in_x: in_z / 2 + in_x,
        ),
        checks=(_display_on_the_toy, _display_for_gaussians, _display_by_the_engine),
        mutations={
            "neither half": lambda in_z, in_x: in_z + in_x,
            "sign": lambda in_z, in_x: in_z / 2 - in_x / 2,
        },
        consequence=(
            "The second summand would count twice against the first, and the display would contradict its "
            "own third line and (6), which it is said to be. (6) is right; only the display is not."
        ),
        code="vsmnp.objectives.JointFisher",
    ),
    Statement(
        id="A.1-J",
        section="A.1",
        title="J in the appendix, and what is averaged over the data",
        assumptions="J is the second summand of (6).",
        form=Form(
            r"J^\pi(x) = \tfrac12 E_q |s^p - s^q - \nabla_x \log\pi|^2, \quad "
            r"\text{and } E_\pi[J^\pi] \text{ is the second term of the joint FD}",
            lambda squares, mean: mean(squares / 2),
        ),
        printed=Form(
            r"J^\pi(x) = E_q |s^p - s^q - \nabla_x \log\pi|^2, \quad "
            r"\text{and } E_\pi[|J^\pi|^2] \text{ is the second term of the joint FD}",
            lambda squares, mean: mean(squares**2),
        ),
        checks=(_j_on_the_toy, _j_by_the_engine),
        mutations={
            "half missing, as in the definition printed": lambda squares, mean: mean(squares),
            "J squared, as before the last display": lambda squares, mean: mean((squares / 2) ** 2),
        },
        consequence=(
            "The definition contradicts (7), and J is a number, not a vector: what is averaged is J itself. "
            "The displays that follow have the half and no second square, so that M1 is not affected."
        ),
        code="vsmnp.objectives.JointFisher",
    ),
    Statement(
        id="17",
        section="A.1",
        title="The constant that depends on the data alone",
        assumptions="pi has a finite Fisher information, and vanishes at infinity.",
        form=Form(
            r"C_\pi = \tfrac12 E_\pi |\nabla_x \log\pi|^2",
            lambda score, mean: mean(square(score)) / 2,
        ),
        printed=Form(
            r"C_\pi = \tfrac12 | E_\pi \nabla_x \log\pi |^2",
            lambda score, mean: square(mean(score)) / 2,
        ),
        checks=(_constant_of_the_toy, _constant_by_the_engine),
        mutations={
            "no half": lambda score, mean: mean(square(score)),
            "sign": lambda score, mean: -mean(square(score)) / 2,
        },
        consequence=(
            "As printed the constant is zero for every pi, because a score has mean zero; the mean of M1, "
            "which is negative for good models, would then equal the mean of J, which cannot be. The "
            "constant depends on pi alone, so that nothing that is optimised changes."
        ),
    ),
)  # fmt: skip
