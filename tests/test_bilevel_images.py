"""Test bi-level updates of the networks of images, with every rule of batch normalisation, by differences.

The unrolled function is made of the engine's own first-order gradients, which ``test_golden_images.py``
compares with automatic differentiation. Coupled statistics are differentiated like everything else; running
ones are constants, and no direction leads along them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from image_problems import BATCH, CHANNELS, RULES, SAMPLES, draw, engine
from laws import ROUNDING, agree, inner, norm
from strategies import Scene
from test_golden import LEARNING, pack
from unrolled import derivative

from vsmnp.kernels import load
from vsmnp.model.layout import STATISTICS, Layout
from vsmnp.model.networks import BatchNormRule
from vsmnp.model.posterior import Moments
from vsmnp.model.vae import GaussianVAE
from vsmnp.objectives import KL, OptimalGamma, PosteriorFisher
from vsmnp.objectives.bilevel import Bilevel
from vsmnp.objectives.objective import Differentiable
from vsmnp.rng import Key, Stream
from vsmnp.types import Array

K = load("cpu")
INNER: dict[str, Differentiable] = {
    "kl": KL(SAMPLES), "fisher": PosteriorFisher(SAMPLES),
    "covariance": PosteriorFisher(SAMPLES, fisher_weight="covariance"),
}  # fmt: skip
STEPS = 2
TOLERANCE = 1e-8
#: Deep networks with normalised batches of three are curved more strongly than perceptrons.
STEP, UNROLLED_STEP = 1e-3, 1e-4


def problem(arch: str, rule: BatchNormRule) -> Scene:
    """Draw two models of an architecture on one batch."""
    vae, rng = engine(arch, rule, "tanh"), np.random.default_rng(7)
    phi, theta = (
        np.concatenate([pack(layout, draw(layout, rng)) for _ in range(2)])
        for layout in (vae.phi_layout, vae.theta_layout)
    )
    x = rng.uniform(0, 1, (BATCH, vae.d_x))[None, None]
    return Scene(vae, "tanh", phi, theta, x, Key((1, 2), Stream.LEARNING, 3))


def direction(layout: Layout, like: Array) -> Array:
    """Draw a direction of length 1 for each model, zero along running statistics and padding."""
    rng, along = np.random.default_rng(1), np.zeros_like(like)
    for name, view in layout.named(along):
        if not name.endswith(STATISTICS):
            view[...] = rng.standard_normal(view.shape)
    return along / np.linalg.norm(along, axis=1, keepdims=True)


def check(g: Array, along: Array, numeric: Array) -> None:
    """Check the derivative of each model along its direction."""
    for r in range(len(g)):
        agree(inner(g[r], along[r]), numeric[r], TOLERANCE, scale=norm(g[r]))


def fisher_gradient(model: GaussianVAE, phi: Array, theta: Array, x: Array, z: Array, weight: Array) -> Array:
    """Compute the gradient in phi of ``E[weight |d|^2] / 2`` with z and the weight held fixed."""
    q, cache = model.encode(K, phi, x)
    g, decoder_cache = model.decode(K, theta, z)
    v = np.exp(-2 * model.log_sd(theta))[:, None, None, None] * (x - g)
    b = model.decoder.vjp(K, model.decoder_part(theta), decoder_cache, v)
    u = weight * (-(z - q.mu) / q.s**2 + z - b) / (BATCH * SAMPLES)
    gmu, gs = (u / q.s**2).sum(1, keepdims=True), (2 * u * (z - q.mu) / q.s**3).sum(1, keepdims=True)
    g_phi, features = np.zeros_like(phi), model.gaussian_posterior.vjp(K, q, gmu, gs)
    p, gp = model.encoder_part(phi), model.encoder_part(g_phi)
    model.encoder.vjp(K, p, cache, features, gp, want_x=False)
    return g_phi


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("arch", CHANNELS)
def test_the_gradient_in_phi_is_the_derivative_of_the_loss(arch: str, rule: BatchNormRule, name: str) -> None:
    s, objective = problem(arch, rule), LEARNING[name](SAMPLES)
    along = direction(s.model.phi_layout, s.phi)

    def loss(t: float) -> Array:
        return objective(K, *replace(s, phi=s.phi + t * along).arguments()).loss

    outcome = objective.with_g_phi(K, *s.arguments())  # type: ignore[attr-defined]
    check(outcome.g_phi, along, derivative(loss, STEP))


@pytest.mark.parametrize("inference", INNER)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("arch", CHANNELS)
def test_one_update_is_differentiated_in_both_networks(
    arch: str, rule: BatchNormRule, inference: str
) -> None:
    """Along a direction of phi: the whole derivative of the gradient in phi, and one direction of theta."""
    s, update = problem(arch, rule), INNER[inference]
    model, phi, theta, x, key = s.arguments()
    dphi, dtheta = direction(model.phi_layout, phi), direction(model.theta_layout, theta)
    q, _ = model.encode(K, phi, x)
    z = model.posterior.sample(K, key, q, SAMPLES)
    weight = q.s**2 if inference == "covariance" else np.ones(1)

    def g_phi(t: float, u: float) -> Array:
        """Compute the gradient in phi at ``phi + t dphi`` and ``theta + u dtheta``."""
        vectors = phi + t * dphi, theta + u * dtheta
        if inference != "kl":
            return fisher_gradient(model, *vectors, x, z, weight)
        g = update(K, model, *vectors, x, key).g_phi
        assert g is not None
        return g

    h, m = update.gradient_along(K, model, phi, theta, x, key, dphi)
    agree(h, derivative(lambda t: g_phi(t, 0.0), STEP), TOLERANCE)
    check(m, dtheta, derivative(lambda u: (g_phi(0.0, u) * dphi).sum(1), STEP))


@pytest.mark.parametrize(
    ("name", "gamma"), [("m2-u-statistic", "learned"), ("m3-u-statistic-leave-one-out", "optimal")]
)
@pytest.mark.parametrize("inference", INNER)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("arch", CHANNELS)
def test_the_hypergradient_is_the_derivative_of_the_unrolled_loss(
    arch: str, rule: BatchNormRule, inference: str, name: str, gamma: str
) -> None:
    s, update = problem(arch, rule), INNER[inference]
    model, phi, theta, x, key = s.arguments()
    outer: Any = LEARNING[name](SAMPLES, **({"gamma": OptimalGamma()} if gamma == "optimal" else {}))
    first = update(K, model, phi, theta, x, key).g_phi
    assert first is not None
    lr = 0.1 / np.linalg.norm(first, axis=1)
    keys = [key.on(Stream.BILEVEL, key.step * STEPS + each) for each in range(STEPS)]
    outcome = Bilevel(update, outer, STEPS, lr)(K, model, phi, theta, x, key)

    def updated(theta: Array, held: list[Moments] | None) -> tuple[Array, list[Moments]]:
        """Compute phi_K and the (z, s) of its way, which the given ones replace in Fisher updates."""
        vector, way = phi, []
        for each, noise in enumerate(keys):
            q, _ = model.encode(K, vector, x)
            way.append(Moments(model.posterior.sample(K, noise, q, SAMPLES), q.s))
            if inference == "kl":
                g = update(K, model, vector, theta, x, noise).g_phi
                assert g is not None
            else:
                fixed = (held or way)[each]
                weight = fixed.s**2 if inference == "covariance" else np.ones(1)
                g = fisher_gradient(model, vector, theta, x, fixed.mu, weight)
            vector = vector - lr[:, None] * g
        return vector, way

    _, held = updated(theta, None)
    along = direction(model.theta_layout, theta)
    if gamma == "optimal":
        model.log_sd(along)[:] = 0

    def loss(t: float) -> Array:
        moved = theta + t * along
        vector, _ = updated(moved, held)
        if outcome.gamma is not None:
            model.log_sd(moved)[:] = outcome.gamma.log_sd
        return LEARNING[name](SAMPLES)(K, model, vector, moved, x, key).loss

    agree(outcome.loss, loss(0.0), 100 * ROUNDING)
    assert outcome.g_theta is not None
    check(outcome.g_theta, along, derivative(loss, UNROLLED_STEP))


@pytest.mark.parametrize("rule", ["coupled", "frozen"])
@pytest.mark.parametrize("arch", CHANNELS)
def test_running_statistics_follow_the_callers_encoder(arch: str, rule: BatchNormRule) -> None:
    """The batch's statistics are those of phi in the encoder, and of samples at phi_K in the decoder."""
    s, outer, lr = problem(arch, rule), LEARNING["m1"](SAMPLES), np.array([1e-3, 1e-4])
    model, phi, theta, x, key = s.arguments()
    found = Bilevel(INNER["kl"], outer, 1, lr)(K, *s.arguments()).statistics  # type: ignore[arg-type]
    update = INNER["kl"](K, model, phi, theta, x, key.on(Stream.BILEVEL, key.step))
    assert update.g_phi is not None
    later = outer(K, model, phi - lr[:, None] * update.g_phi, theta, x, key)
    here = outer(K, *s.arguments())
    agree(found[0], here.statistics[0], tolerance=0.0)
    agree(found[1], later.statistics[1], tolerance=0.0)
    assert norm(found[1]) != norm(here.statistics[1])
