"""Equation (11), two toy likelihoods, and the modes of the posterior of the first."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....layers.activations import Relu
from ....layers.compose import Chain
from ....layers.dense import Dense
from ....model.gaussian import DiagonalGaussian
from ....model.likelihood import log_likelihood
from ....model.vae import GaussianVAE
from ....types import Array
from ...toy_layers import Free, Product
from ..checks import both_sides, symbolic_sides, value_check
from ..examples.engine import EngineExample
from ..examples.kernel_set import kernels
from ..examples.minimum import minimise
from ..quadrature import normal_log_density
from ..statement import Statement

DATUM, GAMMA = 2.0, 0.25  # of p_I
LATENTS = Product()


@cache
def product_engine(product: Product = LATENTS, datum: float = DATUM, gamma: float = GAMMA) -> EngineExample:
    """Build a VAE of p_I, or another: a free q, and a decoder that is a product of the latents.

    An identity layer precedes the product.
    """
    model = GaussianVAE(Free(4), Chain((Dense(2, 2), product)), DiagonalGaussian(2), 1)
    phi, theta = np.zeros((1, model.phi_layout.size)), np.zeros((1, model.theta_layout.size))
    model.decoder_part(theta)["0"]["w"][:] = np.eye(2)
    model.log_sd(theta)[:] = 0.5 * np.log(gamma)
    return EngineExample(kernels(), model, phi, theta, np.full((1, 1, 1, 1), datum), nodes=8)


def log_joint(z: Array) -> Array:
    """Compute ``log p(z, x)`` up to a constant, ``z (..., 2)``."""
    error = DATUM - z[..., 0] * z[..., 1]
    return np.asarray(-0.5 * (z * z).sum(-1) - 0.5 * error * error / GAMMA)


# --- (11): a claim gives the log densities of x under both ---

_Z1, _Z2 = np.array([1.2, -0.7, 0.9]), np.array([0.8, 1.5, -1.1])  # the relu is zero at the last


def _both(x: Array, one: Array, two: Array, variance: float = 0.25) -> tuple[Array, Array]:
    return normal_log_density(x, one, variance), normal_log_density(x, two, 1.0)


@both_sides("quadrature", 1e-10, "mass, mean and variance of x under both, at three z")
def _likelihoods_are_normalised(claim: Any) -> tuple[Any, Any]:
    x = np.linspace(-12, 12, 1201)[:, None]
    claimed, truth = [], []
    means = [0.96, -1.05, -0.99], [0.96, -1.05, 0.0]
    for log_density, mean, sd in zip(claim(x, _Z1, _Z2), means, (0.5, 1.0), strict=True):
        weights = np.exp(log_density) * (x[1] - x[0])
        claimed += [weights.sum(0), (weights * x).sum(0), (weights * (x - mean) ** 2).sum(0)]
        truth += [np.ones(3), mean, np.full(3, sd**2)]
    return claimed, truth


def _likelihoods_of_the_engine() -> list[Array]:
    """Compute both by the engine; both decoders are a Product behind an identity."""
    z, found = np.stack([_Z1, _Z2], -1), []
    for product, datum, gamma in ((Product(), 2.0, 0.25), (Product(second=Relu()), 1.0, 1.0)):
        error = datum - product_engine(product, datum, gamma).g(z)[:, 0]
        found.append(log_likelihood(error**2, np.asarray(0.5 * np.log(gamma)), 1))
    return found


# --- a claim is one mode (2,) of the posterior of p_I; the other is its negative ---


@symbolic_sides("slope of log p(z, x) at the mode, x > gamma")
def _mode_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    z1, z2 = sympy.symbols("z1 z2", real=True)
    gamma, gap = sympy.symbols("gamma gap", positive=True)
    x = gamma + gap
    log_p = -(z1**2 + z2**2) / 2 - (x - z1 * z2) ** 2 / (2 * gamma)
    one, two = claim(x, gamma, sympy.sqrt)
    return [sympy.diff(log_p, v).subs({z1: one, z2: two}) for v in (z1, z2)], [0, 0]


def _modes() -> list[Array]:
    return [minimise(lambda z: float(-log_joint(z)), start) for start in np.array([[1, 2], [-2, -1.0]])]


STATEMENTS = (
    Statement(
        id="11",
        section="3.3.2",
        title="The two toy likelihoods",
        assumptions="z ~ N(0, I); x = 2 in p_I and x = 1 in p_II; the published code runs another p_II.",
        latex=r"p_I(x|z) = N(x; z_1 z_2, 0.5^2), \qquad p_{II}(x|z) = N(x; z_1 \operatorname{relu}(z_2), 1)",
        claim=lambda x, z1, z2: _both(x, z1 * z2, z1 * np.maximum(z2, 0)),
        checks=(
            _likelihoods_are_normalised,
            value_check("closed form", 1e-12,
                "log_likelihood of x = 2 and x = 1 at three z, decoders of toy layers",
                lambda claim: [claim(2.0, _Z1, _Z2)[0], claim(1.0, _Z1, _Z2)[1]], _likelihoods_of_the_engine),
        ),
        mutations={
            "a standard deviation for the variance": lambda x, z1, z2: (
                _both(x, z1 * z2, z1 * np.maximum(z2, 0), 0.5)
            ),
            "relu of the other latent": lambda x, z1, z2: _both(x, z1 * z2, np.maximum(z1, 0) * z2),
            "no relu": lambda x, z1, z2: _both(x, z1 * z2, z1 * z2),
        },
        code="vsmnp.paper.toy_layers.Product",
    ),
    Statement(
        id="11-modes",
        section="3.3.2",
        title="Modes of the posterior of the first toy likelihood",
        assumptions="z ~ N(0, I), x|z ~ N(z1 z2, gamma), x > gamma; the paper's x = 2, gamma = 1/4.",
        latex=r"\arg\max_z p_I(z|x) = \pm \sqrt{x - \gamma} \, (1, 1)",
        claim=lambda x, gamma, sqrt: (sqrt(x - gamma), sqrt(x - gamma)),
        checks=(
            _mode_symbolic,
            value_check("search", 1e-9, "both modes of p_I's posterior",
                lambda claim: np.outer([1, -1], claim(DATUM, GAMMA, np.sqrt)), _modes),
        ),
        mutations={
            "likelihood alone": lambda x, gamma, sqrt: (sqrt(x), sqrt(x)),
            "opposite signs": lambda x, gamma, sqrt: (sqrt(x - gamma), -sqrt(x - gamma)),
        },
        without_code="The engine fits q to the posterior, and searches for no mode of it.",
    ),
)  # fmt: skip
