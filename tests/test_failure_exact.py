"""Test the objectives of the exact posterior against their definitions, by central differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vsmnp.errors import ConfigError
from vsmnp.kernels import load
from vsmnp.model.vae import GaussianVAE
from vsmnp.objectives import FixedGamma, LearnedGamma
from vsmnp.objectives.gamma import OptimalGamma
from vsmnp.paper.reproduce.failure.exact import ExactPosteriorLearning, Name, NoInference, nodes
from vsmnp.rng import Key, Stream
from vsmnp.types import Array

K = load("reference")
MODEL = GaussianVAE.mlp(3, 2, (5,), "tanh")
POINTS, KEY = 55, Key((3, 8), Stream.LEARNING, 4)
RNG = np.random.default_rng(1)
THETA = 0.7 * RNG.standard_normal((2, MODEL.theta_layout.size))
MODEL.log_sd(THETA)[:] = [-0.2, 0.1]
PHI = RNG.standard_normal((2, MODEL.phi_layout.size))
X = RNG.standard_normal((1, 1, 7, 3))


def _posterior(theta: Array) -> tuple[Array, Array, Array]:
    """Return e ``(R, N, M, D)``, tau ``(R, 1, 1)`` and the exponents of the likelihood, by definition."""
    g, _ = MODEL.decode(K, theta, nodes(K, KEY, POINTS, 2, np.dtype(float)))
    e = g[:, 0][:, None] - X[0, 0][None, :, None]
    tau = np.exp(-2 * MODEL.log_sd(theta))[:, None, None]
    return e, tau, -0.5 * tau * (e * e).sum(-1)


def _weights(theta: Array) -> Array:
    _, _, a = _posterior(theta)
    w = np.exp(a - a.max(-1, keepdims=True))
    return w / w.sum(-1, keepdims=True)


def _loss(name: Name, theta: Array, w: Array, s_q: Array) -> Array:
    """Compute the objective at given weights and scores of q, each datum by its definition."""
    e, tau, a = _posterior(theta)
    s = tau[..., None] * e
    each, d_x = (w * (s * s).sum(-1)).sum(-1), 3
    mean = (w[..., None] * s).sum(2)
    if name == "elbo":
        value = -(w * (a - d_x * (MODEL.log_sd(theta)[:, None, None] + 0.5 * np.log(2 * np.pi)))).sum(-1)
    elif name == "m1":
        value = 0.5 * each - tau[..., 0] * d_x
    elif name == "m3":
        cross = (w * (s_q * s).sum(-1)).sum(-1)
        value = 0.5 * (mean * mean).sum(-1) + cross - tau[..., 0] * d_x
    else:
        value = each - 0.5 * (mean * mean).sum(-1) - tau[..., 0] * d_x
    return np.asarray(value.mean(1))


def _score_q(theta: Array, w: Array) -> Array:
    e, tau, _ = _posterior(theta)
    s = tau[..., None] * e
    return s - (w[..., None] * s).sum(2, keepdims=True)


def _differences(loss: Callable[[Array], Array], step: float = 1e-4) -> Array:
    """Differentiate by five-point central differences, ``(R, P)``; the models are independent."""
    found = np.empty_like(THETA)
    for place in range(THETA.shape[1]):
        shift = np.zeros_like(THETA)
        shift[:, place] = step
        near, far = (loss(THETA + k * shift) - loss(THETA - k * shift) for k in (1, 2))
        found[:, place] = (8 * near - far) / (12 * step)
    return found


@pytest.mark.parametrize("name", ["elbo", "m1", "m2", "m3"])
def test_frozen_gradients_are_those_of_the_definition(name: Name) -> None:
    w = _weights(THETA)
    s_q = _score_q(THETA, w)
    found = ExactPosteriorLearning(name, POINTS, LearnedGamma())(K, MODEL, PHI, THETA, X, KEY)
    expected = _differences(lambda theta: _loss(name, theta, w, s_q))
    np.testing.assert_allclose(found.g_theta, expected, rtol=1e-8, atol=1e-8)
    if name != "elbo":
        np.testing.assert_allclose(found.loss, _loss(name, THETA, w, s_q), rtol=1e-10)


def test_marginal_gradient_has_the_dependence_of_the_weights() -> None:
    found = ExactPosteriorLearning("marginal", POINTS, LearnedGamma())(K, MODEL, PHI, THETA, X, KEY)
    expected = _differences(lambda theta: _loss("marginal", theta, _weights(theta), np.zeros(1)))
    np.testing.assert_allclose(found.g_theta, expected, rtol=1e-8, atol=1e-8)


def test_elbo_is_the_likelihood_and_its_gradient() -> None:
    def nll(theta: Array) -> Array:
        _, tau, a = _posterior(theta)
        log_p = np.log(np.exp(a).mean(-1)).mean(-1)
        return np.asarray(-log_p + 3 * (0.5 * np.log(2 * np.pi) - 0.5 * np.log(tau[:, 0, 0])))

    found = ExactPosteriorLearning("elbo", POINTS, LearnedGamma())(K, MODEL, PHI, THETA, X, KEY)
    np.testing.assert_allclose(found.loss, nll(THETA), rtol=1e-10)
    np.testing.assert_allclose(found.g_theta, _differences(nll), rtol=1e-8, atol=1e-8)


def test_frozen_m3_has_the_gradient_of_m1_and_the_loss_of_m2() -> None:
    m1, m2, m3 = (
        ExactPosteriorLearning(name, POINTS, LearnedGamma())(K, MODEL, PHI, THETA, X, KEY)
        for name in ("m1", "m2", "m3")
    )
    np.testing.assert_allclose(m3.g_theta, m1.g_theta, rtol=1e-12)
    np.testing.assert_allclose(m3.loss, m2.loss, rtol=1e-12)
    assert not np.allclose(m3.g_theta, m2.g_theta, rtol=0.1)


@pytest.mark.parametrize("name", ["elbo", "m1", "m2", "m3"])
def test_optimal_gamma_has_no_slope(name: Name) -> None:
    """The chosen gamma makes the derivative in l zero, at frozen weights and scores."""
    w = _weights(THETA)
    s_q = _score_q(THETA, w)
    chosen = ExactPosteriorLearning(name, POINTS, OptimalGamma())(K, MODEL, PHI, THETA, X, KEY).gamma
    assert chosen is not None
    assert not chosen.kept.any()

    def loss(step: float) -> Array:
        theta = THETA.copy()
        MODEL.log_sd(theta)[:] = chosen.log_sd + step
        return _loss(name, theta, w, s_q)

    scale = np.abs(loss(0.0)) + 1
    assert np.all(np.abs(loss(1e-4) - loss(-1e-4)) / 2e-4 < 1e-6 * scale)


def test_fixed_gamma_has_no_gradient_and_marginal_no_closed_form() -> None:
    found = ExactPosteriorLearning("m2", POINTS, FixedGamma())(K, MODEL, PHI, THETA, X, KEY)
    assert found.g_theta is not None
    assert not MODEL.log_sd(found.g_theta).any()
    with pytest.raises(ConfigError, match="no optimal gamma"):
        ExactPosteriorLearning("marginal", POINTS, OptimalGamma())


def test_nodes_integrate_a_narrow_posterior_as_a_fine_grid_does() -> None:
    """``E[tau^2 A]`` of a posterior with sd 1/10 in a decoder of sines, to 0.2 percent with 2,584 nodes."""
    z = nodes(K, KEY, 2584, 2, np.dtype(float))
    axis = np.arange(-6, 6, 0.02)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    x = np.array([[0.3, -0.2], [1.0, 0.4], [-1.2, 0.9]])

    def square(points: Array, log_prior: Array) -> Array:
        g = points + 0.3 * np.sin(2 * points[:, ::-1])
        distance = ((x[:, None] - g) ** 2).sum(-1)
        log_w = -50 * distance + log_prior
        w = np.exp(log_w - log_w.max(1, keepdims=True))
        return np.asarray((w * distance).sum(1) / w.sum(1))

    exact = square(grid, -0.5 * (grid**2).sum(1))
    for r in range(2):
        np.testing.assert_allclose(square(z[r, 0], np.zeros(2584)), exact, rtol=2e-3)


def test_no_inference_leaves_the_encoder() -> None:
    found = NoInference()(K, MODEL, PHI, THETA, X, KEY)
    assert found.g_phi is not None
    assert found.g_phi.shape == PHI.shape
    assert not found.g_phi.any()
