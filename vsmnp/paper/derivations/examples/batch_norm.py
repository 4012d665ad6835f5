"""Batch norm by its definition, and a VAE of the engine whose encoder is normalised over the batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from types import SimpleNamespace

import numpy as np

from ....kernels import load
from ....layers.activations import Tanh
from ....layers.compose import Chain
from ....layers.dense import Dense
from ....layers.norm import EPSILON, BatchNorm
from ....model.gaussian import DiagonalGaussian
from ....model.vae import GaussianVAE
from ....types import Array
from ..evidence import derivative, gradient
from ..quadrature import normal_rule
from .engine import EngineExample
from .toy import dot, square

#: Five data of two channels, and the scale of each channel.
X = np.random.default_rng(14).standard_normal((5, 2)) * np.array([1.3, 0.6])
SCALE = np.array([0.8, -1.4])
X.setflags(write=False)


def normalised(x: Array) -> Array:
    """Compute ``h = (x - mean)/sqrt(var + epsilon)`` over the rows of ``x (N, C)``, by its definition."""
    return np.asarray((x - x.mean(0)) / np.sqrt(x.var(0) + EPSILON))


def statistics(x: Array = X) -> SimpleNamespace:
    """Return ``one (N, N)``, ``h (N, C)``, the scale, the rate r and the variance v of each channel."""
    variance = x.var(0)
    return SimpleNamespace(
        one=np.eye(len(x)), h=normalised(x), scale=SCALE, r=(variance + EPSILON) ** -0.5, v=variance
    )


@cache
def jacobian() -> Array:
    """Compute ``d y_n / d x_m`` by differences of the definition, ``(N, N, C)``."""

    def along(m: int) -> Array:
        way = np.eye(len(X))[:, m, None]
        return derivative(lambda t: SCALE * normalised(X + t * way))

    return np.stack([along(m) for m in range(len(X))], axis=1)


def _in_the_engine() -> tuple[BatchNorm, dict[str, Array], Array]:
    """Return the layer, its parameters, and the unit matrix ``(1, N, N, C)``: a row for each datum."""
    zeros, unit = np.zeros((1, 2)), np.eye(len(X))[None, :, :, None]
    p = {"scale": SCALE[None], "shift": zeros, "mean": zeros, "variance": zeros + 1}
    return BatchNorm(2), p, np.ascontiguousarray(np.broadcast_to(unit, (1, len(X), *X.shape)))


def engine_jacobian() -> Array:
    """Compute the same Jacobian by the engine's backward rule, one row of cotangents for each datum."""
    k, (layer, p, rows) = load("reference"), _in_the_engine()
    gx = layer.vjp(k, p, layer.forward(k, p, X[None, None])[1], rows)
    assert gx is not None
    return np.asarray(gx[0])


def engine_tangents() -> Array:
    """Compute the same Jacobian by the engine's rule of tangents, one tangent for each datum."""
    k, (layer, p, rows) = load("reference"), _in_the_engine()
    dy, _ = layer.jvp(k, p, layer.forward(k, p, X[None, None])[1], None, rows)
    assert dy is not None
    return np.asarray(dy[0].swapaxes(0, 1))


# --- a VAE: four data of two dimensions in a batch, one latent ---


@cache
def coupled(gamma: float = 0.6) -> EngineExample:
    """Build a VAE whose encoder is dense, normalised over the batch, tanh, dense."""
    like = EngineExample.build(d_x=2, d_z=1, n=4, gamma=gamma)
    encoder = Chain((Dense(2, 3), BatchNorm(3), Tanh(), Dense(3, 2)))
    model = GaussianVAE(encoder, like.model.decoder, DiagonalGaussian(1), d_x=2)
    rng = np.random.default_rng(15)
    phi = 0.7 * rng.standard_normal((1, model.phi_layout.size))
    *_, (_, w), (_, bias) = model.phi_layout.named(phi)
    w[:, 1:] *= 0.5  # q is narrow enough for the rules, and its deviation varies
    bias[:, 1:] = -0.7
    return replace(like, model=model, phi=phi, nodes=40)


@cache
def frozen() -> EngineExample:
    """Return the same VAE with the statistics of this batch as constants."""
    example = coupled()
    phi, layers = example.phi.copy(), example.model.encoder_part(example.phi)
    first = layers["0"]
    x = example.data @ first["w"][0].T + first["b"][0]
    part = example.model.encoder_part(phi)["1"]
    part["mean"][...], part["variance"][...] = x.mean(0), x.var(0)
    return replace(example, model=example.model.frozen, phi=phi)


def blocks(example: EngineExample, f: Callable[[Array], Array]) -> Array:
    """Compute ``d f_n / d x_m``, ``(N, N, ..., D)``, of a function of the whole batch ``x (N, D)``."""
    n, d_x = example.data.shape

    def of(flat: Array) -> Array:
        return f(flat.reshape(n, d_x))

    slopes = gradient(of, example.data.ravel())  # (N, ..., N D)
    return np.moveaxis(slopes.reshape(*slopes.shape[:-1], n, d_x), -2, 1)


@cache
def decoded_blocks(example: Callable[[], EngineExample] = coupled) -> Array:
    """Compute the traces of ``d E[g(z_n)] / d x_m``, ``(N, N)``."""
    built = example()
    return np.asarray(np.trace(blocks(built, built.mean_decoded), axis1=2, axis2=3))


@cache
def score_blocks(example: Callable[[], EngineExample] = coupled) -> Array:
    """Compute ``|d mu_n/d x_m|^2/s_n^2 + 2 |d log s_n/d x_m|^2``, summed over latents, ``(N, N)``."""
    built = example()
    s = built.q()[1]
    d_mu, d_log_s = (blocks(built, f) for f in (lambda x: built.q(x)[0], lambda x: np.log(built.q(x)[1])))
    return np.asarray((square(d_mu) / s[:, None] ** 2 + 2 * square(d_log_s)).sum(-1))


@cache
def expectations(gamma: float = 0.6) -> tuple[Array, Array]:
    """Compute ``E[s^q_m . s^p_m]`` and ``E |s^q_m|^2``, each ``(N,)``, with the engine's ``s^q``.

    The noise of datum m has 40 nodes, that of each of the others three, which are exact: the square of the
    score is of degree four in it.
    """
    example = coupled(gamma)
    n, k = len(example.data), example.k
    q, c = example.model.encode(k, example.phi, example.x)
    (own, own_w), (rest, rest_w) = normal_rule(example.nodes), normal_rule(3)
    found = []
    for m in range(n):
        rules = [(own[:, 0], own_w) if i == m else (rest[:, 0], rest_w) for i in range(n)]
        eps = np.array(list(product(*(nodes for nodes, _ in rules))))[..., None]
        w = np.array(list(product(*(weights for _, weights in rules)))).prod(1)
        s_q = example.model.score_q(k, example.phi, q, c, eps[None])[0]
        s_p = example.score_p(example.place(eps))
        found.append((w @ dot(s_q, s_p)[:, m], w @ square(s_q)[:, m]))
    cross, norm = np.array(found).T
    return cross, norm
