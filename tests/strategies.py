"""Strategies of Hypothesis for shapes, strides and seeds; floats come from a NumPy generator of the seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from laws import STRIDES

from vsmnp.model.layout import Layout
from vsmnp.model.vae import GaussianVAE
from vsmnp.rng import Key, Stream
from vsmnp.types import Array, DType, Kernels, Layer, Params, Shape

#: The same draws on every machine; a failing example prints its seed.
few = settings(max_examples=10, deadline=None, derandomize=True)
many = settings(few, max_examples=25)

seeds = st.integers(0, 2**32 - 1)
widths = st.integers(1, 4)


class Built(NamedTuple):
    """A layer and the shape of one sample of its input."""

    layer: Layer
    sample: Shape


class Case(NamedTuple):
    """A layer with all arguments of a law but the kernel set."""

    layer: Layer
    p: Params
    x: Array
    rng: np.random.Generator


@st.composite
def cases(draw: st.DrawFn, build: Callable[[int, int, int], Built]) -> Case:
    """Draw a layer of three drawn widths, with its parameters and a batch ``x (R|1, S, N, ...)``."""
    layer, sample = build(draw(widths), draw(widths), draw(widths))
    models, samples, batch = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(widths)
    shared, stride = draw(st.booleans()), draw(st.sampled_from(STRIDES))
    rng = np.random.default_rng(draw(seeds))
    layout = Layout(layer.shapes)
    p = layout.views(rng.standard_normal((models, layout.size)))
    x = rng.standard_normal((1 if shared else models, samples, batch, *sample))
    return Case(layer, p, stride(x), rng)


@dataclass(frozen=True)
class Scene:
    """A VAE with random parameters, R models on one batch ``x (1, 1, N, D)``."""

    model: GaussianVAE
    activation: str
    phi: Array
    theta: Array
    x: Array
    key: Key

    def only(self, r: int) -> Scene:
        """Select model r as a scene."""
        key = Key((self.key.seeds[r],), self.key.stream, self.key.step)
        one = slice(r, r + 1)
        return Scene(self.model, self.activation, self.phi[one], self.theta[one], self.x, key)

    def arguments(self) -> tuple[GaussianVAE, Array, Array, Array, Key]:
        """Return the arguments of an objective after the kernel set."""
        return self.model, self.phi, self.theta, self.x, self.key


def scene(
    model: GaussianVAE, activation: str, seed: int, models: int = 1, batch: int = 3, spread: float = 0.5
) -> Scene:
    """Draw normal parameters and data of one seed; the padding of the vectors stays zero."""
    rng = np.random.default_rng(seed)
    vectors: list[Array] = []
    for layout in (model.phi_layout, model.theta_layout):
        vector = np.zeros((models, layout.size))
        for _, view in layout.named(vector):
            view[...] = spread * rng.standard_normal(view.shape)
        vectors.append(vector)
    x = rng.standard_normal((1, 1, batch, model.d_x))
    key = Key(tuple(int(s) for s in rng.integers(0, 2**63, models)), Stream.LEARNING, int(rng.integers(100)))
    phi, theta = vectors
    return Scene(model, activation, phi, theta, x, key)


@st.composite
def scenes(draw: st.DrawFn, models: int = 1) -> Scene:
    """Draw a small smooth VAE: dimensions, hidden widths, activation, scale and output."""
    activation = draw(st.sampled_from(("tanh", "softplus")))
    model = GaussianVAE.mlp(
        d_x=draw(widths),
        d_z=draw(st.integers(1, 3)),
        hidden=draw(st.lists(widths, max_size=2)),
        activation=activation,
        scale=draw(st.sampled_from(("exp", "softplus"))),
        sigmoid_output=draw(st.booleans()),
    )
    return scene(model, activation, draw(seeds), models, batch=draw(widths))


@dataclass(frozen=True)
class Nodes(Key):
    """A key whose normals are given: ``eps (R, S, N|1, Z)``, to compute expectations exactly."""

    eps: Any = None

    def normal(self, k: Kernels, shape: Shape, dtype: DType, first: int = 0) -> Array:
        """Return the given normals as they are."""
        return np.ascontiguousarray(np.broadcast_to(self.eps, (len(self.eps), *shape)), dtype)

    def sample(self, k: Kernels, mu: Array, s: Array, samples: int, first: int = 0) -> Array:
        """Compute samples at the given normals."""
        z: Array = mu + s * self.normal(k, (samples, *mu.shape[2:]), mu.dtype)
        return z


def nodes(eps: Array) -> Nodes:
    """Create the key of given normals ``(R, S, N|1, Z)``."""
    return Nodes(seeds=tuple(range(len(eps))), eps=eps)


def sigma_points(n: int) -> Array:
    """Compute ``(2n, n)`` points of equal weight with the moments of N(0, I) to third order."""
    corners = np.sqrt(n) * np.eye(n)
    return np.concatenate([corners, -corners])


def gauss_hermite(n: int, points: int) -> tuple[Array, Array]:
    """Compute tensor nodes ``(points^n, n)`` of N(0, I) and their weights."""
    node, weight = np.polynomial.hermite_e.hermegauss(points)
    grid = np.array(list(product(node, repeat=n)))
    return grid, np.array([np.prod(w) for w in product(weight / weight.sum(), repeat=n)])


def draws_of(grid: Array, weight: Array, samples: int) -> tuple[Array, Array]:
    """List all S-tuples of independent draws from the nodes: ``eps (R, S, 1, Z)`` and their probabilities."""
    which = np.array(list(product(range(len(grid)), repeat=samples)))
    return grid[which][:, :, None, :], weight[which].prod(1)
