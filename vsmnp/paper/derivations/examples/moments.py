"""The moments of the decoder and of the scores under q, of which every objective for theta consists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, TypeAlias

import numpy as np

from ....objectives import Objective, Outcome
from ....rng import Key, Stream
from ....types import Array
from ..evidence import divergence_in, gradient_in
from ..quadrature import normal_rule
from .engine import EngineExample
from .minimum import least_between
from .toy import Toy, dot, square

#: Name of a property of :class:`Scores`.
LossName: TypeAlias = Literal["m1", "m2", "m3"]
#: Posterior samples for each datum where the noise is frozen.
SAMPLES = 5
#: A few data for statements that hold for each datum.
FEW = np.array([[0.4, -0.9], [-0.7, 0.3], [1.1, 0.8]])
FEW.setflags(write=False)


@dataclass(frozen=True)
class Reconstruction:
    """Moments of the decoder under q, one datum in each row.

    Attributes
    ----------
    x, mean, variance : Array
        Arrays ``x``, ``E_q g`` and ``V_q g_j``, each ``(N, D)``.
    A : Array
        Expectation ``E_q |x - g|^2``, ``(N,)``, computed directly.
    norm : Array
        Expectation ``E_q |g|^2``, ``(N,)``.
    cross : Array
        Expectation ``E_q [s^q . (g - x)]``, ``(N,)``; for a density q it is ``D = E_q [s^q . g]``.
    d_z : int
        Latent dimension of the model.
    """

    x: Array
    mean: Array
    variance: Array
    A: Array
    norm: Array
    cross: Array
    d_z: int

    @property
    def d_x(self) -> int:
        """Dimension d_x of the data."""
        return int(self.x.shape[-1])

    @property
    def B(self) -> Array:
        """Squared error of the mean reconstruction, ``|x - E_q g|^2``, ``(N,)``."""
        return square(self.x - self.mean)

    @property
    def T(self) -> Array:
        """Trace of the covariance, ``tr Cov_q[g]``, ``(N,)``."""
        return np.asarray(self.variance.sum(-1))

    @classmethod
    def by(cls, weights: Array, x: Array, g: Array, s_q: Array, d_z: int) -> Reconstruction:
        """Compute the moments from ``g, s_q (Q, N, D)`` at nodes or samples with weights ``(Q,)``."""

        def expect(f: Array) -> Array:
            return np.asarray(np.tensordot(weights, f, 1))

        mean, error = expect(g), g - x
        moments = (expect((g - mean) ** 2), expect(square(error)), expect(square(g)))
        return cls(x, mean, *moments, expect(dot(s_q, error)), d_z)


@dataclass(frozen=True)
class Scores:
    """Moments of the scores under q, one datum a row: the terms of (8), (13) and (15), each ``(N,)``."""

    square: Array  # E |s^p|^2
    square_of_mean: Array  # |E s^p|^2
    divergence: Array  # E div_x s^p
    cross: Array  # E [s^q . s^p]

    @property
    def m1(self) -> Array:
        """M1 by its definition, the part of (8) that depends on theta."""
        return np.asarray(0.5 * self.square + self.divergence)

    @property
    def m2(self) -> Array:
        """M2 by its definition (13)."""
        return np.asarray(self.square + self.divergence - 0.5 * self.square_of_mean)

    @property
    def m3(self) -> Array:
        """M3 by its definition (15)."""
        return np.asarray(self.cross + self.divergence + 0.5 * self.square_of_mean)


@dataclass(frozen=True)
class ScaledToy(Toy):
    """The toy with decoder ``scale g(z)`` and posterior ``N(mu, (width s)^2)``: a theta and a q to vary."""

    scale: float = 1.0
    width: float = 1.0

    def g(self, z: Array) -> Array:
        return np.asarray(self.scale * super().g(z))

    def s(self, x: Array) -> Array:
        return np.asarray(self.width * super().s(x))


# --- moments of the toy, by quadrature ---


def toy_reconstruction(toy: Toy, x: Array = FEW) -> Reconstruction:
    """Compute the toy's reconstruction moments at ``x (N, 2)``."""
    eps, w = normal_rule(toy.z_nodes)
    z = toy.mu(x) + toy.s(x) * eps  # (Q, N)
    return Reconstruction.by(w, x, toy.g(z), toy.score_q(x, z), toy.d_z)


def toy_scores(toy: Toy, x: Array = FEW) -> Scores:
    """Compute the toy's score moments at ``x (N, 2)``.

    The score s^p and its divergence are differences of the log-likelihood, exact for a quadratic.
    """

    def s_p(x: Array, z: Array) -> Array:
        return gradient_in(lambda x: toy.log_likelihood(x, z), x, 0.5)

    return Scores(
        toy.expect_q(lambda x, z: square(s_p(x, z)), x),
        square(toy.expect_q(s_p, x)),
        toy.expect_q(lambda x, z: divergence_in(lambda x: s_p(x, z), x, 0.5), x),
        toy.expect_q(lambda x, z: dot(toy.score_q(x, z), s_p(x, z)), x),
    )


