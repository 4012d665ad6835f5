"""Test binary latents: the distribution, its relaxation and noise, gradients, exact expectations."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import DERIVATIVE, agree, derivative, direction, inner, moved, norm
from scipy.stats import kstest
from scipy.stats import logistic as logistic_law
from strategies import Scene, few, scene, seeds
from test_objectives import Textbook

import vsmnp
from vsmnp.errors import ConfigError
from vsmnp.evaluation.evaluate import evaluate
from vsmnp.kernels import load
from vsmnp.metrics import Subject, iwae_bound, latent_mmd, negative_elbo, posterior_sds, prior_estimate
from vsmnp.model.bernoulli import Bernoulli, logistic
from vsmnp.model.vae import GaussianVAE
from vsmnp.objectives import ELBO, KL, M1, M3, JointFisher, Objective, OptimalGamma, PosteriorFisher
from vsmnp.rng import Key
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings
from vsmnp.training.loop import Watch
from vsmnp.types import Array, Kernels

S = 3
REFERENCE = load("reference")


def codes(d_z: int) -> Array:
    """List all of {0, 1}^Z, ``(2^Z, Z)``."""
    return np.array(list(product((0.0, 1.0), repeat=d_z)))


@st.composite
def binary_scenes(draw: st.DrawFn, models: int = 1) -> Scene:
    """Draw a small smooth VAE with binary latents."""
    activation = draw(st.sampled_from(("tanh", "softplus")))
    model = GaussianVAE.mlp(
        d_x=draw(st.integers(1, 4)),
        hidden=draw(st.lists(st.integers(1, 4), max_size=2)),
        activation=activation,
        sigmoid_output=draw(st.booleans()),
        posterior=Bernoulli(draw(st.integers(1, 3)), draw(st.sampled_from((0.3, 0.5, 1.0, 2.0)))),
    )
    return scene(model, activation, draw(seeds), models, batch=draw(st.integers(1, 4)))


def binary(d_z: int = 2, seed: int = 3, models: int = 1) -> Scene:
    model = GaussianVAE.mlp(2, hidden=(4,), activation="tanh", posterior=Bernoulli(d_z))
    return scene(model, "tanh", seed, models)


# --- the equations again --------------------------------------------------------------------------


class BinaryTextbook:
    """The losses of one scene from densities alone."""

    def __init__(self, scene: Scene, samples: int) -> None:
        posterior = cast(Bernoulli, scene.model.posterior)
        self.t, self.scene, self.temperature = (
            Textbook(scene, np.empty(0), np.empty(0)),
            scene,
            posterior.temperature,
        )
        u = scene.key.uniform(REFERENCE, (samples, scene.x.shape[2], posterior.d_z), np.float64)[0]
        self.noise = np.log(u + 2.0**-25) - np.log(1 - u - 2.0**-25)

    def p(self, phi: Array) -> Array:
        logits = self.t._net(self.scene.model.encoder_part(phi), self.t.x)
        return np.asarray(1 / (1 + np.exp(-logits)))

    def z(self, phi: Array) -> Array:
        """Compute relaxed samples ``(S, N, Z)``."""
        p = self.p(phi)
        return np.asarray(1 / (1 + ((1 - p) / p * np.exp(-self.noise)) ** (1 / self.temperature)))

    def kl(self, phi: Array) -> float:
        p = self.p(phi)
        return float(np.sum(p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p)), -1).mean())

    def square(self, phi: Array, theta: Array) -> float:
        return float(np.sum((self.t.x - self.t.g(theta, self.z(phi))) ** 2, -1).mean())

    def elbo(self, phi: Array, theta: Array) -> float:
        gamma, d_x = self.t.gamma(theta), self.t.x.shape[-1]
        return (
            self.square(phi, theta) / (2 * gamma) + d_x / 2 * float(np.log(2 * np.pi * gamma)) + self.kl(phi)
        )

    def m1(self, phi: Array, theta: Array) -> float:
        gamma, d_x = self.t.gamma(theta), self.t.x.shape[-1]
        return self.square(phi, theta) / (2 * gamma**2) - d_x / gamma


def check_gradient(g: Array | None, f: Callable[[Array], float], at: Array) -> None:
    """Check that ``<g, v>`` is the derivative of f along a random direction v."""
    assert g is not None
    for seed in range(2):
        (v,) = direction(np.random.default_rng(seed), at)
        agree(inner(g, v), derivative(lambda t, v=v: np.asarray(f(moved(at, t, v)))), DERIVATIVE,
              scale=max(norm(g), abs(f(at))))  # fmt: skip


@given(binary_scenes())
@few
def test_kl_inference_has_the_gradient_of_the_negative_elbo(k: Kernels, scene: Scene) -> None:
    textbook, outcome = BinaryTextbook(scene, S), KL(S)(k, *scene.arguments())
    loss = textbook.elbo(scene.phi, scene.theta)
    agree(outcome.loss, np.array([loss]), scale=1 + abs(loss))
    agree(outcome.terms["kl"], np.array([textbook.kl(scene.phi)]), scale=1.0)
    check_gradient(outcome.g_phi, lambda phi: textbook.elbo(phi, scene.theta), scene.phi)
    assert outcome.g_theta is None


@pytest.mark.parametrize("name", ["elbo", "m1"])
@given(scene=binary_scenes())
@few
def test_learning_has_the_gradient_of_its_loss(k: Kernels, name: str, scene: Scene) -> None:
    textbook = BinaryTextbook(scene, S)
    objective: Objective = ELBO(S) if name == "elbo" else M1(S)
    outcome = objective(k, *scene.arguments())
    loss: Callable[[Array, Array], float] = getattr(textbook, name)
    expected = loss(scene.phi, scene.theta)
    agree(outcome.loss, np.array([expected]), scale=1 + sum(norm(v) for v in outcome.terms.values()))
    check_gradient(outcome.g_theta, lambda theta: loss(scene.phi, theta), scene.theta)
    assert outcome.g_phi is None


def test_the_optimal_gamma_is_the_mean_square(k: Kernels) -> None:
    s = binary()
    square = BinaryTextbook(s, S).square(s.phi, s.theta)
    for objective in (ELBO(S, OptimalGamma()), M1(S, OptimalGamma())):
        choice = objective(k, *s.arguments()).gamma
        assert choice is not None
        agree(np.exp(2 * choice.log_sd), np.array([square / 2]))


@pytest.mark.parametrize("objective", [KL(S), ELBO(S), M1(S)], ids=lambda each: type(each).__name__)
@given(scene=binary_scenes(models=3))
@few
def test_models_are_independent(k: Kernels, objective: Any, scene: Scene) -> None:
    together = objective(k, *scene.arguments())
    for r in range(3):
        single = objective(k, *scene.only(r).arguments())
        agree(together.loss[r : r + 1], single.loss, scale=sum(norm(v) for v in single.terms.values()))
        for mine, theirs in ((single.g_phi, together.g_phi), (single.g_theta, together.g_theta)):
            if mine is not None:
                agree(theirs[r : r + 1], mine, 1e-11)


def test_single_precision_is_double_precision_rounded(k: Kernels) -> None:
    s = binary(seed=5)
    single = replace(s, phi=s.phi.astype("f4"), theta=s.theta.astype("f4"), x=s.x.astype("f4"))
    for objective in (KL(S), ELBO(S), M1(S)):
        one, other = objective(k, *single.arguments()), objective(k, *s.arguments())
        assert one.loss.dtype == np.float32
        for mine, theirs in ((one.g_phi, other.g_phi), (one.g_theta, other.g_theta)):
            if mine is not None:
                assert mine.dtype == np.float32
                agree(mine, theirs, 1e-4)


# --- the distribution -----------------------------------------------------------------------------


@given(seed=seeds, d_z=st.integers(1, 4), spread=st.sampled_from((0.1, 2.0, 30.0)))
@few
def test_probabilities_kl_and_moments_are_those_of_all_codes(
    k: Kernels, seed: int, d_z: int, spread: float
) -> None:
    logits = spread * np.random.default_rng(seed).standard_normal((2, 1, 3, d_z))
    posterior = Bernoulli(d_z)
    q = posterior.moments(k, logits)
    z = codes(d_z)[None, :, None]  # as samples
    log_q = posterior.log_prob(q, z)  # (R, 2^Z, N)
    agree(np.exp(log_q).sum(1), np.ones((2, 3)))
    log_p = posterior.log_prior(z)
    agree(np.exp(log_p).sum(1), np.ones((1, 1)))
    agree(posterior.kl(q)[:, 0], (np.exp(log_q) * (log_q - log_p)).sum(1), scale=d_z)
    mean = (np.exp(log_q)[..., None] * z).sum(1)
    agree(q.mu[:, 0], mean)
    agree(q.s[:, 0] ** 2, (np.exp(log_q)[..., None] * (z - mean[:, None]) ** 2).sum(1), scale=1.0)


def test_the_kl_of_certain_latents_is_log_2_each(k: Kernels) -> None:
    for dtype in (np.float32, np.float64):
        q = Bernoulli(2).moments(k, np.array([[[[300.0, -300.0]]]], dtype))
        agree(Bernoulli(2).kl(q), 2 * np.log([[[2.0]]]), 1e-6)
        features = Bernoulli(2).pathwise(k, Key((0,)), q, np.zeros((1, 1, 1, 2), dtype), 1.0)
        np.testing.assert_allclose(features, 0, atol=1e-30)
    agree(Bernoulli(2).kl(Bernoulli(2).moments(k, np.zeros((1, 1, 1, 2)))), np.zeros((1, 1, 1)), scale=1.0)


def test_exact_samples_have_the_probabilities(k: Kernels) -> None:
    n = 40_000
    logits = np.array([-3.0, -0.5, 0.0, 1.0, 4.0])
    posterior = Bernoulli(5)
    z = posterior.draw(k, Key((7,)), posterior.moments(k, np.broadcast_to(logits, (1, 1, n, 5)).copy()), 2)
    assert z.shape == (1, 2, n, 5)
    assert set(np.unique(z)) == {0.0, 1.0}
    p = 1 / (1 + np.exp(-logits))
    error = np.sqrt(p * (1 - p) / (2 * n))
    assert (np.abs(z.mean((0, 1, 2)) - p) < 5 * error).all()
    correlation = np.corrcoef(z.reshape(-1, 5).T)
    assert np.abs(correlation - np.eye(5)).max() < 5 / np.sqrt(2 * n)


def test_exact_samples_do_not_depend_on_how_the_data_are_cut(k: Kernels) -> None:
    logits = np.random.default_rng(0).standard_normal((2, 1, 7, 3))
    posterior, key = Bernoulli(3), Key((5, 6), 8, 1)
    whole = posterior.draw(k, key, posterior.moments(k, logits), 4)
    for start, stop in ((0, 2), (2, 7)):
        part = posterior.draw(k, key, posterior.moments(k, logits[:, :, start:stop]), 4, start)
        np.testing.assert_array_equal(part, whole[:, :, start:stop])


def test_the_prior_is_fair(k: Kernels) -> None:
    z = Bernoulli(3).prior(k, Key((1, 2)), (20_000, 3), np.float32)
    assert z.dtype == np.float32
    assert set(np.unique(z)) == {0.0, 1.0}
    assert np.abs(z.mean(1) - 0.5).max() < 5 * 0.5 / np.sqrt(20_000)
    assert not np.array_equal(z[0], z[1])
    np.testing.assert_array_equal(
        z[:, 5:], Bernoulli(3).prior(k, Key((1, 2)), (19_995, 3), np.float32, first=15)
    )


# --- the relaxation -------------------------------------------------------------------------------


def relaxed(k: Kernels, logits: Array, temperature: float, samples: int = S) -> Array:
    posterior = Bernoulli(logits.shape[-1], temperature)
    return posterior.sample(k, Key((4,)), posterior.moments(k, logits), samples)


def test_the_relaxation_has_the_limits_it_claims(k: Kernels) -> None:
    """T to 0: the exact sample of the same noise; at any T: on its side of 1/2; T to infinity: 1/2."""
    logits = np.random.default_rng(1).standard_normal((1, 1, 50, 4))
    noise = logistic(k, Key((4,)), (S, 50, 4), np.float64)
    exact = (logits + noise > 0).astype(float)
    distances = []
    for temperature in (1e-3, 0.1, 0.5, 2.0, 1e6):
        z = relaxed(k, logits, temperature)
        assert ((z >= 0) & (z <= 1)).all()
        np.testing.assert_array_equal(z > 0.5, exact > 0.5)
        distances.append(np.abs(z - exact).mean())
    assert distances == sorted(distances)
    assert distances[0] < 1e-3
    agree(relaxed(k, logits, 1e6), np.full_like(exact, 0.5), 1e-4)


def test_relaxed_samples_at_temperature_1_are_uniform_where_the_odds_are_even(k: Kernels) -> None:
    """``sigma(L)`` is the uniform from which L was computed."""
    z = relaxed(k, np.zeros((1, 1, 4000, 2)), 1.0, 1)
    assert kstest(z.ravel(), "uniform").pvalue > 1e-3
    u = Key((4,)).uniform(k, (1, 4000, 2), np.float64)
    agree(z, u + 2.0**-25)


# --- the noise ------------------------------------------------------------------------------------


def test_the_noise_is_the_difference_of_two_gumbels(k: Kernels) -> None:
    """Mean 0, variance pi^2/3, fourth moment 7 pi^4/15, and the whole distribution."""
    n = 200_000
    noise = logistic(k, Key((9,)), (n,), np.float64)[0]
    variance, fourth = np.pi**2 / 3, 7 * np.pi**4 / 15
    assert abs(noise.mean()) < 5 * np.sqrt(variance / n)
    assert abs((noise**2).mean() - variance) < 5 * np.sqrt((fourth - variance**2) / n)
    assert kstest(noise[:20_000], logistic_law.cdf).pvalue > 1e-3
    u = np.random.default_rng(0).random((2, 20_000))
    gumbels = -np.log(-np.log(u))
    assert kstest(noise[:20_000], gumbels[0] - gumbels[1]).pvalue > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_noise_is_finite_and_symmetric_at_its_ends(dtype: Any) -> None:
    cells = np.array([0, 1, 2**23 - 1, 2**23, 2**24 - 2, 2**24 - 1])
    ends = SimpleNamespace(uniform=lambda *_: (cells / 2**24).astype(dtype)[None])
    noise = logistic(cast(Kernels, ends), Key((0,)), (6,), dtype)[0]
    assert noise.dtype == dtype
    assert np.isfinite(noise).all()
    np.testing.assert_allclose(noise, -noise[::-1], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(noise[0], np.log(2.0**-25), rtol=1e-6)


def test_every_kernel_set_has_the_same_noise(k: Kernels) -> None:
    for dtype, error in ((np.float32, 2e-6), (np.float64, 1e-14)):
        mine, theirs = (logistic(each, Key((3, 4), 5, 6), (4, 5), dtype, 7) for each in (k, REFERENCE))
        np.testing.assert_allclose(mine, theirs, rtol=error, atol=error)


# --- what is evaluated ----------------------------------------------------------------------------


def exact_log_p(s: Scene, x: Array) -> Array:
    """Compute ``log sum_z 2^-Z N(x; g(z), gamma I)``, ``(N,)``."""
    z = codes(s.model.d_z)
    g = s.model.decode(REFERENCE, s.theta, z[None, None])[0][0, 0]
    gamma = float(np.exp(2 * s.model.log_sd(s.theta)[0]))
    square = ((x[:, None] - g) ** 2).sum(-1)
    each = -square / (2 * gamma) - x.shape[1] / 2 * np.log(2 * np.pi * gamma)
    return np.asarray(np.logaddexp.reduce(each, axis=1) - s.model.d_z * np.log(2))


def test_the_bounds_are_those_of_exact_samples(k: Kernels) -> None:
    """The negative ELBO has its exact expectation, the importance-weighted bound tends to ``-log p(x)``."""
    s = binary(d_z=3, seed=11)
    x = np.random.default_rng(2).standard_normal((200, 2))
    nll = -exact_log_p(s, x).mean()
    z = codes(3)[None, :, None]
    q, _ = s.model.encode(REFERENCE, s.phi, x[None, None])
    log_q = s.model.posterior.log_prob(q, z)[0]  # (2^Z, N)
    g = s.model.decode(REFERENCE, s.theta, codes(3)[None, None])[0][0, 0]
    gamma = float(np.exp(2 * s.model.log_sd(s.theta)[0]))
    log_likelihood = -((x - g[:, None]) ** 2).sum(-1) / (2 * gamma) - np.log(2 * np.pi * gamma)
    each = np.exp(log_q) * (log_q + 3 * np.log(2) - log_likelihood)
    bound = each.sum(0).mean()

    subject = Subject(k, s.model, s.phi, s.theta, x, s.key)
    found = negative_elbo(subject, samples=400)[0]
    spread = np.sqrt(
        (np.exp(log_q) * log_likelihood**2).sum(0) - ((np.exp(log_q) * log_likelihood).sum(0)) ** 2
    )
    assert abs(found - bound) < 5 * spread.mean() / np.sqrt(400 * 200) + 1e-9
    assert bound > nll
    tight = iwae_bound(subject, samples=1000)[0]
    assert abs(tight - nll) < 5e-3 * abs(nll)
    prior = prior_estimate(subject, 20_000)
    assert abs(prior.nll[0] - nll) < 2e-2 * abs(nll)


def test_the_mmd_of_fair_latents_is_zero(k: Kernels) -> None:
    s = binary(d_z=3)
    fair = replace(s, phi=np.zeros_like(s.phi))
    x = np.random.default_rng(2).standard_normal((3000, 2))
    subject = Subject(k, s.model, fair.phi, s.theta, x, s.key)
    assert abs(latent_mmd(subject)[0]) < 0.5
    certain = np.zeros_like(s.phi)
    s.model.encoder_part(certain)["2" if "2" in s.model.encoder_part(certain) else "1"]["b"][...] = 9.0
    assert latent_mmd(replace(subject, phi=certain))[0] > 5
    sds = posterior_sds(subject)
    np.testing.assert_allclose(sds, 0.5)


# --- runs -----------------------------------------------------------------------------------------

TINY: dict[str, Any] = {
    "posterior": "bernoulli", "latent": 6, "hidden": (8,), "steps": 12, "log_every": 4, "batch_size": 50,
    "samples": 2, "seeds": (0, 1), "lr": 1e-2, "encoder_lr": 1e-2,
}  # fmt: skip


@pytest.mark.parametrize("objective", ["elbo", "m1"])
def test_a_run_resumes_bit_for_bit(tmp_path: Path, objective: str) -> None:
    settings = Settings(**TINY, objective=objective)
    whole = Session.new(settings, folder=tmp_path / "whole").train()
    half = Session.new(replace(settings, steps=4), folder=tmp_path / "half")
    half.train()
    rest = Session.resumed(tmp_path / "half", {"steps": 12}).train(Watch())
    for name in ("phi", "theta"):
        np.testing.assert_array_equal(getattr(rest.vae, name), getattr(whole.vae, name))
    assert rest.settings.posterior == "bernoulli"


def test_what_a_trained_run_offers(tmp_path: Path) -> None:
    run = vsmnp.train("mixture", **TINY | {"steps": 300, "temperature": 0.7})
    assert cast(Bernoulli, run.vae.model.posterior).temperature == 0.7
    figures = evaluate(run, prior_draws=2000)
    assert figures["posterior_fd"] == [None, None]
    for name in ("nll", "neg_elbo", "iwae", "mse", "mmd", "gamma"):
        assert all(value is not None for value in figures[name])
    assert all(
        bound > nll - 0.1
        for bound, nll in zip(figures["neg_elbo"], figures["nll"], strict=True)  # type: ignore[operator]
    )
    start = vsmnp.train("mixture", **TINY | {"steps": 1})
    for before, after in zip(evaluate(start, prior_draws=2000)["neg_elbo"], figures["neg_elbo"], strict=True):
        assert after < before - 1  # type: ignore[operator]
    mean, sd = run.vae.encode(run.dataset.test(0, np.float32)[:5])
    np.testing.assert_allclose(sd**2, mean * (1 - mean), atol=1e-6)
    draws = run.vae.sample(50, noise=False)
    assert draws.shape == (2, 50, 2)
    decoded = run.vae.decode(codes(6).astype(np.float32))
    for r in range(2):
        assert np.abs(draws[r][:, None] - decoded[r]).sum(-1).min(1).max() < 1e-5, "samples come from codes"
    digest = hashlib.sha256(run.vae.sample(50).tobytes()).hexdigest()
    assert digest == hashlib.sha256(run.vae.sample(50).tobytes()).hexdigest()


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "choice",
    [
        {"inference": "fisher"},
        {"inference": "fisher-reparam"},
        {"objective": "m2"},
        {"objective": "m3"},
        {"objective": "fae", "inference": "fisher"},
        {"objective": "m2", "as_published": True},
    ],
)
def test_what_needs_scores_is_refused(choice: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="--posterior bernoulli has no scores"):
        Settings(posterior="bernoulli", **choice)


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_temperature_is_positive(value: float) -> None:
    with pytest.raises(ConfigError, match="--temperature must be a positive number"):
        Settings(posterior="bernoulli", temperature=value)


def test_a_temperature_without_binary_latents() -> None:
    with pytest.raises(ConfigError, match="--temperature is a part of --posterior bernoulli"):
        Settings(temperature=0.7)


@pytest.mark.parametrize(
    "objective", [M3(S), JointFisher(S), PosteriorFisher(S)], ids=lambda o: type(o).__name__
)
def test_from_python_too(k: Kernels, objective: Objective) -> None:
    with pytest.raises(ConfigError, match="A Bernoulli posterior has no scores"):
        objective(k, *binary().arguments())
