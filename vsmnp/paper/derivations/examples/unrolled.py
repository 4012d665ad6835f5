"""Bi-level updates of a small VAE as a map of theta, with the derivatives of each update by differences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from ....model.layout import Layout
from ....model.posterior import Moments
from ....objectives import KL, PosteriorFisher
from ....objectives.bilevel import Bilevel
from ....objectives.quadratic import Learning
from ....rng import Key, Stream
from ....types import Array
from ..evidence import gradient
from .engine import EngineExample

_KEY = Key((3,), Stream.LEARNING, 2)


def used(layout: Layout) -> Array:
    """Return the places of a parameter vector that are not padding."""
    return np.concatenate([np.arange(slot.start, slot.stop) for slot in layout.slots])


class HeldFixed(NamedTuple):
    """What a Fisher update does not differentiate: its samples ``(S, N, Z)`` and its weight ``(N, Z)``."""

    z: Array
    weight: Array


@dataclass(frozen=True, eq=False)
class Unrolled:
    """The map of theta to ``M(phi_K(theta), theta)``, for an example of the engine.

    Parameters are vectors of the used entries. The noise of every update is fixed; for Fisher inference the
    samples themselves are fixed, and so is the weight, at those of the example's theta.

    Attributes
    ----------
    example : EngineExample
        Example with phi_0, theta and the batch.
    inner : KL or PosteriorFisher
        Inference objective of the updates.
    outer : Learning
        Learning objective M.
    steps : int
        K, number of updates.
    lr : float
        Step size eta.
    """

    example: EngineExample
    inner: KL | PosteriorFisher
    outer: Learning
    steps: int
    lr: float

    @property
    def theta(self) -> Array:
        """The example's theta, ``(P_d,)``."""
        return np.asarray(self.example.theta[0, used(self.example.model.theta_layout)])

    def at(self, phi: Array, theta: Array) -> EngineExample:
        """Return the example with these parameters."""
        model = self.example.model
        vectors = []
        for layout, values in ((model.phi_layout, phi), (model.theta_layout, theta)):
            vector = np.zeros((1, layout.size))
            vector[0, used(layout)] = values
            vectors.append(vector)
        return self.example.at(*vectors)

    def _noise(self, step: int) -> Key:
        return _KEY.on(Stream.BILEVEL, _KEY.step * self.steps + step)

    def _held(self, step: int, phi: Array) -> HeldFixed:
        """Compute the posterior samples of an update and the weight of its divergence."""
        example = self.at(phi, self.theta)
        eps = self._noise(step).normal(
            example.k, (self.inner.samples, len(example.data), example.model.d_z), phi.dtype
        )
        weighted = isinstance(self.inner, PosteriorFisher) and self.inner.fisher_weight == "covariance"
        return HeldFixed(example.place(eps[0]), example.q()[1] ** (2 * weighted))

    def slope(self, step: int, phi: Array, theta: Array, held: HeldFixed) -> Array:
        """Compute the gradient of the inner objective in phi, ``(P_e,)``; by Fisher, z is fixed."""
        example = self.at(phi, theta)
        if isinstance(self.inner, KL):
            found = self.inner(
                example.k, example.model, example.phi, example.theta, example.x, self._noise(step)
            ).g_phi
            assert found is not None
        else:
            found = _fisher_slope(example, held)
        return np.asarray(found[0, used(example.model.phi_layout)])

    @cached_property
    def path(self) -> tuple[list[Array], list[HeldFixed]]:
        """The vectors ``phi_0 .. phi_K`` at the example's theta, and what each update holds fixed."""
        phis, held = [np.asarray(self.example.phi[0, used(self.example.model.phi_layout)])], list[HeldFixed]()
        for step in range(self.steps):
            held.append(self._held(step, phis[-1]))
            phis.append(phis[-1] - self.lr * self.slope(step, phis[-1], self.theta, held[-1]))
        return phis, held

    @cached_property
    def matrices(self) -> tuple[list[Array], list[Array]]:
        """The derivatives of each :meth:`slope` in phi and in theta, in the order of the updates."""
        phis, held = self.path
        hessians, crosses = [], []
        for k, each in enumerate(held):
            hessians.append(gradient(partial(self._in_phi, k, each), phis[k]))
            crosses.append(gradient(partial(self.slope, k, phis[k], held=each), self.theta))
        return hessians, crosses

    def _in_phi(self, step: int, held: HeldFixed, phi: Array) -> Array:
        return self.slope(step, phi, self.theta, held)

    @cached_property
    def last(self) -> tuple[Array, Array]:
        """The gradients of M in phi and in theta at ``phi_K``."""
        example = self.at(self.path[0][-1], self.theta)
        found = self.outer.with_g_phi(example.k, example.model, example.phi, example.theta, example.x, _KEY)
        assert found.g_phi is not None
        assert found.g_theta is not None
        model = example.model
        return found.g_phi[0, used(model.phi_layout)], found.g_theta[0, used(model.theta_layout)]

    def loss(self, theta: Array) -> float:
        """Compute ``M(phi_K(theta), theta)``, the samples of Fisher updates fixed."""
        phi, held = self.path[0][0], self.path[1]
        for step, each in enumerate(held):
            phi = phi - self.lr * self.slope(step, phi, theta, each)
        example = self.at(phi, theta)
        outcome = self.outer(example.k, example.model, example.phi, example.theta, example.x, _KEY)
        return float(outcome.loss[0])

    def of_the_engine(self) -> Array:
        """Compute the hypergradient of the engine, ``(P_d,)``."""
        example = self.example
        objective = Bilevel(self.inner, self.outer, self.steps, np.array([self.lr]))
        found = objective(example.k, example.model, example.phi, example.theta, example.x, _KEY).g_theta
        assert found is not None
        return np.asarray(found[0, used(example.model.theta_layout)])


def _fisher_slope(example: EngineExample, held: HeldFixed) -> Array:
    """Compute the phi-gradient of the mean of ``d . W d / 2`` at fixed samples and weight W, ``(1, P)``."""
    (z, weight), (mu, s) = held, example.q()
    e, share = z - mu, len(z) * len(mu)
    d = -e / s**2 + z - example.likelihood_score(z)
    model, part = example.model, example.model.encoder_part(example.phi)
    q, cache = model.encode(example.k, example.phi, example.x)
    features = model.gaussian_posterior.vjp(
        example.k,
        Moments(q.mu, q.s),
        (weight * d / s**2).sum(0)[None, None] / share,
        (weight * 2 * d * e / s**3).sum(0)[None, None] / share,
    )
    slope = np.zeros_like(example.phi)
    model.encoder.vjp(example.k, part, cache, features, model.encoder_part(slope), want_x=False)
    return slope