def toy_pairs(toy: Toy, f: Callable[[Array, Array], Array], x: Array = FEW) -> Array:
    """Compute ``E f(s_p, s_q)`` over two samples of q, ``(N,)``; both have ``(N, Q^2, S = 2, 2)``."""
    eps, w = normal_rule(toy.z_nodes, 2)
    x = x[:, None, None, :]
    z = toy.mu(x) + toy.s(x) * eps
    return np.asarray(np.einsum("q,nq->n", w, f(toy.score_p(x, z), toy.score_q(x, z))))


def _toy_mean(loss: LossName, scale: float, log_gamma: float) -> float:
    """Compute the mean of a loss over the data for a scale of the decoder and a likelihood variance."""
    return float(getattr(toy_scores(ScaledToy(gamma=float(np.exp(log_gamma)), scale=scale)), loss).mean())


@cache
def toy_least(loss: LossName) -> float:
    """Find the least mean of a loss over the toy's likelihood variance."""
    return least_between(lambda log_gamma: _toy_mean(loss, 1.0, log_gamma), -8, 6)[1]


@cache
def toy_least_over_theta(loss: LossName) -> float:
    """Find the least mean of a loss over the scale of the toy's decoder and its likelihood variance."""
    from scipy.optimize import minimize

    def mean(v: Array) -> float:
        return _toy_mean(loss, float(v[0]), float(v[1]))

    return float(minimize(mean, np.array([1.0, 0.0]), options={"gtol": 1e-8}).fun)


def utility(y: Any, d_x: int) -> Any:
    """Compute ``h_F(y) = -d_x^2 / (2 y)``, the value of M1 and M2 at the optimal gamma for an error y."""
    return -(d_x**2) / (2 * y)


# --- moments of the engine's example ---


@cache
def engine_reconstruction(example: Callable[[], EngineExample]) -> Reconstruction:
    """Compute the reconstruction moments of the batch of ``example()`` by quadrature."""
    built = example()
    eps, w = built.noise()
    return _reconstruction(built, eps, w)


def _reconstruction(built: EngineExample, eps: Array, weights: Array) -> Reconstruction:
    """Compute the reconstruction moments at the noise ``eps (Q, 1 or N, Z)``."""
    g, s_q = built.g(built.place(eps)), built.score_q(eps)
    return Reconstruction.by(weights, built.data, g, s_q, built.model.d_z)


@cache
def engine_scores(example: Callable[[], EngineExample]) -> Scores:
    """Compute the score moments of the batch of ``example()`` by quadrature."""
    built = example()
    eps, w = built.noise()
    s_p = built.score_p(built.place(eps))
    mean = np.tensordot(w, s_p, 1)
    cross = np.tensordot(w, dot(built.score_q(eps), s_p), 1)
    divergence = np.full(len(mean), -built.model.d_x / built.gamma)
    return Scores(np.tensordot(w, square(s_p), 1), square(mean), divergence, cross)


# --- moments of the engine's own samples, for whose empirical distribution its estimators are exact ---


def _key(step: int) -> Key:
    return Key((11,), Stream.OUTCOME, step)


def evaluate(example: EngineExample, objective: Objective, step: int = 0) -> Outcome:
    """Evaluate an objective of the engine on the batch, with the noise of one step."""
    return objective(example.k, example.model, example.phi, example.theta, example.x, _key(step))


def drawn(example: EngineExample, samples: int, step: int = 0) -> Array:
    """Return the noise ``(S, N, Z)`` that :func:`evaluate` uses."""
    return np.asarray(example.model.gaussian_posterior.noise(example.k, _key(step), samples, example.x)[0])


def sampled_reconstruction(example: EngineExample, samples: int, step: int = 0) -> Reconstruction:
    """Compute the reconstruction moments over the same samples that :func:`evaluate` draws."""
    return _reconstruction(example, drawn(example, samples, step), np.full(samples, 1 / samples))


@cache
def wide() -> tuple[EngineExample, Reconstruction]:
    """Build an example with d_x > d_z, and its moments over the ``SAMPLES`` that :func:`evaluate` draws."""
    example = EngineExample.build()
    return example, sampled_reconstruction(example, SAMPLES)


@cache
def engine_least(objective: Objective) -> float:
    """Find the least loss of :func:`wide` over gamma, with the noise frozen."""
    example, _ = wide()

    def loss(log_gamma: float) -> float:
        theta = example.theta.copy()
        example.model.log_sd(theta)[:] = 0.5 * log_gamma
        return float(evaluate(example.at(theta=theta), objective).loss[0])

    return least_between(loss, -8, 6)[1]


def loss(outcome: Outcome) -> Array:
    """Return the loss of an outcome that has a single model."""
    return np.asarray(outcome.loss[0])


def cross(outcome: Outcome) -> Array:
    """Return the cross term of an outcome of M3 that has a single model."""
    return np.asarray(outcome.terms["cross"][0])


def engine_estimate(
    objective: Objective, value: Callable[[Outcome], Array] = loss
) -> Callable[[int], tuple[Array, Array]]:
    """Return the estimator of an objective with few samples a datum, its bias included.

    The batch of the usual example is repeated, so that one call yields many independent estimates.
    """

    def estimate(samples: int) -> tuple[Array, Array]:
        built = EngineExample.build()
        copies = max(1, 20_000 // (len(built.data) * objective.samples))
        many = replace(built, x=np.tile(built.x, (1, 1, copies, 1)))
        return many.outcomes(lambda _: objective, samples, value)

    return estimate
