"""The protocol of a variational posterior q(z|x), a function of the output of the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from ..rng import Key
from ..types import Array, DType, Kernels, Shape


@dataclass(frozen=True)
class Moments:
    """The mean and standard deviation of q, each ``(R, 1, N, Z)``."""

    mu: Array
    s: Array

    def place(self, eps: Array) -> Array:
        """Compute reparametrised samples ``z = mu + s eps``, ``(R, S, N, Z)``."""
        z: Array = self.mu + self.s * eps
        return z


class Posterior(Protocol):
    """A family of q(z|x) with its prior p(z): what KL inference, the ELBO and M1 require.

    ``q`` is the return value of :meth:`moments`, with leading axes ``(R, 1, N)``.
    """

    has_density: ClassVar[bool]
    """Whether z has a density, whose scores the other objectives need."""
    prior_sd: ClassVar[float]
    """Standard deviation of each latent under the prior."""

    @property
    def d_z(self) -> int:
        """Latent dimension of the posterior."""

    @property
    def n_features(self) -> int:
        """Number of features that the encoder outputs."""

    def moments(self, k: Kernels, features: Array) -> Moments:
        """Compute q from the encoder's output ``(R, 1, N, features)``."""

    def sample(self, k: Kernels, key: Key, q: Any, samples: int) -> Array:
        """Draw samples ``z (R, S, N, Z)`` that are smooth in q's parameters, with the noise of a key."""

    def pathwise(self, k: Kernels, key: Key, q: Any, gz: Array, kl_weight: float) -> Array:
        """Compute the gradient of ``<gz, z> + kl_weight KL`` in the features, z from :meth:`sample`."""

    def draw(self, k: Kernels, key: Key, q: Any, samples: int, first: int = 0) -> Array:
        """Draw exact samples ``z (R, S, N, Z)`` whose noise is a function of the datum.

        ``first`` is the index of the batch's first datum: the noise does not depend on the batch size.
        """

    def log_prob(self, q: Any, z: Array) -> Array:
        """Compute ``log q(z|x)`` in nats, ``(R, S, N)``."""

    def kl(self, q: Any) -> Array:
        """Compute ``KL[q || p(z)]`` in nats, ``(R, 1, N)``."""

    def prior(self, k: Kernels, key: Key, shape: Shape, dtype: DType, first: int = 0) -> Array:
        """Draw from p(z), ``(R, *shape)``; ``first`` is the offset of the draws in the key's stream."""

    def log_prior(self, z: Array) -> Array:
        """Compute ``log p(z)`` in nats over the last axis."""
