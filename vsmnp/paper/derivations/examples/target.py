"""A target density of one latent and a q = N(mu, s^2) that is not an encoder's: their divergences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....types import Array
from ..evidence import derivative
from ..quadrature import normal_rule
from .toy import Toy

#: The mu and s at which gradients are compared.
Q = np.array([0.4, 0.7])
_X = np.array([0.3, -0.8])


@dataclass(frozen=True)
class TiltedPosterior:
    """The toy's posterior at one datum, times the exponential of a sine.

    Attributes
    ----------
    ripple : float
        Amplitude of the sine; with 0.4 the target is strongly non-Gaussian.
    """

    ripple: float = 0.0

    def log_joint(self, z: Array) -> Array:
        """Compute the logarithm of the target up to a constant, for ``z (...)``."""
        toy = Toy()
        return np.asarray(toy.log_likelihood(_X, z) + toy.log_prior(z) + self.ripple * np.sin(1.5 * z))

    def score(self, z: Array, step: float = 2e-3) -> Array:
        """Compute the slope of the log-joint by the stencil."""
        return derivative(lambda t: self.log_joint(z + t), step)

    def curvature(self, z: Array) -> Array:
        """Compute the second derivative of the log-joint by the stencil."""
        return derivative(lambda t: self.score(z + t, 4e-3), 4e-3)

    def kl(self, q: Array) -> float:
        """Compute the KL divergence of ``q = (mu, s)`` up to a constant."""
        eps, w, z = nodes(q)
        return float(w @ (-0.5 * eps * eps - np.log(q[1]) - self.log_joint(z)))

    def difference(self, z: Array, q: Array) -> Array:
        """Compute the score difference ``d/dz log q/p``."""
        return np.asarray(-(z - q[0]) / q[1] ** 2 - self.score(z))

    def half_square(self, z: Array, q: Array) -> Array:
        """Compute ``|d|^2/2`` of the score difference, the integrand of the Fisher divergence."""
        return np.asarray(0.5 * self.difference(z, q) ** 2)

    def fisher(self, q: Array) -> float:
        """Compute the Fisher divergence of ``q = (mu, s)``."""
        _, w, z = nodes(q)
        return float(w @ self.half_square(z, q))


def nodes(q: Array) -> tuple[Array, Array, Array]:
    """Return the noise, the weights and the latents ``(60,)`` of a rule for ``q = (mu, s)``."""
    eps, w = normal_rule(60)
    return eps[:, 0], w, q[0] + q[1] * eps[:, 0]
