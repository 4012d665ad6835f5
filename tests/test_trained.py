"""Test the functions of trained models: shapes as documented, values as in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Scene, few, scene, scenes, seeds

from vsmnp.errors import ConfigError, DataError, VsmnpError
from vsmnp.kernels import load
from vsmnp.model.vae import GaussianVAE
from vsmnp.runs import trained
from vsmnp.runs.trained import TrainedVAE
from vsmnp.settings.settings import Settings
from vsmnp.training.build import build_learning
from vsmnp.types import Array

K = load("reference")


def vae_of(scene: Scene) -> TrainedVAE:
    return TrainedVAE(K, scene.model, scene.phi, scene.theta, scene.key.seeds)


def linear(models: int = 2, d_x: int = 3, d_z: int = 2) -> tuple[TrainedVAE, Array]:
    """Build networks without a hidden layer, and data ``x (N, D)``."""
    given = scene(GaussianVAE.mlp(d_x, d_z, ()), "tanh", seed=1, models=models, batch=5)
    return vae_of(given), given.x[0, 0]


def constant(models: int = 2) -> tuple[TrainedVAE, Array, Array]:
    """Build decoders with a constant mean b ``(R, D)``, so that ``p(x) = N(b, gamma I)``; and data."""
    vae, x = linear(models)
    vae.model.decoder_part(vae.theta)["0"]["w"][:] = 0
    return vae, x, vae.model.decoder_part(vae.theta)["0"]["b"].copy()


# --- shapes ---------------------------------------------------------------------------------------


@given(scenes(models=3), st.integers(1, 4), seeds)
@few
def test_every_array_has_the_documented_shape(given: Scene, n: int, seed: int) -> None:
    vae, (d_x, d_z) = vae_of(given), (given.model.d_x, given.model.d_z)
    x = np.random.default_rng(seed).standard_normal((n, d_x))
    mean, sd = vae.encode(x)
    assert mean.shape == sd.shape == (3, n, d_z)
    assert (sd > 0).all()
    assert vae.decode(np.zeros((n, d_z))).shape == (3, n, d_x)
    assert vae.decode(np.zeros((3, n, d_z))).shape == (3, n, d_x)
    assert vae.reconstruct(x).shape == (3, n, d_x)
    assert vae.sample(n).shape == vae.sample(n, noise=False).shape == (3, n, d_x)
    assert vae.log_prob(x, draws=10).shape == (3, n)
    assert vae.score(x, draws=10).shape == (3, n, d_x)
    assert vae.gamma.shape == (3,)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_keep_the_arithmetic_of_the_run(dtype: str) -> None:
    vae, x = linear()
    vae = TrainedVAE(K, vae.model, vae.phi.astype(dtype), vae.theta.astype(dtype), vae.seeds)
    for array in (*vae.encode(x), vae.reconstruct(x), vae.sample(3), vae.sample(3, noise=False)):
        assert array.dtype == dtype
    for array in (vae.log_prob(x, 10), vae.score(x, 10), vae.gamma):
        assert array.dtype == np.float64


@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 2), (1, 2, 3), (0,), ()])
def test_data_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    vae, _ = linear()
    objective = build_learning(Settings())
    for method in (vae.encode, vae.reconstruct, vae.log_prob, vae.score, lambda x: vae.outcome(objective, x)):
        with pytest.raises(DataError, match=r"\(N, 3\)"):
            method(np.zeros(shape))


@pytest.mark.parametrize("shape", [(2,), (5, 3), (3, 5, 2), (2, 5, 3), (1, 1, 5, 2)])
def test_codes_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    """For two models of two latent dimensions."""
    with pytest.raises(DataError, match="2"):
        linear()[0].decode(np.zeros(shape))


def test_data_may_be_a_list_and_must_be_numbers() -> None:
    vae, x = linear()
    np.testing.assert_array_equal(vae.encode(x.tolist())[0], vae.encode(x)[0])
    np.testing.assert_array_equal(vae.log_prob(x.tolist(), 10), vae.log_prob(x, 10))
    for wrong in (np.array([["a", "b", "c"]]), np.array([[1j, 0, 0]]), np.array([[None, None, None]])):
        with pytest.raises(DataError):
            vae.encode(wrong)


def test_a_number_of_draws_must_be_positive() -> None:
    vae, x = linear()
    for n in (0, -1):
        with pytest.raises(ConfigError):
            vae.log_prob(x, draws=n)
        with pytest.raises(ConfigError):
            vae.score(x, draws=n)
    with pytest.raises(VsmnpError):
        vae.sample(-1)


# --- values ---------------------------------------------------------------------------------------


def test_linear_networks_map_as_matrices_do() -> None:
    vae, x = linear()
    e, d = vae.model.encoder_part(vae.phi)["0"], vae.model.decoder_part(vae.theta)["0"]
    features = np.einsum("roi,ni->rno", e["w"], x) + e["b"][:, None]
    mean, sd = vae.encode(x)
    np.testing.assert_allclose(mean, features[..., :2], rtol=1e-12)
    np.testing.assert_allclose(sd, np.exp(features[..., 2:]), rtol=1e-12)
    np.testing.assert_allclose(
        vae.reconstruct(x), np.einsum("roi,rni->rno", d["w"], mean) + d["b"][:, None], rtol=1e-12
    )
    np.testing.assert_allclose(vae.gamma, np.exp(vae.model.log_sd(vae.theta)) ** 2, rtol=1e-12)


def test_one_code_for_all_models_is_the_same_code_for_each() -> None:
    vae, _ = linear()
    z = np.random.default_rng(0).standard_normal((4, 2))
    np.testing.assert_array_equal(vae.decode(z), vae.decode(np.stack([z, z])))


def test_the_likelihood_of_a_constant_decoder_is_a_gaussian() -> None:
    """Every draw has the same weight, so that one draw is exact."""
    vae, x, b = constant()
    e, gamma = x - b[:, None], vae.gamma[:, None]
    log_p = -0.5 * (e**2).sum(-1) / gamma - 1.5 * np.log(2 * np.pi * gamma)
    for draws in (1, 7):
        np.testing.assert_allclose(vae.log_prob(x, draws), log_p, rtol=1e-12)
        np.testing.assert_allclose(vae.score(x, draws), -e / gamma[..., None], rtol=1e-12)


def test_the_likelihood_of_a_linear_decoder_is_a_gaussian() -> None:
    """Within five standard errors, which have a closed form too: p(x|z)^2 is a Gaussian in x."""
    draws = 40_000
    vae, x = linear()
    found = vae.log_prob(x, draws)
    for r in range(2):
        p = vae.model.decoder_part(vae.theta)["0"]
        w, b, gamma = p["w"][r], p["b"][r], vae.gamma[r]

        def log_normal(cov: Array, e: Array = x - b) -> Array:
            log_det = np.linalg.slogdet(2 * np.pi * cov)[1]
            return np.asarray(-0.5 * (e * np.linalg.solve(cov, e.T).T).sum(1) - 0.5 * log_det)

        exact = log_normal(w @ w.T + gamma * np.eye(3))
        log_square = log_normal(w @ w.T + gamma / 2 * np.eye(3)) - 1.5 * np.log(4 * np.pi * gamma)
        error = np.sqrt(np.expm1(log_square - 2 * exact) / draws)
        assert (error < 0.1).all()
        assert (np.abs(found[r] - exact) < 5 * error).all()


@given(scenes(models=2))
@few
def test_the_score_is_the_gradient_of_the_log_likelihood(given: Scene) -> None:
    """Of the estimate itself: both use the same draws. Each value is good to 1e-7 nats, its four-point
    difference therefore to 1.5e-7 over the step."""
    vae, x, step = vae_of(given), given.x[0, 0], 0.02
    score = vae.score(x, draws=20)
    for d in range(given.model.d_x):
        along = step * np.eye(given.model.d_x)[d]
        near, far = (vae.log_prob(x + t * along, 20) - vae.log_prob(x - t * along, 20) for t in (1, 2))
        np.testing.assert_allclose(
            score[..., d], (8 * near - far) / (12 * step), rtol=1e-6, atol=1.5e-7 / step
        )


def test_samples_are_distributed_as_the_model_says() -> None:
    """Mean b and covariance ``w w' + gamma I`` of a linear decoder, within five standard errors."""
    n = 20_000
    vae, _ = linear()
    draws, means = vae.sample(n), vae.sample(n, noise=False)
    p = vae.model.decoder_part(vae.theta)["0"]
    for r in range(2):
        for found, noise in ((draws[r], vae.gamma[r]), (means[r], 0.0)):
            cov = p["w"][r] @ p["w"][r].T + noise * np.eye(3)
            variance = np.diag(cov)
            assert (np.abs(found.mean(0) - p["b"][r]) < 5 * np.sqrt(variance / n)).all()
            error = np.sqrt((np.outer(variance, variance) + cov**2) / n)
            assert (np.abs(np.cov(found.T) - cov) < 5 * error).all()


