"""The diagonal Gaussian posterior: samples, densities, scores, and their gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import ConfigError
from ..rng import Key
from ..settings.choices import SCALES
from ..types import ActivationName, Array, DType, Kernels, Shape
from .likelihood import LOG_2PI, kl_to_normal, log_normal
from .posterior import Moments


@dataclass(frozen=True)
class DiagonalGaussian:
    """The posterior ``q(z|x) = N(z; mu(x), diag s(x)^2)`` of a Gaussian VAE.

    The encoder outputs ``(mu, rho)``, and ``s = S(rho)``. The prior is N(0, I).

    Parameters
    ----------
    d_z : int
        Latent dimension; the encoder outputs ``2 d_z`` features.
    scale : {"exp", "softplus"}
        S; both choices satisfy ``S' = h(S)``, so that S'' = h'(S) S'.

    Raises
    ------
    ConfigError
        If the scale is another one.
    """

    d_z: int
    scale: ActivationName = "exp"
    has_density: ClassVar[bool] = True
    prior_sd: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ConfigError(f"The posterior scale is {' or '.join(SCALES)}, not '{self.scale}'.")

    @property
    def n_features(self) -> int:
        return 2 * self.d_z

    def moments(self, k: Kernels, features: Array) -> Moments:
        """Compute ``(mu, s)`` from the encoder's output ``(R, 1, N, 2Z)``."""
        rho = features[..., self.d_z :]
        return Moments(features[..., : self.d_z], k.activation(self.scale, rho))

    def sample(self, k: Kernels, key: Key, q: Moments, samples: int) -> Array:
        """Draw reparametrised ``z (R, S, N, Z)``; :meth:`noise` regenerates their noise from the key."""
        return key.sample(k, q.mu, q.s, samples)

    def noise(self, k: Kernels, key: Key, samples: int, like: Array) -> Array:
        """Draw noise ``eps (R, S, N, Z)``, S samples for each datum of a batch ``like (., ., N, ...)``."""
        return key.normal(k, (samples, like.shape[2], self.d_z), like.dtype)

    def pathwise(self, k: Kernels, key: Key, q: Moments, gz: Array, kl_weight: float) -> Array:
        """Compute the gradient in the features, from ``dmu`` and ``ds`` of ``z = mu + s eps``.

        ``dmu = sum gz + w mu`` and ``ds = sum gz eps + w (s - 1/s)``, w the KL weight.
        """
        eps = self.noise(k, key, gz.shape[1], gz)
        kl_mu, kl_s = self.kl_gradient(q)
        gmu = gz.sum(1, keepdims=True) + kl_mu * kl_weight
        gs = (gz * eps).sum(1, keepdims=True) + kl_s * kl_weight
        return self.vjp(k, q, gmu, gs)

    def draw(self, k: Kernels, key: Key, q: Moments, samples: int, first: int = 0) -> Array:
        """Draw ``mu + s eps``; the normals of the stream are ordered by datum, sample, latent."""
        shape = (q.mu.shape[2], samples, self.d_z)
        return q.place(key.normal(k, shape, q.mu.dtype, first * samples * self.d_z).swapaxes(1, 2))

    def log_prob(self, q: Moments, z: Array) -> Array:
        """Compute ``log q(z|x)`` in nats, ``(R, S, N)``."""
        eps = (z - q.mu) / q.s
        value: Array = -(0.5 * eps * eps + np.log(q.s) + 0.5 * LOG_2PI).sum(-1)
        return value

    def kl(self, q: Moments) -> Array:
        """Compute ``KL[q || N(0, I)]`` in nats, ``(R, 1, N)``: the second term of equation (1)."""
        return kl_to_normal(q.mu, q.s)

    def kl_gradient(self, q: Moments) -> tuple[Array, Array]:
        """Compute the gradient of the KL divergence in mu and s: ``mu`` and ``s - 1/s``."""
        return q.mu, q.s - 1 / q.s

    def prior(self, k: Kernels, key: Key, shape: Shape, dtype: DType, first: int = 0) -> Array:
        """Draw standard normals as samples of the prior."""
        return key.normal(k, shape, dtype, first)

    def log_prior(self, z: Array) -> Array:
        """Compute the log prior, ``log N(z; 0, I)``."""
        return log_normal(z)

    def score_features(self, k: Kernels, q: Moments, eps: Array) -> Array:
        """Compute the score of q in the encoder's features, z fixed: ``(eps/s, (eps^2 - 1) S'/s)``.

        Its vjp through the encoder is ``s^q = grad_x log q(z|x)``.
        """
        return self.vjp(k, q, eps / q.s, (eps * eps - 1) / q.s)

    def vjp(self, k: Kernels, q: Moments, gmu: Array, gs: Array) -> Array:
        """Map cotangents of ``(mu, s)`` to a cotangent of the features ``(mu, rho)``: ``drho = S' ds``."""
        gmu, gs = np.broadcast_arrays(gmu, k.activation_slope(self.scale, q.s, gs))
        return np.concatenate([gmu, gs], axis=-1)

    def moments_along(self, k: Kernels, q: Moments, dfeatures: Array) -> Moments:
        """Compute the tangent of ``(mu, s)`` along a tangent of the features: ``ds = S' drho``."""
        drho = dfeatures[..., self.d_z :]
        return Moments(dfeatures[..., : self.d_z], k.activation_slope(self.scale, q.s, drho))

    def vjp_along(self, k: Kernels, q: Moments, dq: Moments, gs: Array, dgmu: Array, dgs: Array) -> Array:
        """Compute the tangent of :meth:`vjp` along ``dq``, given those of its cotangents ``(dgmu, dgs)``.

        The second half is ``S' dgs + S'' drho gs``.
        """
        dgrho = k.activation_curve(self.scale, q.s, dq.s, gs, dgs)
        return np.concatenate([dgmu, dgrho], axis=-1)

    def score_along(self, k: Kernels, q: Moments, u: Array, w: Array, y: Array) -> Array:
        """Compute ``(da/df)' y`` of ``a = (u/s, w S'/s)``, u and w held fixed, f the features.

        The first half is zero, and the second ``-y_mu u S'/s^2 + y_rho w (S''/s - S'^2/s^2)``.
        """
        s, one = q.s, np.ones_like(q.s)
        ds = k.activation_slope(self.scale, s, one)  # S'
        dds = k.activation_curve(self.scale, s, ds, one, None)  # S''
        y_mu, y_rho = y[..., : self.d_z], y[..., self.d_z :]
        da_rho = -y_mu * u * ds / s**2 + y_rho * w * (dds / s - ds**2 / s**2)
        return np.concatenate([np.zeros_like(da_rho), da_rho], axis=-1)
