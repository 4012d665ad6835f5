"""Derive the modes of the posterior of the first toy likelihood of (11)."""

from __future__ import annotations

import numpy as np

from ....types import Array
from ..evidence import gradient_in
from ..examples.minimum import minimise
from ..proof import Proofs, Step
from ..quadrature import normal_log_density

X, GAMMA = 2.0, 0.25  # of p_I
Z = np.array([[0.8, 0.6], [-1.1, 0.4], [0.3, 1.7]])


def log_joint(z: Array) -> Array:
    """Compute ``log p(z, x)`` up to a constant, ``z (..., 2)``."""
    error = X - z[..., 0] * z[..., 1]
    return np.asarray(-(z * z).sum(-1) / 2 - error * error / (2 * GAMMA))


def score(z: Array) -> Array:
    """Compute the slope of the log-joint; the stencil is exact for polynomials of degree four."""
    return gradient_in(log_joint, z, 0.5)


# --- the modes ---

_ROOT = np.sqrt(X - GAMMA)


def _value(t: float) -> float:
    """Compute the log-joint on the diagonal ``z = (t, t)``."""
    return float(log_joint(np.array([t, t])))


SCORE = Step(
    r"\nabla_z \log p(z, x) = \left( -z_1 + \tfrac{x - z_1 z_2}\gamma z_2, \; "
    r"-z_2 + \tfrac{x - z_1 z_2}\gamma z_1 \right)",
    "The gradient of -|z|^2 / 2 - (x - z_1 z_2)^2 / (2 gamma).",
    lambda: (score(Z), -Z + ((X - Z.prod(-1)) / GAMMA)[:, None] * Z[:, ::-1]),
    kind="finite differences",
)

PROOFS: Proofs = {
    "11": (
        Step(
            r"\log p_I(x|z) = -\tfrac{(x - z_1 z_2)^2}{2 \cdot 0.5^2} - \log(0.5 \sqrt{2\pi})",
            "The definition: a Gaussian of standard deviation 0.5, whose mean is the product of the latents.",
            lambda: (
                normal_log_density(np.full(3, X), Z.prod(-1), 0.5**2),
                -((X - Z.prod(-1)) ** 2) / 0.5 - np.log(0.5 * np.sqrt(2 * np.pi)),
            ),
            kind="closed form",
        ),
        Step(
            r"\log p_{II}(x|z) = -\tfrac12 (x - z_1 \max(z_2, 0))^2 - \tfrac12 \log 2\pi",
            "The definition: of variance 1, with z_2 behind a relu.",
            lambda: (
                normal_log_density(np.full(3, 1.0), Z[:, 0] * np.maximum(Z[:, 1], 0), 1.0),
                -((1.0 - Z[:, 0] * np.maximum(Z[:, 1], 0)) ** 2) / 2 - np.log(2 * np.pi) / 2,
            ),
            kind="closed form",
        ),
        Step(
            r"p_I(x|z) = N(x; z_1 z_2, 0.5^2), \qquad p_{II}(x|z) = N(x; z_1 \operatorname{relu}(z_2), 1)",
            "Both lines as densities of x, of which the paper takes the values at x = 2 and at x = 1.",
        ),
    ),
    "11-modes": (
        SCORE,
        Step(
            r"z_1 = \tfrac{x - z_1 z_2}\gamma z_2, \; z_2 = \tfrac{x - z_1 z_2}\gamma z_1 "
            r"\Rightarrow z_1^2 = z_2^2",
            "Where the gradient vanishes; the first equation times z_1 and the second times z_2 have equal "
            "right-hand sides.",
        ),
        Step(
            r"z_1 = z_2 \ne 0: \; x - z_1^2 = \gamma, \qquad z_1 = -z_2 \ne 0: \; x + z_1^2 = -\gamma",
            "Inserted into the first equation; the second case has no solution for positive x, so that the "
            "origin is the only other point without slope.",
            lambda: (minimise(lambda z: -float(log_joint(z)), np.array([1.0, 2.0])), np.full(2, _ROOT)),
            kind="search",
        ),
        Step(
            r"\log p(z, x)|_{z = \pm \sqrt{x - \gamma} (1, 1)} - \log p(0, x) = \tfrac{(x - "
            r"\gamma)^2}{2\gamma}",
            "At these points |z|^2 / 2 is x - gamma, and the residual is gamma; the origin is lower.",
            lambda: (_value(_ROOT) - _value(0.0), (X - GAMMA) ** 2 / (2 * GAMMA)),
            kind="closed form",
        ),
        Step(
            r"\arg\max_z p_I(z|x) = \pm \sqrt{x - \gamma} \, (1, 1)",
            "The density vanishes at infinity, so that its largest values are at points without slope.",
        ),
    ),
}
