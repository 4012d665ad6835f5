r"""Binary latents: a factorised Bernoulli q(z|x), a uniform prior, and a relaxation for the gradients.

The encoder outputs logits a, and :math:`p = \sigma(a)` is the probability of 1. With logistic noise
:math:`L = \log u - \log(1 - u)`, the difference of two Gumbel variables,

.. math::
    z = [a + L > 0] \sim \mathrm{Bernoulli}(p), \qquad
    \tilde z = \sigma((a + L) / T), \qquad
    \partial \tilde z / \partial a = \tilde z (1 - \tilde z) / T :

the relaxed sample is on the same side of 1/2 as the exact one, and converges to it as T goes to 0. Training
uses the relaxed samples with the exact KL divergence; evaluation uses the exact samples.

References
----------
Jang, Gu, Poole, "Categorical reparameterization with Gumbel-softmax", ICLR 2017.
Maddison, Mnih, Teh, "The concrete distribution", ICLR 2017, appendix B (the binary case).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..rng import Key
from ..types import Array, DType, Kernels, Shape
from .posterior import Moments

LOG_2 = float(np.log(2.0))
#: Half the spacing of uniforms of 24 bits; added to u, it keeps both logarithms finite and symmetric.
_HALF = 2.0**-25


@dataclass(frozen=True)
class Odds(Moments):
    """A factorised Bernoulli distribution: the moments of its 0s and 1s, and its logits ``(R, 1, N, Z)``."""

    logits: Array

    def place(self, eps: Array) -> Array:
        """Raise a TypeError: binary latents are not a function of normal noise."""
        raise TypeError("Binary latents are not placed by normals.")


@dataclass(frozen=True)
class Bernoulli:
    """The posterior ``q(z|x) = prod_j p_j^{z_j} (1 - p_j)^{1 - z_j}`` with logits from the encoder.

    The prior is ``p(z) = 2^-Z``.

    Parameters
    ----------
    d_z : int
        Latent dimension; the encoder outputs ``d_z`` features.
    temperature : float
        T of the relaxed samples: the closer to 0, the closer they are to 0 and 1, and the larger the variance
        of their gradients.
    """

    d_z: int
    temperature: float = 0.5
    has_density: ClassVar[bool] = False
    prior_sd: ClassVar[float] = 0.5

    @property
    def n_features(self) -> int:
        return self.d_z

    def moments(self, k: Kernels, features: Array) -> Odds:
        """Compute the mean ``p`` and standard deviation ``sqrt(p (1 - p))`` from logits ``(R, 1, N, Z)``."""
        p = k.activation("sigmoid", features)
        return Odds(p, np.sqrt(p * (1 - p)), features)

    def sample(self, k: Kernels, key: Key, q: Odds, samples: int) -> Array:
        """Draw relaxed samples in (0, 1), ``(R, S, N, Z)``."""
        noise = logistic(k, key, (samples, *q.logits.shape[2:]), q.logits.dtype)
        return k.activation("sigmoid", (q.logits + noise) / self.temperature)

    def pathwise(self, k: Kernels, key: Key, q: Odds, gz: Array, kl_weight: float) -> Array:
        """Compute ``da = sum gz z (1 - z) / T + w a p (1 - p)`` with the relaxed z."""
        z = self.sample(k, key, q, gz.shape[1])
        da = (gz * z * (1 - z)).sum(1, keepdims=True) / self.temperature
        total: Array = da + kl_weight * q.logits * q.mu * (1 - q.mu)
        return total

    def draw(self, k: Kernels, key: Key, q: Odds, samples: int, first: int = 0) -> Array:
        """Draw exact samples of 0 and 1; the noise of the stream is ordered by datum, sample, latent."""
        shape = (q.logits.shape[2], samples, self.d_z)
        noise = logistic(k, key, shape, q.logits.dtype, first * samples * self.d_z).swapaxes(1, 2)
        ones: Array = q.logits + noise > 0
        return ones.astype(q.logits.dtype)

    def log_prob(self, q: Odds, z: Array) -> Array:
        """Compute ``sum z a - log(1 + e^a)`` in nats, ``(R, S, N)``, for z of 0s and 1s."""
        value: Array = (z * q.logits - np.logaddexp(0, q.logits)).sum(-1)
        return value

    def kl(self, q: Odds) -> Array:
        """Compute ``sum p a - log(1 + e^a) + log 2`` in nats, ``(R, 1, N)``.

        Each latent contributes log 2 minus its entropy.
        """
        value: Array = (q.mu * q.logits - np.logaddexp(0, q.logits) + LOG_2).sum(-1)
        return value

    def prior(self, k: Kernels, key: Key, shape: Shape, dtype: DType, first: int = 0) -> Array:
        """Draw 0 and 1 with equal probability."""
        ones: Array = key.uniform(k, shape, dtype, first) >= 0.5
        return ones.astype(dtype)

    def log_prior(self, z: Array) -> Array:
        """Compute the log prior, ``-Z log 2``."""
        value: Array = 0 * z.sum(-1) - z.shape[-1] * LOG_2
        return value


def logistic(k: Kernels, key: Key, shape: Shape, dtype: DType, first: int = 0) -> Array:
    """Draw logistic noise ``log u - log(1 - u)``, ``(R, *shape)``; u is the centre of a 2^-24 cell."""
    u = key.uniform(k, shape, dtype, first)
    noise: Array = np.log(u + _HALF) - np.log((1 - u) - _HALF)
    return noise
