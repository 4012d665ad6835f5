"""Fit mixtures to a posterior by the Fisher divergence, several runs in parallel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ....model.layout import Layout
from ....rng import Key, Stream
from ....training.optimizers import Adam
from ....types import Array, Kernels
from .mixture_posterior import GaussianMixture


class TargetScore(Protocol):
    """A density to which the mixture is fitted, given by its score alone."""

    def score(self, k: Kernels, z: Array) -> Array:
        """Compute ``grad_z log p(z, x)`` at points ``(R, S, Z)``."""


def start(k: Kernels, mixture: GaussianMixture, seeds: tuple[int, ...]) -> Array:
    """Draw parameters ``(R, P)``: equal weights, means from the prior N(0, I), standard deviations 1."""
    layout = Layout(mixture.shapes)
    vector = k.zeros((len(seeds), layout.size), np.float64)
    means = layout.views(vector)["means"]
    means[...] = Key(seeds, Stream.PARAMETERS).normal(k, means.shape[1:], np.float64)
    return vector


def fit(
    k: Kernels, mixture: GaussianMixture, target: TargetScore, seeds: tuple[int, ...], steps: int,
    samples: int = 10, step_size: float = 1e-3, on_step: Callable[[int], None] = lambda step: None,
) -> Array:  # fmt: skip
    """Minimise ``1/2 E_q |grad_z log q - grad_z log p|^2`` by Adam along the unparametrised gradient (A.5.2).

    A step draws ``samples`` points from q, holds them fixed, and differentiates the divergence in the
    parameters of q. Sampling is not differentiated, so the discrete choice of a component is no obstacle.

    Returns the fitted parameters ``(R, P)``, laid out by the mixture's shapes. There is a run for each of the
    R seeds, which does not depend on the others; one whose gradient is no longer finite keeps its last
    parameters. The kernels compute on the host; ``on_step`` is called with the number of each step.
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
        on_step(step)
    return vector
