r"""A model small enough for quadrature: one latent, two data dimensions, everything nonlinear.

.. math::
    p(z) = N(0, 1), \quad p(x|z) = N(g(z), \gamma I), \quad q(z|x) = N(\mu(x), s(x)^2), \quad
    \pi = \text{a mixture of two Gaussians}.

Every function is entire and comes with its derivatives written out, so that both sides of a statement
can be evaluated to ten digits without the engine. Data ``x (..., 2)``, latent ``z (...)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ....types import Array
from ..quadrature import normal_log_density, normal_rule

_WEIGHTS = np.array([0.4, 0.6])
_MEANS = np.array([[-0.4, 0.2], [0.3, -0.2]])
_SDS = np.array([0.6, 0.5])  # of both components; the scales are similar, so that the rules converge fast


@dataclass(frozen=True)
class Toy:
    """The model, its variational posterior and its data distribution.

    Attributes
    ----------
    gamma : float
        Variance of the likelihood.
    x_nodes, z_nodes, prior_nodes : int
        Numbers of nodes for one coordinate of a component of the data, for q and for the prior.
    """

    gamma: float = 0.4
    x_nodes: int = 36
    z_nodes: int = 40
    prior_nodes: int = 150
    d_x: int = 2
    d_z: int = 1

    # --- the decoder and the encoder ---

    def g(self, z: Array) -> Array:
        """Compute the decoder mean, ``(..., 2)``."""
        return np.stack([1.1 * np.sin(z), 0.6 * z + 0.3 * np.cos(z)], -1)

    def dg(self, z: Array) -> Array:
        """Compute the decoder's derivative in z, ``(..., 2)``."""
        return np.stack([1.1 * np.cos(z), 0.6 - 0.3 * np.sin(z)], -1)

    def d2g(self, z: Array) -> Array:
        """Compute the decoder's second derivative in z, ``(..., 2)``."""
        return np.stack([-1.1 * np.sin(z), -0.3 * np.cos(z)], -1)

    def mu(self, x: Array) -> Array:
        """Compute the mean of q."""
        return np.asarray(0.7 * np.sin(x[..., 0] + 0.5 * x[..., 1]))

    def dmu(self, x: Array) -> Array:
        """Compute the gradient in x of the mean of q, ``(..., 2)``."""
        slope = 0.7 * np.cos(x[..., 0] + 0.5 * x[..., 1])
        return np.stack([slope, 0.5 * slope], -1)

    def s(self, x: Array) -> Array:
        """Compute the standard deviation of q."""
        return np.asarray(np.exp(-0.6 + 0.3 * np.sin(x[..., 0] - x[..., 1])))

    def dlog_s(self, x: Array) -> Array:
        """Compute the gradient in x of ``log s``, ``(..., 2)``."""
        slope = 0.3 * np.cos(x[..., 0] - x[..., 1])
        return np.stack([slope, -slope], -1)

    # --- log-densities and scores ---

    def log_prior(self, z: Array) -> Array:
        """Compute ``log p(z)`` elementwise."""
        return normal_log_density(z, 0.0, 1.0)

    def log_likelihood(self, x: Array, z: Array) -> Array:
        """Compute ``log p(x|z)``, summed over the data axis."""
        return np.asarray(normal_log_density(x, self.g(z), self.gamma).sum(-1))

    def log_q(self, x: Array, z: Array) -> Array:
        """Compute ``log q(z|x)`` elementwise."""
        return normal_log_density(z, self.mu(x), self.s(x) ** 2)

    def score_p(self, x: Array, z: Array) -> Array:
        """Compute ``s^p = grad_x log p(x|z)``, ``(..., 2)``."""
        return np.asarray((self.g(z) - x) / self.gamma)

    def score_q(self, x: Array, z: Array) -> Array:
        """Compute ``s^q = grad_x log q(z|x)``, z held fixed, ``(..., 2)``."""
        eps = (z - self.mu(x)) / self.s(x)
        in_mu, in_log_s = eps / self.s(x), eps * eps - 1
        return np.asarray(in_mu[..., None] * self.dmu(x) + in_log_s[..., None] * self.dlog_s(x))

    def latent_score_q(self, x: Array, z: Array) -> Array:
        """Compute ``grad_z log q(z|x)`` elementwise."""
        return np.asarray(-(z - self.mu(x)) / self.s(x) ** 2)

    def latent_score_p(self, x: Array, z: Array) -> Array:
        """Compute ``grad_z log p(z, x)``, which is ``grad_z log p(z|x)``."""
        return np.asarray(-z + (self.dg(z) * (x - self.g(z))).sum(-1) / self.gamma)

    def log_pi(self, x: Array) -> Array:
        """Compute ``log pi(x)`` of the mixture."""
        return np.asarray(np.log(self._components(x).sum(-1)))

    def score_pi(self, x: Array) -> Array:
        """Compute ``grad_x log pi(x)``, ``(..., 2)``."""
        share = self._components(x)
        share = share / share.sum(-1, keepdims=True)
        return np.asarray((share[..., None] * (_MEANS - x[..., None, :]) / _SDS**2).sum(-2))

    def _components(self, x: Array) -> Array:
        eps = (x[..., None, :] - _MEANS) / _SDS
        return np.asarray(_WEIGHTS * np.exp(-0.5 * (eps * eps).sum(-1)) / (2 * np.pi * _SDS.prod()))

    # --- the marginal and the exact posterior ---

    def log_marginal(self, x: Array) -> Array:
        """Compute ``log p(x)`` by quadrature over the prior."""
        z, w = self._prior
        return np.asarray(np.log(np.exp(self.log_likelihood(x[..., None, :], z)) @ w))

    def expect_posterior(self, f: Callable[[Array, Array], Array], x: Array) -> Array:
        """Compute ``E_{p(z|x)} f(x, z)`` for ``x (K, 2)``; f takes ``x (K, 1, 2)``, ``z (Q,)``."""
        z, w = self._prior
        x = x[:, None, :]
        weights = w * np.exp(self.log_likelihood(x, z))
        weights = weights / weights.sum(-1, keepdims=True)
        return np.asarray(np.einsum("kq,kq...->k...", weights, f(x, z)))

    def score_marginal(self, x: Array) -> Array:
        """Compute ``grad_x log p(x)`` for ``x (K, 2)``, as the derivative of the integral, ``(K, 2)``."""
        z, w = self._prior
        x = x[:, None, :]
        density = w * np.exp(self.log_likelihood(x, z))
        slope = density[..., None] * self.score_p(x, z)
        return np.asarray(slope.sum(1) / density.sum(1)[:, None])

    @property
    def _prior(self) -> tuple[Array, Array]:
        """Trapezoidal nodes and weights of the prior, a rule that is accurate for a narrow likelihood."""
        z = np.linspace(-9, 9, self.prior_nodes)
        return z, np.exp(self.log_prior(z)) * (z[1] - z[0])

    # --- expectations ---

    @property
    def data(self) -> tuple[Array, Array]:
        """Nodes ``(K, 2)`` and weights ``(K,)`` of pi."""
        nodes, w = normal_rule(self.x_nodes, 2)
        x = (_MEANS[:, None] + _SDS * nodes).reshape(-1, 2)
        return x, (_WEIGHTS[:, None] * w).reshape(-1)

    @property
    def few(self) -> Array:
        """Every 97th node of pi, for statements that hold pointwise in x, ``(K, 2)``."""
        return self.data[0][::97]

    def expect_pi(self, f: Callable[[Array], Array]) -> Array:
        """Compute ``E_pi f(x)`` for a function f that maps ``x (K, 2)`` to ``(K, ...)``."""
        x, w = self.data
        return np.asarray(np.einsum("k,k...->...", w, f(x)))

    def expect_q(self, f: Callable[[Array, Array], Array], x: Array) -> Array:
        """Compute ``E_{q(z|x)} f(x, z)``, ``(K, ...)``, at ``x (K, 2)``.

        The function f takes ``x (K, 1, 2)`` and ``z (K, Q)``.
        """
        eps, w = normal_rule(self.z_nodes)
        x = x[:, None, :]
        z = self.mu(x) + self.s(x) * eps[:, 0]
        return np.asarray(np.einsum("q,kq...->k...", w, f(x, z)))

    def expect(self, f: Callable[[Array, Array], Array]) -> Array:
        """Compute the expectation ``E_pi E_q f(x, z)``."""
        return self.expect_pi(lambda x: self.expect_q(f, x))


def square(v: Array) -> Array:
    """Compute ``|v|^2`` over the last axis."""
    return np.asarray((v * v).sum(-1))


def dot(u: Array, v: Array) -> Array:
    """Compute ``u . v`` over the last axis."""
    return np.asarray((u * v).sum(-1))
