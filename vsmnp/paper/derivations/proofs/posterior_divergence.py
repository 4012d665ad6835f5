"""Derive (26) and (27): the scores in z of a Gaussian VAE, and the divergence that they make."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....types import Array
from ..evidence import derivative
from ..examples.linear_joint import LINEAR
from ..examples.toy import Toy, dot, square
from ..proof import Proofs, Step

_TOY = Toy()
_FEW = np.array([[0.3, -0.8], [-0.6, 0.2], [0.9, 0.4]])
_X, _Z = _FEW, np.array([0.5, -0.2, 1.3])
_LINE = np.array([[0.7], [-1.2], [2.0]])  # data of the linear model


def _slope(log_density: Callable[[Array, Array], Array], x: Array, z: Array) -> Array:
    """Compute the derivative in z of ``log_density(x, z)``."""
    return derivative(lambda t: log_density(x, z + t))


def _log_ratio(x: Array, z: Array) -> Array:
    """Compute ``log q(z|x)/p(z, x)`` of the toy."""
    return np.asarray(_TOY.log_q(x, z) - _TOY.log_prior(z) - _TOY.log_likelihood(x, z))


def _d(x: Array, z: Array) -> Array:
    """Compute (27) with its three terms written out."""
    pulled = dot(_TOY.dg(z), x - _TOY.g(z)) / _TOY.gamma
    return np.asarray((z - _TOY.mu(x)) / _TOY.s(x) ** 2 - z + pulled)


def _linear_log_ratio(x: Array, z: Array) -> Array:
    """Compute ``log q(z|x)/p(z|x)`` of the linear model."""
    return np.asarray(LINEAR.log_q(x, z) - LINEAR.log_posterior(x, z))


def _three_scores(x: Array, z: Array) -> Array:
    """Compute ``grad_z`` of ``log q - log p(z) - log p(x|z)`` of the linear model."""
    return np.asarray(LINEAR.latent_score_q(x, z) + z - _slope(LINEAR.log_likelihood, x, z))


def _between_gaussians(x: Array) -> Array:
    """Compute ``D_F[q || p(z|x)]`` of the linear model in closed form, as in (30)."""
    v, precision, shift = LINEAR.v, LINEAR.precision, (LINEAR.phi - LINEAR.exact().phi) * x[:, 0]
    return np.asarray((1 / v - 2 * precision + precision**2 * (v + shift**2)) / 2)


_BAYES = Step(
    r"\nabla_z \log p(z|x) = \nabla_z \log p(z) + \nabla_z \log p(x|z)",
    "Bayes' rule: log p(z|x) = log p(z) + log p(x|z) - log p(x), and p(x) does not depend on z.",
    lambda: (_slope(LINEAR.log_posterior, _LINE, _Z), -_Z + _slope(LINEAR.log_likelihood, _LINE, _Z)),
    kind="finite differences",
)
_OF_Q = Step(
    r"\nabla_z \log q(z|x) = -\Lambda (z - \mu)",
    "The gradient of -(z - mu) . Lambda (z - mu) / 2, the logarithm of q up to a constant.",
    lambda: (_slope(_TOY.log_q, _X, _Z), -(_Z - _TOY.mu(_X)) / _TOY.s(_X) ** 2),
    kind="finite differences",
)
_OF_PRIOR = Step(
    r"\nabla_z \log p(z) = -z",
    "The gradient of -|z|^2 / 2.",
    lambda: (derivative(lambda t: _TOY.log_prior(_Z + t)), -_Z),
    kind="finite differences",
)
_OF_LIKELIHOOD = Step(
    r"\nabla_z \log p(x|z) = \tfrac1\gamma J^T (x - g(z))",
    "The chain rule for -|x - g(z)|^2 / (2 gamma); J is the Jacobian of g, and its transpose what the paper "
    "writes as nabla g.",
    lambda: (_slope(_TOY.log_likelihood, _X, _Z), dot(_TOY.dg(_Z), _X - _TOY.g(_Z)) / _TOY.gamma),
    kind="finite differences",
)

PROOFS: Proofs = {
    "A.4-definition": (
        Step(
            r"D_F[q \| p(z|x)] = \tfrac12 \int q(z|x) \, |\nabla_z \log q(z|x) - \nabla_z \log p(z|x)|^2 "
            r"\, dz",
            "The definition (5) for densities of z; x is given, so that nothing is integrated over x.",
            lambda: (
                _between_gaussians(_LINE),
                LINEAR.expect_q(lambda x, z: _slope(_linear_log_ratio, x, z) ** 2, _LINE) / 2,
            ),
        ),
        _BAYES,
        Step(
            r"D_F[q \| p(z|x)] = \tfrac12 \int q(z|x) \, "
            r"|\nabla_z \log q(z|x) - \nabla_z \log p(z) - \nabla_z \log p(x|z)|^2 \, dz",
            "The second line is inserted into the first; the paper loses the half and the square.",
            lambda: (
                _between_gaussians(_LINE),
                LINEAR.expect_q(lambda x, z: _three_scores(x, z) ** 2, _LINE) / 2,
            ),
        ),
    ),
    "26": (
        _OF_Q,
        _OF_PRIOR,
        _OF_LIKELIHOOD,
        Step(
            r"\nabla_z \log q - \nabla_z \log p(z) - \nabla_z \log p(x|z) = -\left( \Lambda (z - \mu) - z "
            r"+ J^T \tfrac{x - g(z)}{\gamma} \right)",
            "The three lines together; the norm does not depend on the sign.",
            lambda: (_slope(_log_ratio, _X, _Z), -_d(_X, _Z)),
            kind="finite differences",
        ),
        Step(
            r"D_F[q \| p(z|x)] = \tfrac12 \int q(z|x) \, "
            r"\left| \Lambda (z - \mu) - z + J^T \tfrac{x - g(z)}{\gamma} \right|^2 dz",
            "Inserted into the divergence (A.4-definition), whose half the paper leaves out.",
            lambda: (
                _TOY.expect_q(lambda x, z: _slope(_log_ratio, x, z) ** 2 / 2, _FEW),
                _TOY.expect_q(lambda x, z: square(_d(x, z)[..., None]) / 2, _FEW),
            ),
        ),
    ),
    "27": (
        _OF_Q,
        _OF_PRIOR,
        _OF_LIKELIHOOD,
        _BAYES,
        Step(
            r"d(x, z) = \Lambda(x) (z - \mu(x)) - z + \nabla_z g(z) \tfrac{x - g(z)}{\gamma} "
            r"= \nabla_z \log p(z|x) - \nabla_z \log q(z|x)",
            "The second and third line are the score of the posterior, and the first is subtracted: the sign "
            "is the opposite of the one in the display before (26).",
            lambda: (_d(_X, _Z), -_slope(_log_ratio, _X, _Z)),
            kind="finite differences",
        ),
    ),
}
