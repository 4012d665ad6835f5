r"""The joint divergence by its definition and by the engine, for the toy and a linear model.

In the linear model of Section 3.1 every joint divergence is one between two Gaussians in the plane:

.. math::
    p(z) = N(0, 1), \quad p(x|z) = N(\theta z, \gamma), \quad q(z|x) = N(\phi x, v), \quad
    \pi = N(0, \sigma^2) .

It has the methods of :class:`~vsmnp.paper.derivations.examples.toy.Toy`, with data ``x (..., 1)`` and latent
``z (...)``, and the engine accepts it as a model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ....layers.dense import Dense
from ....model.gaussian import DiagonalGaussian
from ....model.vae import GaussianVAE
from ....objectives import JointFisherLearning
from ....types import Array
from ..evidence import derivative
from ..quadrature import normal_log_density, normal_rule
from .engine import EngineExample
from .kernel_set import kernels
from .toy import Toy, square

_NODES = 12  # exact for polynomials of degree 23; scores are linear


@dataclass(frozen=True)
class LinearModel:
    """The linear model of Section 3.1, with one latent and one data dimension.

    Attributes
    ----------
    theta, gamma : float
        Slope and variance of the likelihood.
    phi, v : float
        Slope and variance of q.
    variance : float
        Variance of the data.
    """

    theta: float = 1.3
    gamma: float = 0.5
    phi: float = 0.4
    v: float = 0.2
    variance: float = 1.2
    d_x: int = 1

    @property
    def precision(self) -> float:
        """Precision of the exact posterior."""
        return 1 + self.theta**2 / self.gamma

    @property
    def marginal_variance(self) -> float:
        """Variance of the marginal ``p(x)``."""
        return self.theta**2 + self.gamma

    def exact(self) -> LinearModel:
        """Return the model with the exact posterior in the place of q."""
        slope = self.theta / (self.gamma * self.precision)
        return LinearModel(self.theta, self.gamma, slope, 1 / self.precision, self.variance)

    def regressed(self) -> LinearModel:
        """Return the model whose likelihood minimises M1: the regression of x on z under ``q pi``."""
        covariance = self.phi * self.variance
        slope = covariance / (self.phi * covariance + self.v)
        return LinearModel(slope, self.variance - slope * covariance, self.phi, self.v, self.variance)

    # --- log-densities and scores, shaped like those of Toy ---

    def log_prior(self, z: Array) -> Array:
        """Compute ``log p(z)`` elementwise."""
        return normal_log_density(z, 0.0, 1.0)

    def log_likelihood(self, x: Array, z: Array) -> Array:
        """Compute ``log p(x|z)`` elementwise."""
        return normal_log_density(x[..., 0], self.theta * z, self.gamma)

    def log_q(self, x: Array, z: Array) -> Array:
        """Compute ``log q(z|x)`` elementwise."""
        return normal_log_density(z, self.phi * x[..., 0], self.v)

    def log_posterior(self, x: Array, z: Array) -> Array:
        """Compute ``log p(z|x)`` elementwise."""
        return self.exact().log_q(x, z)

    def log_pi(self, x: Array) -> Array:
        """Compute ``log pi(x)`` elementwise."""
        return normal_log_density(x[..., 0], 0.0, self.variance)

    def log_marginal(self, x: Array) -> Array:
        """Compute ``log p(x)`` elementwise."""
        return normal_log_density(x[..., 0], 0.0, self.marginal_variance)

    def score_p(self, x: Array, z: Array) -> Array:
        """Compute the score ``s^p``, ``(..., 1)``."""
        return np.asarray((self.theta * z[..., None] - x) / self.gamma)

    def score_q(self, x: Array, z: Array) -> Array:
        """Compute the score ``s^q``, ``(..., 1)``."""
        return np.asarray(self.phi * (z[..., None] - self.phi * x) / self.v)

    def score_pi(self, x: Array) -> Array:
        """Compute ``grad_x log pi``, ``(..., 1)``."""
        return np.asarray(-x / self.variance)

    def score_marginal(self, x: Array) -> Array:
        """Compute ``grad_x log p(x)``, ``(..., 1)``."""
        return np.asarray(-x / self.marginal_variance)

    def latent_score_q(self, x: Array, z: Array) -> Array:
        """Compute ``grad_z log q(z|x)`` elementwise."""
        return np.asarray(-(z - self.phi * x[..., 0]) / self.v)

    def latent_score_p(self, x: Array, z: Array) -> Array:
        """Compute ``grad_z log p(z, x)`` elementwise."""
        return np.asarray(-z + self.theta * (x[..., 0] - self.theta * z) / self.gamma)

    # --- expectations ---

    @property
    def data(self) -> tuple[Array, Array]:
        """Nodes ``(K, 1)`` and weights ``(K,)`` of pi."""
        eps, w = normal_rule(_NODES)
        return np.sqrt(self.variance) * eps, w

    def expect_pi(self, f: Callable[[Array], Array]) -> Array:
        """Compute ``E_pi f(x)`` for a function f of ``x (K, 1)``."""
        x, w = self.data
        return np.asarray(np.einsum("k,k...->...", w, f(x)))

    def expect_q(self, f: Callable[[Array, Array], Array], x: Array) -> Array:
        """Compute ``E_{q(z|x)} f(x, z)`` for ``x (K, 1)``; f takes ``x (K, 1, 1)``, ``z (K, Q)``."""
        eps, w = normal_rule(_NODES)
        x = x[:, None, :]
        z = self.phi * x[..., 0] + np.sqrt(self.v) * eps[:, 0]
        return np.asarray(np.einsum("q,kq...->k...", w, f(x, z)))

    def expect(self, f: Callable[[Array, Array], Array]) -> Array:
        """Compute the expectation ``E_pi E_q f(x, z)``."""
        return self.expect_pi(lambda x: self.expect_q(f, x))

    # --- divergences of the joints as those of Gaussians in (z, x) ---

    def covariances(self) -> tuple[Array, Array]:
        """Compute the covariances of (z, x) under ``q(z|x) pi(x)`` and ``p(z, x)``, each ``(2, 2)``."""
        covariance = self.phi * self.variance
        q = [[self.phi * covariance + self.v, covariance], [covariance, self.variance]]
        return np.array(q), np.array([[1.0, self.theta], [self.theta, self.marginal_variance]])

    def joint_fisher(self) -> float:
        """Compute ``D_F``: half the trace of ``D C_q D`` with the difference D of the precisions."""
        q, p = self.covariances()
        difference = np.linalg.inv(p) - np.linalg.inv(q)
        return float(np.trace(difference @ q @ difference) / 2)

    def joint_kl(self) -> float:
        """Compute ``D_KL`` in nats: half of ``tr C_p^-1 C_q - 2 - log det C_p^-1 C_q``."""
        q, p = self.covariances()
        ratio = np.linalg.solve(p, q)
        return float((np.trace(ratio) - 2 - np.log(np.linalg.det(ratio))) / 2)

    # --- the engine ---

    def engine(self) -> EngineExample:
        """Build the same VAE in the engine.

        Its batch consists of the two nodes that integrate quadratics in x exactly.
        """
        model = GaussianVAE(Dense(1, 2), Dense(1, 1), DiagonalGaussian(1), d_x=1)
        phi, theta = np.zeros((1, model.phi_layout.size)), np.zeros((1, model.theta_layout.size))
        encoder, decoder = model.encoder_part(phi), model.decoder_part(theta)
        encoder["w"][:, 0, 0], encoder["b"][:, 1] = self.phi, np.log(self.v) / 2
        decoder["w"][:, 0, 0] = self.theta
        model.log_sd(theta)[:] = np.log(self.gamma) / 2
        x = np.sqrt(self.variance) * np.array([1.0, -1.0])[None, None, :, None]
        return EngineExample(kernels(), model, phi, theta, x)


Model = Toy | LinearModel

#: The toy with quadrature rules that are accurate to twelve digits, and the linear model.
TOY = Toy(x_nodes=28, z_nodes=20)
LINEAR = LinearModel()

_TERMS = ("posterior_fisher", "score_square", "divergence", "score_norm")


def log_ratio(model: Model, x: Array, z: Array) -> Array:
    """Compute ``log q(z|x) pi(x) / (p(z) p(x|z))``."""
    log_q = model.log_q(x, z) + model.log_pi(x)
    return np.asarray(log_q - model.log_prior(z) - model.log_likelihood(x, z))


def latent_difference(model: Model, x: Array, z: Array) -> Array:
    """Compute ``grad_z`` of the logarithm of the ratio of joints, ``(..., 1)``."""
    return np.asarray(model.latent_score_q(x, z) - model.latent_score_p(x, z))[..., None]


def data_difference(model: Model, x: Array, z: Array) -> Array:
    """Compute ``grad_x`` of the log-ratio of joints, ``grad log pi + s^q - s^p``, ``(..., D)``."""
    return np.asarray(model.score_pi(x) + model.score_q(x, z) - model.score_p(x, z))


@cache
def posterior_part(model: Model) -> float:
    """Compute ``E_pi D_F[q(z|x) || p(z|x)]``."""
    return float(model.expect(lambda x, z: square(latent_difference(model, x, z)) / 2))


@cache
def data_part(model: Model) -> float:
    """Compute ``E_pi J``, half the mean square of :func:`data_difference`."""
    return float(model.expect(lambda x, z: square(data_difference(model, x, z)) / 2))


@cache
def constant(model: Model) -> float:
    """Compute ``C_pi``, half the mean square of the score of pi."""
    return float(model.expect_pi(lambda x: square(model.score_pi(x)) / 2))


@cache
def joint_fisher(model: Model) -> float:
    """Compute ``D_F[q pi || p]`` by definition: of Gaussians in the plane, or by stencil and quadrature."""
    if isinstance(model, LinearModel):
        return model.joint_fisher()
    return float(model.expect(lambda x, z: squared_gradient(model, x, z))) / 2


def squared_gradient(model: Model, x: Array, z: Array) -> Array:
    """Compute ``|grad_{z,x}|^2`` of the log-ratio by a stencil along axes rotated against z and x."""
    size = 1 + model.d_x
    axes, _ = np.linalg.qr(np.random.default_rng(7).standard_normal((size, size)))

    def along(axis: Array) -> Array:
        return derivative(lambda t: log_ratio(model, x + t * axis[1:], z + t * axis[0]))

    return square(np.stack([along(axis) for axis in axes], -1))


@cache
def engine_terms(samples: int, model: LinearModel = LINEAR) -> dict[str, tuple[float, float]]:
    """Estimate mean and standard error of the terms of the engine's joint Fisher divergence.

    ``loss`` is their sum, and ``m1`` the sum of those of equation (8).
    """
    mean, error = model.engine().outcomes(
        lambda s: JointFisherLearning(samples=s),
        samples,
        lambda o: np.array([o.loss[0], o.loss[0] - o.terms[_TERMS[0]][0], *(o.terms[n][0] for n in _TERMS)]),
    )
    names = ("loss", "m1", *_TERMS)
    return {n: (float(m), float(e)) for n, m, e in zip(names, mean, error, strict=True)}


def engine_estimate(term: str, model: LinearModel = LINEAR) -> Callable[[int], tuple[float, float]]:
    """Return the function of the number of samples that estimates a term plus ``C_pi``, and its error."""

    def estimate(samples: int) -> tuple[float, float]:
        mean, error = engine_terms(samples, model)[term]
        return mean + constant(model), error

    return estimate
