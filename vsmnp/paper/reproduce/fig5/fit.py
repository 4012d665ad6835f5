"""Fitting mixtures to a posterior by the Fisher divergence, several runs side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ....model.layout import Layout
from ....rng import Key, Stream
from ....training.optimizers import Adam
from ....types import Array, Kernels
from .mixture_posterior import GaussianMixture


class Target(Protocol):
    """What the mixture is fitted to: all that is needed of it is its score."""

    def score(self, k: Kernels, z: Array) -> Array:
        """``grad_z log p(z, x)`` of points ``(R, S, Z)``."""


def start(k: Kernels, mixture: GaussianMixture, seeds: tuple[int, ...]) -> Array:
    """Parameters ``(R, P)``: equal weights, means drawn from the prior N(0, I), standard deviations 1."""
    layout = Layout(mixture.shapes)
    vector = k.zeros((len(seeds), layout.size), np.float64)
    means = layout.views(vector)["means"]
    means[...] = Key(seeds, Stream.PARAMETERS).normal(k, means.shape[1:], np.float64)
    return vector


def fit(
    k: Kernels,
    mixture: GaussianMixture,
    target: Target,
    seeds: tuple[int, ...],
    steps: int,
    samples: int = 10,
    step_size: float = 1e-3,
    tell: Callable[[int], None] = lambda step: None,
) -> Array:
    """Minimise ``1/2 E_q |grad_z log q - grad_z log p|^2`` by Adam along the unparametrised gradient (A.5.2).

    A step draws ``samples`` points from q, holds them fixed, and differentiates the divergence in the
    parameters of q: sampling needs no derivative, so the choice of a component is no obstacle.

    Parameters
    ----------
    k : Kernels
        A kernel set on the host.
    mixture : GaussianMixture
        The family of q.
    target : Target
        The posterior.
    seeds : tuple of int
        One for each of the R runs; a run does not depend on the others.
    steps, samples, step_size
        Steps of Adam, points a step and their size.
    tell : callable
        Told the number of every step.

    Returns
    -------
    Array
        The fitted parameters ``(R, P)``, laid out by the mixture's shapes. A run whose gradient is no longer
        finite stays where it was.
    """
    layout, adam, key = Layout(mixture.shapes), Adam(), Key(seeds)
    vector = start(k, mixture, seeds)
    p = layout.views(vector)
    gradient = k.zeros(vector.shape, np.float64)
    gp = layout.views(gradient)
    memory = adam.remember(k, vector)
    lr = np.full(len(seeds), step_size)
    for step in range(steps):
        z = mixture.sample(k, p, key.on(Stream.INFERENCE, step), samples)
        at = mixture.at(p, z)
        gradient.fill(0)
        at.score_vjp((at.score - target.score(k, z)) / samples, gp)
        adam.update(k, vector, gradient, memory, lr, k.finite(gradient))
        tell(step)
    return vector
