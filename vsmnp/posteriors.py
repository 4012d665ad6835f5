"""Variational posteriors q(z|x), as functions of what the encoder puts out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .gaussian import LOG_2PI, kl_to_normal
from .rng import Key
from .types import ActivationName, Array, Kernels


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of q, each ``(R, 1, N, Z)``."""

    mu: Array
    s: Array

    def place(self, eps: Array) -> Array:
        """Reparametrised samples ``z = mu + s eps``, ``(R, S, N, Z)``."""
        z: Array = self.mu + self.s * eps
        return z


@dataclass(frozen=True)
class DiagonalGaussian:
    """``q(z|x) = N(z; mu(x), diag s(x)^2)`` with ``(mu, rho)`` from the encoder and ``s = S(rho)``.

    Parameters
    ----------
    d_z : int
        Latent dimension; the encoder puts out ``2 d_z`` features.
    scale : {"exp", "softplus"}
        S. Both solve ``S' = h(S)``, so that S'' = h'(S) S'.
    """

    d_z: int
    scale: ActivationName = "exp"

    @property
    def n_features(self) -> int:
        """Features the encoder must put out."""
        return 2 * self.d_z

    def moments(self, k: Kernels, features: Array) -> Moments:
        """Read ``(mu, s)`` off the encoder's output ``(R, 1, N, 2Z)``."""
        rho = features[..., self.d_z :]
        return Moments(features[..., : self.d_z], k.activation(self.scale, rho))

    def sample(self, k: Kernels, key: Key, q: Moments, samples: int) -> Array:
        """Reparametrised samples ``z (R, S, N, Z)`` with the noise of a key; :meth:`noise` makes it again."""
        return key.sample(k, q.mu, q.s, samples)

    def noise(self, k: Kernels, key: Key, samples: int, like: Array) -> Array:
        """The noise ``eps (R, S, N, Z)`` of S samples for each datum of a batch ``like (., ., N, ...)``."""
        return key.normal(k, (samples, like.shape[2], self.d_z), like.dtype)

    def log_prob(self, q: Moments, z: Array) -> Array:
        """``log q(z|x)`` in nats, ``(R, S, N)``."""
        eps = (z - q.mu) / q.s
        value: Array = -(0.5 * eps * eps + np.log(q.s) + 0.5 * LOG_2PI).sum(-1)
        return value

    def kl(self, q: Moments) -> Array:
        """``KL[q || N(0, I)]`` in nats, ``(R, 1, N)``: the second term of equation (1)."""
        return kl_to_normal(q.mu, q.s)

    def kl_gradient(self, q: Moments) -> tuple[Array, Array]:
        """Its gradient in mu and s: ``mu`` and ``s - 1/s``."""
        return q.mu, q.s - 1 / q.s

    def score_features(self, k: Kernels, q: Moments, eps: Array) -> Array:
        """The score of q in the encoder's features, z held fixed: ``(eps/s, (eps^2 - 1) S'/s)``.

        Pulled back through the encoder it is ``s^q = grad_x log q(z|x)``.
        """
        return self.pull(k, q, eps / q.s, (eps * eps - 1) / q.s)

    def pull(self, k: Kernels, q: Moments, gmu: Array, gs: Array) -> Array:
        """Cotangents of ``(mu, s)`` to one of the features ``(mu, rho)``: ``drho = S' ds``."""
        gmu, gs = np.broadcast_arrays(gmu, k.activation_slope(self.scale, q.s, gs))
        return np.concatenate([gmu, gs], axis=-1)
