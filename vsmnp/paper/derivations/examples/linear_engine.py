"""Linear VAEs in the engine: the decoder is a matrix, so that marginal and posterior are known Gaussians."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from ....types import Array
from ..quadrature import normal_rule
from .engine import EngineExample
from .expected import AtNodes


@dataclass(frozen=True, eq=False)
class LinearVAE:
    """The model ``z ~ N(0, I)``, ``x|z ~ N(J z + b, gamma I)``, in the engine and as matrices.

    Attributes
    ----------
    example : EngineExample
        Example whose encoder is linear too; its rule is exact for polynomials of degree five.
    jacobian, bias : Array
        J ``(D, Z)`` and b ``(D,)``.
    """

    example: EngineExample
    jacobian: Array
    bias: Array

    @classmethod
    def build(cls, d_x: int, d_z: int, n: int = 1, gamma: float = 0.3) -> LinearVAE:
        """Build a linear VAE with random weights and data."""
        example = EngineExample.build(d_x, d_z, hidden=(), n=n, gamma=gamma, nodes=3)
        bias = example.g(np.zeros(d_z))
        return cls(example, (example.g(np.eye(d_z)) - bias).T, bias)

    @classmethod
    def of(cls, jacobian: Array, bias: Array, gamma: float, data: Array) -> LinearVAE:
        """Build the linear VAE of given matrices and data ``(N, D)``, with any encoder.

        The posterior samples are the ``2^Z`` corners of a cube, whose means are exact for polynomials of
        degree three: an objective with that many samples has its expectation.
        """
        d_x, d_z = jacobian.shape
        example = EngineExample.build(d_x, d_z, hidden=(), gamma=gamma, nodes=3)
        theta = np.zeros_like(example.theta)
        (_, w), (_, b), _ = example.model.theta_layout.named(theta)
        w[0], b[0] = jacobian, bias
        example.model.log_sd(theta)[:] = 0.5 * np.log(gamma)
        posterior = AtNodes(d_z, eps=normal_rule(2, d_z)[0][None])
        model = replace(example.model, posterior=posterior)
        return cls(replace(example, model=model, theta=theta, x=data[None, None]), jacobian, bias)

    @property
    def samples(self) -> int:
        """Number of posterior samples with which an objective of :meth:`of` has its expectation."""
        return int(2 ** self.jacobian.shape[1])

    @property
    def precision(self) -> Array:
        """Posterior precision ``P = I + J' J / gamma``, ``(Z, Z)``."""
        jacobian = self.jacobian
        return np.asarray(np.eye(jacobian.shape[1]) + jacobian.T @ jacobian / self.example.gamma)

    @property
    def to_mean(self) -> Array:
        """Matrix ``P^-1 J' / gamma``, ``(Z, D)``, that maps ``x - b`` to the posterior mean."""
        return np.asarray(np.linalg.solve(self.precision, self.jacobian.T) / self.example.gamma)

    @property
    def covariance(self) -> Array:
        """Marginal covariance ``J J' + gamma I``, ``(D, D)``."""
        noise = self.example.gamma * np.eye(len(self.bias))
        return np.asarray(self.jacobian @ self.jacobian.T + noise)

    def marginal_score(self) -> tuple[Array, float]:
        """Compute ``grad_x log p(x)`` of the batch, ``(N, D)``, and its divergence."""
        inverse = np.linalg.inv(self.covariance)
        return np.asarray((self.bias - self.example.data) @ inverse), -float(np.trace(inverse))

    def with_exact_posterior(self) -> LinearVAE:
        """Return the VAE with ``q = p(z|x)``; the columns of J must be orthogonal, so that q is diagonal."""
        model, phi = self.example.model, np.zeros_like(self.example.phi)
        (_, w), (_, bias) = model.phi_layout.named(phi)
        w[0, : model.d_z] = self.to_mean
        bias[0, : model.d_z] = -self.to_mean @ self.bias
        bias[0, model.d_z :] = -0.5 * np.log(np.diag(self.precision))
        return replace(self, example=self.example.at(phi=phi))


@cache
def at_decoded_datum(d_z: int) -> tuple[EngineExample, Array, Array]:
    """Build a linear VAE whose datum is decoded from z0; return it, its Jacobian ``(2, Z)``, z0 ``(Z,)``."""
    vae = LinearVAE.build(2, d_z)
    z0 = np.array([0.9, -0.6])[:d_z]
    return replace(vae.example, x=(vae.jacobian @ z0 + vae.bias)[None, None, None]), vae.jacobian, z0


@cache
def on_the_line() -> tuple[LinearVAE, Array]:
    """Build a linear VAE of one latent and one datum, and m1, s1, m2, s2 of q(z|x) and of p(z|x)."""
    vae = LinearVAE.build(1, 1)
    (mu,), (s,) = (v[0] for v in vae.example.q())
    (mean,) = vae.to_mean @ (vae.example.data[0] - vae.bias)
    return vae, np.array([mu, s, mean, vae.precision[0, 0] ** -0.5])


@cache
def at_exact_posterior() -> LinearVAE:
    """Build a linear VAE of one latent, three data dimensions and two data; q is the exact posterior."""
    return LinearVAE.build(3, 1, n=2, gamma=0.5).with_exact_posterior()
