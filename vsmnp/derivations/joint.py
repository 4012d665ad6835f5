"""The joint divergence by its definition and by the engine, for the toy and the linear model."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..objectives import JointFisherLearning
from ..types import Array
from .evidence import derivative
from .linear_model import LinearModel
from .toy import Toy, square

Model = Toy | LinearModel

#: Rules that reach twelve digits.
TOY = Toy(x_nodes=28, z_nodes=20)
LINEAR = LinearModel()

_TERMS = ("posterior_fisher", "score_square", "divergence", "score_norm")


def log_ratio(model: Model, x: Array, z: Array) -> Array:
    """``log q(z|x) pi(x) / (p(z) p(x|z))``."""
    log_q = model.log_q(x, z) + model.log_pi(x)
    return np.asarray(log_q - model.log_prior(z) - model.log_likelihood(x, z))


def latent_difference(model: Model, x: Array, z: Array) -> Array:
    """``grad_z`` of the logarithm of the ratio of joints, ``(..., 1)``."""
    return np.asarray(model.latent_score_q(x, z) - model.latent_score_p(x, z))[..., None]


def data_difference(model: Model, x: Array, z: Array) -> Array:
    """Its ``grad_x``: ``grad log pi + s^q - s^p``, ``(..., D)``."""
    return np.asarray(model.score_pi(x) + model.score_q(x, z) - model.score_p(x, z))


@cache
def posterior_part(model: Model) -> float:
    """``E_pi D_F[q(z|x) || p(z|x)]``."""
    return float(model.expect(lambda x, z: square(latent_difference(model, x, z)) / 2))


@cache
def data_part(model: Model) -> float:
    """``E_pi J``."""
    return float(model.expect(lambda x, z: square(data_difference(model, x, z)) / 2))


@cache
def constant(model: Model) -> float:
    """``C_pi``, half the mean square of the score of pi."""
    return float(model.expect_pi(lambda x: square(model.score_pi(x)) / 2))


@cache
def joint_fisher(model: Model) -> float:
    """``D_F[q pi || p]`` from the definition: of Gaussians in the plane, or by quadrature of a stencil.

    The stencil runs along axes that are turned against z and x, so that it knows no parts.
    """
    if isinstance(model, LinearModel):
        return model.joint_fisher()
    axes, _ = np.linalg.qr(np.random.default_rng(7).standard_normal((3, 3)))

    def squared_gradient(x: Array, z: Array) -> Array:
        slopes = [
            derivative(lambda t, a=axis: log_ratio(model, x + t * a[1:], z + t * a[0]))  # type: ignore[misc]
            for axis in axes
        ]
        return np.asarray(square(np.stack(slopes, -1)))

    return float(model.expect(squared_gradient)) / 2


@cache
def engine_terms(samples: int, model: LinearModel = LINEAR) -> dict[str, tuple[float, float]]:
    """Mean and standard error of the terms of the engine's joint Fisher divergence.

    ``loss`` is their sum, and ``m1`` the sum of those of equation (8).
    """
    mean, error = model.engine().outcomes(
        lambda s: JointFisherLearning(samples=s),
        samples,
        lambda o: np.array([o.loss[0], o.loss[0] - o.terms[_TERMS[0]][0], *(o.terms[n][0] for n in _TERMS)]),
    )
    names = ("loss", "m1", *_TERMS)
    return {n: (float(m), float(e)) for n, m, e in zip(names, mean, error, strict=True)}
