"""A linear VAE, whose posterior is Gaussian: divergences from any Gaussian q, from log-densities alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....types import Array
from ..evidence import derivative, gradient
from ..quadrature import normal_rule


@dataclass(frozen=True)
class LinearPosterior:
    """The model ``z ~ N(0, I)``, ``x|z ~ N(J z, gamma I)``, at the datum ``x = J z0``.

    Attributes
    ----------
    jacobian : tuple of tuple of float
        Jacobian J of the decoder, ``(D, Z)``.
    z0 : tuple of float
        The latent that is decoded to the datum, ``(Z,)``.
    gamma : float
        Variance of the likelihood.
    """

    jacobian: tuple[tuple[float, ...], ...] = ((1.2, 0.3), (-0.4, 0.9), (0.5, 0.7))
    z0: tuple[float, ...] = (0.8, -0.5)
    gamma: float = 0.35

    @property
    def j(self) -> Array:
        """Jacobian of the decoder, ``(D, Z)``."""
        return np.array(self.jacobian)

    @property
    def x(self) -> Array:
        """The datum ``x = J z0``, ``(D,)``."""
        return np.asarray(self.j @ np.array(self.z0))

    @property
    def d_z(self) -> int:
        """Latent dimension of the model."""
        return len(self.z0)

    @property
    def precision(self) -> Array:
        """Posterior precision ``P = I + J' J / gamma``, ``(Z, Z)``."""
        return np.asarray(np.eye(self.d_z) + self.j.T @ self.j / self.gamma)

    def log_ratio(self, z: Array, mu: Array, root: Array) -> Array:
        """Compute ``log q(z) - log p(z, x)`` up to constants, ``q = N(mu, root root')``, ``z (..., Z)``."""
        eps = np.linalg.solve(root, (z - mu)[..., None])[..., 0]
        error = self.x - z @ self.j.T
        log_q = -0.5 * (eps * eps).sum(-1) - np.log(abs(np.linalg.det(root)))
        return np.asarray(log_q + 0.5 * (z * z).sum(-1) + 0.5 * (error * error).sum(-1) / self.gamma)

    def score_difference(self, z: Array, mu: Array, root: Array) -> Array:
        """Compute ``grad_z log q - grad_z log p(z|x)`` by differences, which are exact for quadratics."""
        return gradient(lambda t: self.log_ratio(z + t, mu, root), np.zeros(self.d_z), 0.5)

    def fisher(self, mu: Array, root: Array) -> float:
        """Compute ``D_F[q || p(z|x)]`` with the 1/2 of (5)."""
        eps, w = normal_rule(3, self.d_z)
        d = self.score_difference(mu + eps @ root.T, mu, root)
        return float(0.5 * w @ (d * d).sum(-1))

    def kl(self, mu: Array, root: Array) -> float:
        """Compute ``D_KL[q || p(z|x)]`` up to a constant."""
        eps, w = normal_rule(3, self.d_z)
        return float(w @ self.log_ratio(mu + eps @ root.T, mu, root))

    def fisher_by_smoothing(self, mu: Array, precision: Array) -> float:
        """Compute ``D_F[q || p(z|x)]`` by de Bruijn's identity, for ``q = N(mu, precision^-1)``.

        The divergence is minus the derivative of ``D_KL`` in the variance t of noise added to both. The
        posterior follows by conditioning the joint Gaussian of z and x, so neither scores nor P are used.
        """
        gain = np.linalg.solve(self.j @ self.j.T + self.gamma * np.eye(len(self.j)), self.j).T
        covariance, shift = np.eye(self.d_z) - gain @ self.j, gain @ self.x - mu

        def kl(t: float) -> float:
            noise = t * np.eye(self.d_z)
            target = np.linalg.inv(covariance + noise)
            ratio = target @ (np.linalg.inv(precision) + noise)
            return float(np.trace(ratio) - np.linalg.slogdet(ratio)[1] + shift @ target @ shift) / 2

        return -float(derivative(kl, 2e-4))


def root_of(precision: Array) -> Array:
    """Compute the symmetric square root of the inverse of a precision, ``(Z, Z)``."""
    values, vectors = np.linalg.eigh(precision)
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T)


def spread(precision: Array, p: Array) -> float:
    """Compute ``tr[(Lambda - P) Lambda^-1 (Lambda - P)]``, the last term of Appendix A.4."""
    return float(np.trace((precision - p) @ np.linalg.inv(precision) @ (precision - p)))
