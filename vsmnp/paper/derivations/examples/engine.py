"""A small VAE on the engine's own code, and quadrature that uses only its two networks as functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ....model.likelihood import precision
from ....model.vae import GaussianVAE
from ....objectives import Objective, Outcome
from ....rng import Key, Stream
from ....types import Array, Kernels
from ..evidence import gradient_in, mean_and_error
from ..quadrature import normal_rule
from .kernel_set import kernels

#: Posterior samples for each datum in one call of an objective.
_SAMPLES = 20_000


@dataclass(frozen=True)
class EngineExample:
    """One model in float64 on the reference kernels, with a batch.

    Attributes
    ----------
    k, model
        Kernels and architecture.
    phi, theta : Array
        Parameter vectors ``(1, P_e)`` and ``(1, P_d)``.
    x : Array
        Batch of data ``(1, 1, N, D)``.
    nodes : int
        Nodes of the rule for one latent coordinate.
    """

    k: Kernels
    model: GaussianVAE
    phi: Array
    theta: Array
    x: Array
    nodes: int = 70

    @classmethod
    def build(
        cls, d_x: int = 3, d_z: int = 2, hidden: Sequence[int] = (5,), activation: str = "tanh", n: int = 4,
        gamma: float = 0.3, seed: int = 4, scale: str = "exp", nodes: int = 70,
    ) -> EngineExample:  # fmt: skip
        """Build a model with weights of moderate size: clearly nonlinear, but quadrature converges.

        Its sizes differ from each other, so that a formula with one of them in place of another fails.
        """
        model = GaussianVAE.mlp(d_x, d_z, hidden, activation, scale)
        rng = np.random.default_rng(seed)
        phi = 0.5 * rng.standard_normal((1, model.phi_layout.size))
        theta = 0.5 * rng.standard_normal((1, model.theta_layout.size))
        *_, (_, w), (_, bias) = model.phi_layout.named(phi)
        w[:, d_z:] *= 0.3  # q is narrow enough for the rules, and wide enough to matter
        bias[:, d_z:] = -0.7
        model.log_sd(theta)[:] = 0.5 * np.log(gamma)
        x = rng.standard_normal((1, 1, n, d_x))
        return cls(kernels(), model, phi, theta, x, nodes)

    @property
    def gamma(self) -> float:
        """The likelihood variance of the model."""
        return float(1 / precision(self.model.log_sd(self.theta))[0])

    @property
    def data(self) -> Array:
        """The batch as ``(N, D)``."""
        return np.asarray(self.x[0, 0])

    # --- the two networks as plain functions ---

    def q(self, x: Array | None = None) -> tuple[Array, Array]:
        """Compute ``mu, s`` of ``x (N, D)``, each ``(N, Z)``."""
        batch = self.x if x is None else np.asarray(x)[None, None]
        q, _ = self.model.encode(self.k, self.phi, batch)
        return q.mu[0, 0], q.s[0, 0]

    def g(self, z: Array) -> Array:
        """Compute the decoder mean of ``z (..., Z)``, ``(..., D)``."""
        flat = np.asarray(z).reshape(1, 1, -1, self.model.d_z)
        return self.model.decode(self.k, self.theta, flat)[0].reshape(*z.shape[:-1], self.model.d_x)

    def noise(self) -> tuple[Array, Array]:
        """Return nodes ``eps (Q, 1, Z)`` and weights ``(Q,)`` that represent the posterior noise."""
        eps, w = normal_rule(self.nodes, self.model.d_z)
        return eps[:, None, :], w

    def expect(self, f: Callable[[Array, Array], Array]) -> Array:
        """Compute ``E_q f`` of each datum; f maps ``eps (Q, 1, Z)``, ``z (Q, N, Z)`` to ``(Q, N, ...)``."""
        eps, w = self.noise()
        return np.asarray(np.einsum("q,qn...->n...", w, f(eps, self.place(eps))))

    def place(self, eps: Array, x: Array | None = None) -> Array:
        """Compute the latents ``mu + s eps`` of the batch, or of other data."""
        mu, s = self.q(x)
        return np.asarray(mu + s * eps)

    def mean_decoded(self, x: Array) -> Array:
        """Compute ``E_q g(z)`` of ``x (N, D)``, ``(N, D)``."""
        eps, w = self.noise()
        return np.asarray(np.tensordot(w, self.g(self.place(eps, x)), 1))

    def log_likelihood(self, z: Array) -> Array:
        """Compute ``log p(x|z)`` of ``z (..., N, Z)`` up to a constant, ``(..., N)``."""
        return np.asarray(-0.5 * ((self.data - self.g(z)) ** 2).sum(-1) / self.gamma)

    def likelihood_score(self, z: Array) -> Array:
        """Compute ``grad_z log p(x|z)`` of ``z (S, N, Z)`` by the decoder's backward rule."""
        g, cache = self.model.decode(self.k, self.theta, z[None])
        part = self.model.decoder_part(self.theta)
        pulled = self.model.decoder.vjp(self.k, part, cache, (self.x - g) / self.gamma, None)
        assert pulled is not None
        return np.asarray(pulled[0])

    def score_p(self, z: Array) -> Array:
        """Compute ``s^p`` of ``z (Q, N, Z)``, ``(Q, N, D)``."""
        return np.asarray((self.g(z) - self.data) / self.gamma)

    def score_q(self, eps: Array) -> Array:
        """Compute ``s^q`` at ``eps (Q, 1, Z)``, z fixed, ``(Q, N, D)``, by differences of ``log q(z|x)``."""
        z = self.place(eps)

        def log_q(x: Array) -> Array:
            mu, s = self.q(x)
            e = (z - mu) / s
            return np.asarray((-0.5 * e * e - np.log(s)).sum(-1))

        return gradient_in(log_q, self.data)

    # --- the engine itself ---

    def at(self, phi: Array | None = None, theta: Array | None = None) -> EngineExample:
        """Return the same example with other parameters."""
        return replace(
            self, phi=self.phi if phi is None else phi, theta=self.theta if theta is None else theta
        )

    def outcomes(
        self, objective: Callable[[int], Objective], samples: int, value: Callable[[Outcome], Array]
    ) -> tuple[Array, Array]:
        """Estimate mean and standard error of an objective from ``samples`` posterior samples a datum.

        Parameters
        ----------
        objective : callable
            ``objective(S)``: the objective with S samples, whose bias in S, if any, is included in the mean.
        samples : int
            Number of samples in all; they are drawn in independent calls.
        value : callable
            Function of the :class:`~vsmnp.objectives.Outcome`: a loss or a gradient, ``(...)``.
        """
        calls = max(16, samples // _SAMPLES)
        ready = objective(max(2, samples // calls))
        key = Key((11,))
        values = np.stack([
            np.asarray(value(ready(self.k, self.model, self.phi, self.theta, self.x,
                                   key.on(Stream.OUTCOME, step))))
            for step in range(calls)
        ])  # fmt: skip
        return mean_and_error(values)
