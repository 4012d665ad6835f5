"""Variational posteriors q(z|x), as functions of what the encoder puts out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from ..rng import Key
from ..types import ActivationName, Array, DType, Kernels, Shape
from .likelihood import LOG_2PI, kl_to_normal, log_normal


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of q, each ``(R, 1, N, Z)``."""

    mu: Array
    s: Array

    def place(self, eps: Array) -> Array:
        """Reparametrised samples ``z = mu + s eps``, ``(R, S, N, Z)``."""
        z: Array = self.mu + self.s * eps
        return z


class Posterior(Protocol):
    """A family of q(z|x) with its prior p(z): all that KL inference, the ELBO and M1 ask of one.

    ``q`` is what :meth:`moments` returned, with leading axes ``(R, 1, N)``.
    """

    has_density: ClassVar[bool]
    """Whether z has a density, whose scores the other objectives need."""
    prior_sd: ClassVar[float]
    """Standard deviation of each latent under the prior."""

    @property
    def d_z(self) -> int:
        """Latent dimension."""

    @property
    def n_features(self) -> int:
        """Features the encoder must put out."""

    def moments(self, k: Kernels, features: Array) -> Moments:
        """Read q off the encoder's output ``(R, 1, N, features)``."""

    def sample(self, k: Kernels, key: Key, q: Any, samples: int) -> Array:
        """Samples ``z (R, S, N, Z)`` that q's parameters move smoothly, with the noise of a key."""

    def pathwise(self, k: Kernels, key: Key, q: Any, gz: Array, kl_weight: float) -> Array:
        """The gradient of ``<gz, z> + kl_weight KL`` in the features, z being :meth:`sample` of that key."""

    def draw(self, k: Kernels, key: Key, q: Any, samples: int, first: int = 0) -> Array:
        """Exact samples ``z (R, S, N, Z)``, whose noise is a function of the datum.

        ``first`` is the place of the batch in its data: the noise does not depend on how they are cut.
        """

    def log_prob(self, q: Any, z: Array) -> Array:
        """``log q(z|x)`` in nats, ``(R, S, N)``."""

    def kl(self, q: Any) -> Array:
        """``KL[q || p(z)]`` in nats, ``(R, 1, N)``."""

    def prior(self, k: Kernels, key: Key, shape: Shape, dtype: DType, first: int = 0) -> Array:
        """Draws from p(z), ``(R, *shape)``; ``first`` is their place in the key's stream."""

    def log_prior(self, z: Array) -> Array:
        """``log p(z)`` in nats over the last axis."""


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
