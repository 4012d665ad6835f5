"""Test the mixture of diagonal Gaussians: density, score, the score's gradient, and draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import DERIVATIVE, ROUNDING, agree, derivative, tree_map

from vsmnp.kernels import load
from vsmnp.model.gaussian import DiagonalGaussian
from vsmnp.model.posterior import Moments
from vsmnp.paper.reproduce.fig5.mixture_posterior import GaussianMixture
from vsmnp.rng import Key, Stream
from vsmnp.types import Array, Params

K = load("reference")
NAMES = ("logits", "means", "log_sds")
#: The probability of a fair estimate to lie farther off is below one in a million.
STANDARD_ERRORS = 5.0

sizes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3))
seeds = st.integers(0, 2**32 - 1)


def parameters(rng: np.random.Generator, models: int, components: int, d_z: int) -> Params:
    """Draw overlapping components, of standard deviations 1 to 1.5: sharper ones need a finer stencil."""
    return {
        "logits": rng.standard_normal((models, components)),
        "means": rng.standard_normal((models, components, d_z)),
        "log_sds": 0.4 * rng.random((models, components, d_z)),
    }


def gradient(q: GaussianMixture, p: Params, z: Array, v: Array) -> Params:
    gp = tree_map(np.zeros_like, p)
    q.at(p, z).score_vjp(v, gp)
    return gp


@given(sizes, seeds)
def test_the_score_is_the_derivative_of_log_prob(size: tuple[int, ...], seed: int) -> None:
    models, samples, components, d_z = size
    rng = np.random.default_rng(seed)
    q, p = GaussianMixture(components, d_z), parameters(rng, models, components, d_z)
    z, dz = (rng.standard_normal((models, samples, d_z)) for _ in range(2))
    dz /= np.linalg.norm(dz)
    score = q.at(p, z).score
    agree(
        (score * dz).sum(-1),
        derivative(lambda t: q.at(p, z + t * dz).log_prob),
        DERIVATIVE,
        scale=float(np.linalg.norm(score)) + 1,
    )


@settings(max_examples=30)
@given(sizes, seeds)
def test_score_vjp_is_the_derivative_in_every_parameter(size: tuple[int, ...], seed: int) -> None:
    models, samples, components, d_z = size
    rng = np.random.default_rng(seed)
    q, p = GaussianMixture(components, d_z), parameters(rng, models, components, d_z)
    z, v = (rng.standard_normal((models, samples, d_z)) for _ in range(2))
    gp = gradient(q, p, z, v)
    size_of_all = float(np.sqrt(sum((g**2).sum() for g in gp.values()))) + 1
    for name in NAMES:
        numeric = np.empty_like(p[name])
        for place in np.ndindex(numeric.shape):
            tangent = np.zeros_like(numeric)
            tangent[place] = 1.0

            def along(t: float, name: str = name, tangent: Array = tangent) -> Array:
                return np.asarray((q.at({**p, name: p[name] + t * tangent}, z).score * v).sum())

            numeric[place] = derivative(along)
        agree(gp[name], numeric, DERIVATIVE, scale=size_of_all)


def test_score_vjp_accumulates() -> None:
    rng = np.random.default_rng(0)
    q, p = GaussianMixture(4, 2), parameters(rng, 2, 4, 2)
    z, v = (rng.standard_normal((2, 3, 2)) for _ in range(2))
    onto = tree_map(np.ones_like, p)
    q.at(p, z).score_vjp(v, onto)
    agree(onto, tree_map(lambda g: g + 1, gradient(q, p, z, v)))


@given(st.integers(1, 4), st.integers(1, 3), seeds)
def test_one_component_is_the_diagonal_gaussian(samples: int, d_z: int, seed: int) -> None:
    """Its density, its score ``-eps / s``, and the fused unparametrised Fisher gradient."""
    rng = np.random.default_rng(seed)
    models = 2
    q, p = GaussianMixture(1, d_z), parameters(rng, models, 1, d_z)
    moments = Moments(p["means"][:, None], np.exp(p["log_sds"])[:, None])  # (R, 1, N = 1, Z)
    eps, b = (rng.standard_normal((models, samples, 1, d_z)) for _ in range(2))
    z = moments.place(eps)
    at = q.at(p, z[:, :, 0])
    agree(at.log_prob, DiagonalGaussian(d_z).log_prob(moments, z)[..., 0])
    agree(at.score, (-eps / moments.s)[:, :, 0])
    d, _, gmu, gs = K.posterior_fisher(moments.mu, moments.s, eps, b)
    gp = gradient(q, p, z[:, :, 0], d[:, :, 0] / samples)
    agree(gp["means"], gmu[:, 0], 1e-11)
    agree(gp["log_sds"], (gs * moments.s)[:, 0], 1e-11)
    assert not gp["logits"].any()


@settings(max_examples=30)
@given(st.integers(2, 4), st.integers(1, 5), seeds)
def test_models_side_by_side_are_single_models(models: int, samples: int, seed: int) -> None:
    """To the last bit on the reference kernels: draws, densities, scores and gradients."""
    rng = np.random.default_rng(seed)
    q, p = GaussianMixture(3, 2), parameters(rng, models, 3, 2)
    key = Key(tuple(range(models)), Stream.INFERENCE, 7)
    z = q.sample(K, p, key, samples)
    v = rng.standard_normal(z.shape)
    at, gp = q.at(p, z), gradient(q, p, z, v)
    for r in range(models):
        alone = {name: values[r : r + 1] for name, values in p.items()}
        z_alone = q.sample(K, alone, Key((r,), Stream.INFERENCE, 7), samples)
        at_alone = q.at(alone, z_alone)
        agree(z_alone, z[r : r + 1], 0.0)
        agree((at_alone.log_prob, at_alone.score), (at.log_prob[r : r + 1], at.score[r : r + 1]), 0.0)
        agree(gradient(q, alone, z_alone, v[r : r + 1]), {name: g[r : r + 1] for name, g in gp.items()}, 0.0)


def test_points_are_shared_by_all_models() -> None:
    rng = np.random.default_rng(1)
    q, p = GaussianMixture(3, 2), parameters(rng, 4, 3, 2)
    z = rng.standard_normal((1, 5, 2))
    shared, each = q.at(p, z), q.at(p, z.repeat(4, axis=0))
    agree((shared.log_prob, shared.score), (each.log_prob, each.score), 0.0)


def test_the_density_is_normalised_and_its_score_has_mean_zero() -> None:
    """The trapezoidal rule is exponentially accurate for a density that is smooth and vanishes."""
    q, p = GaussianMixture(4, 2), parameters(np.random.default_rng(2), 3, 4, 2)
    axis = np.linspace(-12, 12, 241)
    z = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(1, -1, 2)
    at = q.at(p, z)
    mass = np.exp(at.log_prob) * (axis[1] - axis[0]) ** 2
    np.testing.assert_allclose(mass.sum(1), 1, rtol=ROUNDING)
    np.testing.assert_allclose(np.einsum("rs,rsz->rz", mass, at.score), 0, atol=ROUNDING)


def test_densities_and_scores_stay_finite_far_away() -> None:
    q, p = GaussianMixture(4, 2), parameters(np.random.default_rng(3), 1, 4, 2)
    at = q.at(p, np.full((1, 1, 2), 1e4))
    assert np.isfinite(at.log_prob).all()
    assert np.isfinite(at.score).all()


def within(values: Array, expected: Array | float) -> None:
    """Check that the mean of draws ``(S, ...)`` is ``expected`` up to its standard error."""
    error = values.std(0, ddof=1) / np.sqrt(len(values))
    assert (np.abs(values.mean(0) - expected) < STANDARD_ERRORS * error).all()


@pytest.mark.parametrize("d_z", [1, 2, 3])
def test_draws_have_the_moments_of_the_mixture(d_z: int) -> None:
    samples = 100_001  # odd, so that the last normal is one of a pair
    q, p = GaussianMixture(3, d_z), parameters(np.random.default_rng(4), 2, 3, d_z)
    z = q.sample(K, p, Key((5, 6), Stream.INFERENCE), samples)
    w, m, s = q.weights(p)[..., None], p["means"], np.exp(p["log_sds"])
    score = q.at(p, z).score
    for r in range(2):
        within(z[r], (w * m).sum(1)[r])
        within(z[r] ** 2, (w * (m**2 + s**2)).sum(1)[r])
        within(score[r], 0.0)


def test_a_component_is_chosen_by_its_weight_and_independently_of_the_normals() -> None:
    """Components far apart show which of them generated a point; its residual is then a standard normal."""
    samples, q = 100_000, GaussianMixture(3, 1)
    p = {
        "logits": np.log([[0.2, 0.5, 0.3]]) + 3.0,
        "means": np.array([[[-100.0], [0.0], [100.0]]]),
        "log_sds": np.log([[[0.5], [1.0], [2.0]]]),
    }
    z = q.sample(K, p, Key((0,), Stream.INFERENCE), samples)[0, :, 0]
    for component, weight in enumerate((0.2, 0.5, 0.3)):
        mean, sd = p["means"][0, component, 0], np.exp(p["log_sds"][0, component, 0])
        mine = np.abs(z - mean) < 50
        within(mine.astype(float), weight)
        within((z[mine] - mean) / sd, 0.0)
        within(((z[mine] - mean) / sd) ** 2, 1.0)


def test_a_component_without_weight_is_never_drawn() -> None:
    q = GaussianMixture(3, 1)
    p = {
        "logits": np.array([[-800.0, 0.0, -800.0]]),
        "means": np.array([[[-100.0], [0.0], [100.0]]]),
        "log_sds": np.zeros((1, 3, 1)),
    }
    assert np.abs(q.sample(K, p, Key((0,)), 10_000)).max() < 50
