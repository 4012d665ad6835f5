"""The protocol of a variational posterior q(z|x), a function of the output of the encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from ..rng import Key
from ..types import Array, DType, Kernels, Shape


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
