r"""Jointly Gaussian scores, for which the variances of the engine's estimators are known.

With a linear decoder and an encoder whose mean is linear and whose standard deviation is constant,

.. math:: s^q = A \epsilon, \qquad s^p = m + B \epsilon, \qquad
          A = J_\mu^T \operatorname{diag}(s)^{-1}, \quad B = \tfrac{1}{\gamma} J_g \operatorname{diag}(s) .
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from ....model.gaussian import DiagonalGaussian
from ....objectives import M3, Outcome
from ....rng import Key, Stream
from ....types import Array
from ..evidence import mean_and_error
from ..quadrature import normal_rule
from .engine import EngineExample
from .linear_engine import LinearVAE

#: Independent models in one call of the engine.
_MODELS = 20_000


@dataclass(frozen=True, eq=False)
class GaussianScores:
    """Scores of S samples that are linear in standard normal noise.

    Attributes
    ----------
    of_q, of_p : Array
        Matrices A and B, ``(D, Z)``.
    mean : Array
        Mean m of ``s^p``, ``(D,)``.
    """

    of_q: Array
    of_p: Array
    mean: Array

    def covariances(self) -> tuple[Array, Array, Array]:
        """Compute the covariances V of s^q and W of s^p, and C between them, each ``(D, D)``."""
        return self.of_q @ self.of_q.T, self.of_p @ self.of_p.T, self.of_q @ self.of_p.T

    def squares(self) -> tuple[float, float, float, float]:
        """Compute ``|m|^2, tr W, m'W m, tr W^2``."""
        (_, w, _), m = self.covariances(), self.mean
        return float(m @ m), float(np.trace(w)), float(m @ w @ m), float(np.trace(w @ w))

    def products(self) -> tuple[float, float, float, float]:
        """Compute ``tr C, tr V W, tr C^2, m'V m``."""
        (v, w, c), m = self.covariances(), self.mean
        return float(np.trace(c)), float(np.trace(v @ w)), float(np.trace(c @ c)), float(m @ v @ m)

    def estimates(self, objective: M3, eps: Array) -> tuple[Array, Array]:
        """Compute the engine's estimates of ``|E s^p|^2`` and of ``E[s^q . s^p]`` at ``eps (Q, S, Z)``."""
        s_q, s_p = eps @ self.of_q.T, self.mean + eps @ self.of_p.T
        x, tau = np.zeros((len(eps), 1, 1, len(self.mean))), np.ones(len(eps))
        k = linear_example()[0].k
        square, cross, _ = objective.apply(
            k, objective.form(), x, s_p[:, :, None], s_q[:, :, None], tau, want_gradient=False
        )
        return square, cross

    def moments(self, objective: M3) -> Array:
        """Compute mean and variance of both estimates by quadrature, ``(2, 2)``.

        Three nodes a coordinate are exact: the squares of the estimates have degree four.
        """
        samples, width = objective.samples, self.of_q.shape[1]
        eps, w = normal_rule(3, samples * width)
        found = np.stack(self.estimates(objective, eps.reshape(-1, samples, width)))
        mean = found @ w
        return np.stack([mean, (found - mean[:, None]) ** 2 @ w], axis=1)


@cache
def scores() -> GaussianScores:
    """Return scores in three dimensions with two latents, far from any symmetry."""
    of_q, of_p = np.random.default_rng(12).standard_normal((2, 3, 2))
    return GaussianScores(of_q, 0.7 * of_p, np.array([0.9, -0.5, 0.4]))


@cache
def linear_example() -> tuple[EngineExample, GaussianScores]:
    """Build a linear VAE of one datum and an encoder of constant standard deviation, with its scores."""
    rng = np.random.default_rng(13)
    jacobian, to_mean = 0.6 * rng.standard_normal((3, 2)), 0.5 * rng.standard_normal((2, 3))
    bias, gamma, s, x = np.array([0.5, -0.3, 0.2]), 0.7, np.array([0.8, 0.5]), np.array([1.1, 0.4, -0.6])
    built = LinearVAE.of(jacobian, bias, gamma, x[None]).example
    model, phi = replace(built.model, posterior=DiagonalGaussian(2)), np.zeros_like(built.phi)
    (_, w), (_, b) = model.phi_layout.named(phi)
    w[0, :2], b[0, 2:] = to_mean, np.log(s)
    mean = (jacobian @ to_mean @ x + bias - x) / gamma
    exact = GaussianScores(to_mean.T / s, jacobian * s / gamma, mean)
    return replace(built, model=model, phi=phi), exact


def spread_of_the_engine(
    objective: M3, value: Callable[[Outcome], Array], centre: float
) -> Callable[[int], tuple[Array, Array]]:
    """Return the estimator of mean and variance of a term of the engine's objective about a known mean.

    The number of samples counts evaluations of the objective; ``value`` maps an outcome to ``(R,)``.
    """

    def estimate(samples: int) -> tuple[Array, Array]:
        e, _ = linear_example()
        phi, theta = (np.repeat(parameters, _MODELS, 0) for parameters in (e.phi, e.theta))
        found = []
        for step in range(max(1, samples // _MODELS)):
            key = Key(tuple(range(_MODELS)), Stream.OUTCOME, step)
            found.append(value(objective(e.k, e.model, phi, theta, e.x, key)))
        values = np.concatenate(found)
        return mean_and_error(np.stack([values, (values - centre) ** 2], axis=1))

    return estimate