def test_the_noise_of_a_sample_is_that_of_the_likelihood() -> None:
    """The same draws from the prior with and without; the noise is drawn separately."""
    vae, _, b = constant()
    np.testing.assert_allclose(vae.sample(4, noise=False), np.broadcast_to(b[:, None], (2, 4, 3)), rtol=1e-12)
    noise = (vae.sample(5_000) - b[:, None]) / np.sqrt(vae.gamma)[:, None, None]
    assert (np.abs(noise.mean(1)) < 5 / np.sqrt(5_000)).all()
    assert (np.abs(noise.var(1) - 1) < 5 * np.sqrt(2 / 5_000)).all()


def test_samples_depend_on_the_seed_and_on_nothing_else() -> None:
    vae, _ = linear()
    first = vae.sample(6, seed=3)
    np.testing.assert_array_equal(vae.sample(6, seed=3), first)
    assert not np.isin(vae.sample(6, seed=4), first).any()
    one = TrainedVAE(K, vae.model, vae.phi[1:], vae.theta[1:], vae.seeds[1:])
    np.testing.assert_array_equal(one.sample(6, seed=3)[0], first[1])


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("d_z", [1, 2])
def test_draws_do_not_depend_on_the_blocks(d_z: int, noise: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    vae, _ = linear(d_z=d_z)
    whole = vae.sample(11, seed=2, noise=noise)
    monkeypatch.setattr(trained, "_ROWS", (3, 3))
    blocks = list(vae.sample_blocks(11, seed=2, noise=noise))
    assert [block.shape for block in blocks] == [(2, n, 3) for n in (3, 3, 3, 2)]
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), whole, rtol=1e-12)
    np.testing.assert_array_equal(vae.sample(11, seed=2, noise=noise), np.concatenate(blocks, axis=1))


def test_a_block_of_draws_has_about_a_million_numbers() -> None:
    assert [trained.block_of(dim) for dim in (2, 784, 3072)] == [65_536, 1337, 1000]


@pytest.mark.parametrize("objective", ["elbo", "m1", "m2", "m3"])
def test_any_objective_can_be_asked_about_data(objective: str) -> None:
    """The outcome is a pure function of the step's number."""
    vae, x = linear()
    learning = build_learning(Settings(objective=objective))
    one, same, other = (vae.outcome(learning, x, step) for step in (4, 4, 5))
    assert one.loss.shape == (2,)
    np.testing.assert_array_equal(one.loss, same.loss)
    assert (one.loss != other.loss).all()
    np.testing.assert_allclose(sum(one.terms.values()), one.loss, rtol=1e-12)


def test_nothing_changes_the_models() -> None:
    vae, x = linear()
    before = vae.phi.tobytes(), vae.theta.tobytes(), x.tobytes()
    vae.sample(3)
    vae.reconstruct(x)
    vae.score(x, 10)
    vae.outcome(build_learning(Settings()), x)
    assert (vae.phi.tobytes(), vae.theta.tobytes(), x.tobytes()) == before
