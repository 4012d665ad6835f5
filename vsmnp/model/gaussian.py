"""The diagonal Gaussian posterior: samples, densities, scores, and their gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..rng import Key
from ..types import ActivationName, Array, DType, Kernels, Shape
from .likelihood import LOG_2PI, kl_to_normal, log_normal
from .posterior import Moments


@dataclass(frozen=True)
class DiagonalGaussian:
    """``q(z|x) = N(z; mu(x), diag s(x)^2)`` with ``(mu, rho)`` from the encoder and ``s = S(rho)``.

    The prior is N(0, I).

    Parameters
    ----------
    d_z : int
        Latent dimension; the encoder puts out ``2 d_z`` features.
    scale : {"exp", "softplus"}
        S. Both solve ``S' = h(S)``, so that S'' = h'(S) S'.
    """

    d_z: int
    scale: ActivationName = "exp"
    has_density: ClassVar[bool] = True
    prior_sd: ClassVar[float] = 1.0

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

    def pathwise(self, k: Kernels, key: Key, q: Moments, gz: Array, kl_weight: float) -> Array:
        """Of ``z = mu + s eps``: ``dmu = sum gz + w mu`` and ``ds = sum gz eps + w (s - 1/s)``."""
        eps = self.noise(k, key, gz.shape[1], gz)
        kl_mu, kl_s = self.kl_gradient(q)
        gmu = gz.sum(1, keepdims=True) + kl_mu * kl_weight
        gs = (gz * eps).sum(1, keepdims=True) + kl_s * kl_weight
        return self.pull(k, q, gmu, gs)

    def draw(self, k: Kernels, key: Key, q: Moments, samples: int, first: int = 0) -> Array:
        """``mu + s eps``; the stream has the normals by datum, sample, latent."""
        shape = (q.mu.shape[2], samples, self.d_z)
        return q.place(key.normal(k, shape, q.mu.dtype, first * samples * self.d_z).swapaxes(1, 2))

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

    def prior(self, k: Kernels, key: Key, shape: Shape, dtype: DType, first: int = 0) -> Array:
        """Standard normals."""
        return key.normal(k, shape, dtype, first)

    def log_prior(self, z: Array) -> Array:
        """``log N(z; 0, I)``."""
        return log_normal(z)

    def score_features(self, k: Kernels, q: Moments, eps: Array) -> Array:
        """The score of q in the encoder's features, z held fixed: ``(eps/s, (eps^2 - 1) S'/s)``.

        Pulled back through the encoder it is ``s^q = grad_x log q(z|x)``.
        """
        return self.pull(k, q, eps / q.s, (eps * eps - 1) / q.s)

    def pull(self, k: Kernels, q: Moments, gmu: Array, gs: Array) -> Array:
        """Cotangents of ``(mu, s)`` to one of the features ``(mu, rho)``: ``drho = S' ds``."""
        gmu, gs = np.broadcast_arrays(gmu, k.activation_slope(self.scale, q.s, gs))
        return np.concatenate([gmu, gs], axis=-1)
