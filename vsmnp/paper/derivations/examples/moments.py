"""The moments of the decoder and of the scores under q, of which every objective for theta consists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np

from ....objectives import Objective, Outcome
from ....rng import Key, Stream
from ....types import Array
from ..evidence import gradient
from ..quadrature import normal_rule
from .engine import EngineExample
from .toy import Toy, dot, square

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
    """

    x: Array
    mean: Array
    variance: Array
    A: Array
    norm: Array
    cross: Array

    @property
    def B(self) -> Array:
        """Squared error of the mean reconstruction, ``|x - E_q g|^2``, ``(N,)``."""
        return square(self.x - self.mean)

    @property
    def T(self) -> Array:
        """Trace of the covariance, ``tr Cov_q[g]``, ``(N,)``."""
        return np.asarray(self.variance.sum(-1))

    @classmethod
    def by(cls, expect: Callable[[Array], Array], x: Array, g: Array, s_q: Array) -> Reconstruction:
        """Compute the moments from ``g, s_q (Q, N, D)``; ``expect`` averages over the first axis."""
        mean = expect(g)
        return cls(
            x,
            mean,
            expect((g - mean) ** 2),
            expect(square(x - g)),
            expect(square(g)),
            expect(dot(s_q, g - x)),
        )


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
    return Reconstruction.by(lambda f: np.asarray(np.tensordot(w, f, 1)), x, toy.g(z), toy.score_q(x, z))


def toy_scores(toy: Toy, x: Array = FEW) -> Scores:
    """Compute the toy's score moments at ``x (N, 2)``.

    The score s^p and its divergence are differences of the log-likelihood, exact for a quadratic.
    """
    origin = np.zeros(toy.d_x)

    def s_p(x: Array, z: Array) -> Array:
        return gradient(lambda shift: toy.log_likelihood(x + shift, z), origin, 0.5)

    def divergence(x: Array, z: Array) -> Array:
        return np.asarray(
            np.trace(gradient(lambda shift: s_p(x + shift, z), origin, 0.5), axis1=-2, axis2=-1)
        )

    return Scores(
        toy.expect_q(lambda x, z: square(s_p(x, z)), x),
        square(toy.expect_q(s_p, x)),
        toy.expect_q(divergence, x),
        toy.expect_q(lambda x, z: dot(toy.score_q(x, z), s_p(x, z)), x),
    )


def toy_pairs(toy: Toy, f: Callable[[Array, Array], Array], x: Array = FEW) -> Array:
    """Compute ``E f(s_p, s_q)`` over two samples of q, ``(N,)``; both have ``(N, Q^2, S = 2, 2)``."""
    eps, w = normal_rule(toy.z_nodes, 2)
    x = x[:, None, None, :]
    z = toy.mu(x) + toy.s(x) * eps
    return np.asarray(np.einsum("q,nq->n", w, f(toy.score_p(x, z), toy.score_q(x, z))))


def profile(loss: Callable[[float], float]) -> float:
    """Find the least value of ``loss(log gamma)`` by a search over ``log gamma``."""
    from scipy.optimize import minimize_scalar

    return float(minimize_scalar(loss, bounds=(-8, 6), method="bounded", options={"xatol": 1e-9}).fun)


@cache
def toy_least(loss: Literal["m1", "m2", "m3"]) -> float:
    """Find the least mean of a loss over the toy's likelihood variance."""

    def mean(log_gamma: float) -> float:
        return float(getattr(toy_scores(Toy(gamma=float(np.exp(log_gamma)))), loss).mean())

    return profile(mean)


def utility(y: Any, d_x: int) -> Any:
    """Compute ``h_F(y) = -d_x^2 / (2 y)``, the value of M1 and M2 at the optimal gamma for an error y."""
    return -(d_x**2) / (2 * y)


# --- moments of the engine's example ---


@cache
def engine_reconstruction(example: Callable[[], EngineExample]) -> Reconstruction:
    """Compute the reconstruction moments of the batch of ``example()`` by quadrature."""
    built = example()
    eps, w = built.noise()
    mu, s = built.q()
    g, s_q = built.g(mu + s * eps), built.score_q(eps)
    return Reconstruction.by(lambda f: np.asarray(np.tensordot(w, f, 1)), built.data, g, s_q)


@cache
def engine_scores(example: Callable[[], EngineExample]) -> Scores:
    """Compute the score moments of the batch of ``example()`` by quadrature."""
    built = example()
    eps, w = built.noise()
    mu, s = built.q()
    s_p = built.score_p(mu + s * eps)
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
    eps = drawn(example, samples, step)
    mu, s = example.q()
    g, s_q = example.g(mu + s * eps), example.score_q(eps)
    return Reconstruction.by(lambda f: np.asarray(f.mean(0)), example.data, g, s_q)


@cache
def wide() -> tuple[EngineExample, Reconstruction]:
    """Build an example with d_x > d_z, and its moments over the ``SAMPLES`` that :func:`evaluate` draws."""
    example = EngineExample.build(d_x=3, d_z=2)
    return example, sampled_reconstruction(example, SAMPLES)


@cache
def engine_least(objective: Objective) -> float:
    """Find the least loss of :func:`wide` over gamma, with the noise frozen."""
    example, _ = wide()

    def loss(log_gamma: float) -> float:
        theta = example.theta.copy()
        example.model.log_sd(theta)[:] = 0.5 * log_gamma
        return float(evaluate(example.at(theta=theta), objective).loss[0])

    return profile(loss)


@cache
def engine_mean(
    example: Callable[[], EngineExample],
    objective: Objective,
    value: Callable[[Outcome], Array],
    samples: int,
) -> tuple[Array, Array]:
    """Estimate mean and standard error of an objective with few samples a datum, its bias included.

    The batch is repeated, so that one call yields many independent estimates.
    """
    built = example()
    rows = built.data.shape[0] * objective.samples
    many = replace(built, x=np.tile(built.x, (1, 1, max(1, 20_000 // rows), 1)))
    return many.outcomes(lambda _: objective, samples, value)


def loss(outcome: Outcome) -> Array:
    """Return the loss of an outcome that has a single model."""
    return outcome.loss[0]  # type: ignore[no-any-return]
