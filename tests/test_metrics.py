"""Test every metric against a closed form: of linear networks, for which it is a Gaussian integral."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsmnp import metrics
from vsmnp.errors import ConfigError, DataError
from vsmnp.kernels import load
from vsmnp.kernels.reference import likelihood
from vsmnp.layers.dense import Dense
from vsmnp.metrics import Subject, batches, reconstruction
from vsmnp.model.gaussian import DiagonalGaussian
from vsmnp.model.vae import GaussianVAE
from vsmnp.rng import Key, Stream
from vsmnp.runs.evaluation_log import COLUMNS
from vsmnp.settings.draws import IWAE_SAMPLES, POSTERIOR_SAMPLES, PRIOR_DRAWS
from vsmnp.types import Array

K = load("reference")
LOG_2PI = np.log(2 * np.pi)


@dataclass(frozen=True)
class Linear:
    """R models ``g(z) = w z + b``, ``mu(x) = v x + c``, ``s(x) = s`` and data ``x (N, D)``."""

    model: GaussianVAE
    phi: Array
    theta: Array
    x: Array
    key: Key

    @property
    def subject(self) -> Subject:
        """Models and data as the metrics take them."""
        return Subject(K, self.model, self.phi, self.theta, self.x, self.key)

    def on(self, x: Array) -> Subject:
        """Copy the same models with other data."""
        return replace(self.subject, x=x)

    def decoder(self, r: int) -> tuple[Array, Array, float]:
        """Return ``w (D, Z)``, ``b (D,)`` and gamma."""
        p = self.model.decoder_part(self.theta)
        return p["w"][r], p["b"][r], float(np.exp(2 * self.model.log_sd(self.theta)[r]))

    def posterior(self, r: int) -> tuple[Array, Array]:
        """Compute ``mu (N, Z)`` and ``s (Z,)``."""
        p, d_z = self.model.encoder_part(self.phi), self.model.d_z
        mu: Array = self.x @ p["w"][r, :d_z].T + p["b"][r, :d_z]
        return mu, np.exp(p["b"][r, d_z:])

    def marginal(self, r: int) -> tuple[Array, Array]:
        """Compute ``log p(x) (N,)`` and ``grad_x log p(x) (N, D)``."""
        w, b, gamma = self.decoder(r)
        cov = w @ w.T + gamma * np.eye(len(b))
        e = self.x - b
        score: Array = -np.linalg.solve(cov, e.T).T
        log_det = np.linalg.slogdet(cov)[1] + len(b) * LOG_2PI
        log_p = np.asarray(0.5 * (e * score).sum(1) - 0.5 * log_det)
        return log_p, score


def linear(models: int = 2, n: int = 40, d_z: int = 2, gamma: float = 0.5, exact: bool = False) -> Linear:
    """Draw random linear models; the columns of w are orthogonal, and with ``exact`` q is the posterior."""
    rng, d_x = np.random.default_rng(0), 3
    model = GaussianVAE(Dense(d_x, 2 * d_z), Dense(d_z, d_x), DiagonalGaussian(d_z, "exp"), d_x)
    phi, theta = np.zeros((models, model.phi_layout.size)), np.zeros((models, model.theta_layout.size))
    encoder, decoder = model.encoder_part(phi), model.decoder_part(theta)
    model.log_sd(theta)[:] = 0.5 * np.log(gamma) + 0.1 * rng.standard_normal(models)
    centre = rng.standard_normal(d_x)
    for r in range(models):
        columns, _ = np.linalg.qr(rng.standard_normal((d_x, d_z)))
        decoder["w"][r] = columns * rng.uniform(0.5, 1.2, d_z)
        decoder["b"][r] = centre + 0.2 * rng.standard_normal(d_x)
        encoder["w"][r, :d_z] = 0.3 * rng.standard_normal((d_z, d_x))
        encoder["b"][r] = 0.3 * rng.standard_normal(2 * d_z)
        if exact:
            w, tau = decoder["w"][r], np.exp(-2 * model.log_sd(theta)[r])
            variance = 1 / (1 + tau * (w * w).sum(0))
            encoder["w"][r, :d_z] = variance[:, None] * tau * w.T
            encoder["b"][r, :d_z] = -encoder["w"][r, :d_z] @ decoder["b"][r]
            encoder["b"][r, d_z:] = 0.5 * np.log(variance)
    x = centre + rng.standard_normal((n, d_x))
    return Linear(model, phi, theta, x, Key(tuple(range(7, 7 + models))))


def prior_draws(case: Linear, r: int, draws: int) -> Array:
    """Compute the means ``g(z_i) (draws, D)`` that the metrics use, made at once."""
    z = Key(case.key.seeds[r : r + 1], Stream.PRIOR).normal(K, (draws, case.model.d_z), np.float64)[0]
    w, b, _ = case.decoder(r)
    means: Array = z @ w.T + b
    return means


# --- by the prior ---------------------------------------------------------------------------------


def test_prior_estimate_is_the_gaussian_marginal() -> None:
    case, draws = linear(n=25, gamma=2.0), 100_000
    estimate = metrics.prior_estimate(case.subject, draws)
    for r in range(2):
        w, _, gamma = case.decoder(r)
        log_p, score = case.marginal(r)
        cov = w @ w.T + gamma * np.eye(3)
        loss = 0.5 * (score**2).sum(1) - np.trace(np.linalg.inv(cov))
        # The draws are shared by all x, so the error of the mean is that of the mean of p_i(x) / p(x).
        g = prior_draws(case, r, draws)
        e = case.x[:, None] - g
        s = -e / gamma
        ratio = np.exp(-0.5 * (e**2).sum(-1) / gamma - 1.5 * (LOG_2PI + np.log(gamma)) - log_p[:, None])
        nll_error = ratio.mean(0).std() / np.sqrt(draws)
        # Delta method: w-weighted means of f vary as the plain mean of (p_i / p) (f_i - E f).
        square = (s**2).sum(-1) - (loss + 3 / gamma + 0.5 * (score**2).sum(1))[:, None]
        cross = ((s - score[:, None]) * score[:, None]).sum(-1)
        loss_error = (ratio * (square - cross)).mean(0).std() / np.sqrt(draws)
        assert 0 < nll_error < 3e-3
        assert abs(estimate.nll[r] + log_p.mean()) < 4 * nll_error
        assert 0 < loss_error < 3e-2
        assert abs(estimate.sm_loss[r] - loss.mean()) < 4 * loss_error
        np.testing.assert_allclose(estimate.nll_se[r], log_p.std(ddof=1) / np.sqrt(25), rtol=0.02)
        np.testing.assert_allclose(estimate.sm_loss_se[r], loss.std(ddof=1) / np.sqrt(25), rtol=0.03)


def test_effective_sample_size_is_the_squared_ratio_of_moments() -> None:
    # E p(x|z) = N(x; b, ww' + gamma) and E p(x|z)^2 = (4 pi gamma)^(-d/2) N(x; b, ww' + gamma/2).
    case, draws = linear(models=1, gamma=2.0), 50_000
    gamma = case.decoder(0)[2]
    half = case.theta.copy()
    case.model.log_sd(half)[:] = 0.5 * np.log(gamma / 2)
    narrow = Linear(case.model, case.phi, half, case.x, case.key)
    second = narrow.marginal(0)[0] - 1.5 * np.log(4 * np.pi * gamma)
    expected = draws * np.exp(2 * case.marginal(0)[0] - second)
    estimate = metrics.prior_estimate(case.subject, draws)
    np.testing.assert_allclose(estimate.ess, expected.mean(), rtol=0.01)


def test_streamed_sums_are_the_sums_at_once() -> None:
    case, draws = linear(gamma=0.05), 10_000
    estimate = metrics.prior_estimate(case.subject, draws)
    log_p, score = metrics.log_prob_and_score(case.subject, draws)
    assert log_p.shape == (2, 40)
    assert score.shape == (2, 40, 3)
    for r in range(2):
        gamma = case.decoder(r)[2]
        e = prior_draws(case, r, draws) - case.x[:, None]
        log_w = -0.5 * (e**2).sum(-1) / gamma - 1.5 * np.log(2 * np.pi * gamma)
        top = log_w.max(1, keepdims=True)
        weights = np.exp(log_w - top)
        direct = np.log(weights.mean(1)) + top[:, 0]
        weights /= weights.sum(1, keepdims=True)
        s = e / gamma
        mean = np.einsum("nc,ncd->nd", weights, s)
        loss = (weights * (s**2).sum(-1)).sum(1) - 3 / gamma - 0.5 * (mean**2).sum(1)
        np.testing.assert_allclose(log_p[r], direct, atol=5e-7)
        np.testing.assert_allclose(score[r], mean, rtol=1e-6, atol=1e-6 / gamma)
        np.testing.assert_allclose(estimate.nll[r], -direct.mean(), atol=5e-7)
        np.testing.assert_allclose(estimate.sm_loss[r], loss.mean(), rtol=1e-6)
        np.testing.assert_allclose(estimate.ess[r], (1 / (weights**2).sum(1)).mean(), rtol=1e-6)


@pytest.mark.parametrize(("offset", "best"), [(0.0, 0.0), (1e3, -1e9)])
def test_extreme_weights_neither_overflow_nor_vanish(offset: float, best: float) -> None:
    # With gamma = 1e-6 the weights span millions of nats; far away even the largest is e^-1e9.
    case = linear(gamma=1e-6)
    far = case.x + offset
    log_p, score = metrics.log_prob_and_score(case.on(far), 9_000)
    estimate = metrics.prior_estimate(case.on(far), 9_000)
    for r in range(2):
        gamma = case.decoder(r)[2]
        e = prior_draws(case, r, 9_000) - far[:, None]
        log_w = -0.5 * (e**2).sum(-1) / gamma
        assert log_w.max() < best
        assert log_w.min() < -1e6
        direct = np.logaddexp.reduce(log_w, axis=1) - np.log(9_000) - 1.5 * np.log(2 * np.pi * gamma)
        nearest = e[np.arange(len(e)), log_w.argmax(1)] / gamma
        np.testing.assert_allclose(log_p[r], direct, rtol=1e-9)
        alone = np.sort(log_w, axis=1)[:, -2] < log_w.max(1) - 40
        assert alone.sum() > 10
        np.testing.assert_allclose(score[r][alone], nearest[alone], rtol=1e-8)
    assert np.isfinite(estimate.sm_loss).all()
    assert (estimate.ess >= 1 - 1e-9).all()


def test_score_is_the_gradient_of_the_log_density() -> None:
    case, h = linear(models=1, n=5, gamma=0.5), 1e-3
    _, score = metrics.log_prob_and_score(case.subject, 2_000)
    for axis in range(3):
        step = h * np.eye(3)[axis]
        up, down = (metrics.log_prob_and_score(case.on(case.x + sign * step), 2_000)[0] for sign in (1, -1))
        np.testing.assert_allclose(score[..., axis], (up - down) / (2 * h), atol=3e-4)


# --- by the posterior -----------------------------------------------------------------------------


def test_bounds_are_tight_at_the_exact_posterior() -> None:
    case = linear(exact=True)
    nll = [-case.marginal(r)[0].mean() for r in range(2)]
    arguments = case.subject
    np.testing.assert_allclose(metrics.iwae_bound(arguments, samples=1), nll, rtol=1e-12)
    np.testing.assert_allclose(metrics.iwae_bound(arguments, samples=30), nll, rtol=1e-12)
    np.testing.assert_allclose(metrics.posterior_fisher(arguments), 0, atol=1e-24)
    for r in range(2):
        error = elbo_of(case, r)[1] / np.sqrt(400)
        assert abs(metrics.negative_elbo(arguments, samples=400)[r] - nll[r]) < 4 * error


def elbo_of(case: Linear, r: int) -> tuple[float, float]:
    """Compute the exact negative ELBO and the standard deviation of its one-sample estimate, means over x."""
    w, b, gamma = case.decoder(r)
    mu, s = case.posterior(r)
    e, spread = mu @ w.T + b - case.x, (w * s**2) @ w.T
    square = (e**2).sum(1) + np.trace(spread)
    reconstruction = 0.5 * (square / gamma + len(b) * np.log(2 * np.pi * gamma))
    kl = 0.5 * (mu**2 + s**2 - 1 - 2 * np.log(s)).sum(1)
    variance = (2 * np.sum(spread**2) + 4 * ((e @ spread) * e).sum(1)) / (2 * gamma) ** 2
    return float((reconstruction + kl).mean()), float(np.sqrt(variance.mean() / len(e)))


def test_negative_elbo_of_any_gaussian() -> None:
    case, samples = linear(n=1_000), 500
    value = metrics.negative_elbo(case.subject, samples)
    for r in range(2):
        expected, sd = elbo_of(case, r)
        assert sd / np.sqrt(samples) < 0.01
        assert abs(value[r] - expected) < 4 * sd / np.sqrt(samples)
        assert expected > -case.marginal(r)[0].mean() + 0.1


def test_negative_elbo_without_a_decoder_is_exact() -> None:
    case = linear()
    case.model.decoder_part(case.theta)["w"][:] = 0
    value = metrics.negative_elbo(case.subject, samples=2)
    np.testing.assert_allclose(value, [elbo_of(case, r)[0] for r in range(2)], rtol=1e-12)


def test_iwae_bound_falls_from_the_negative_elbo_to_the_likelihood() -> None:
    # q is a = 1.3 times too wide: w = p(x) a^2 e^(-(a^2-1) |eps|^2 / 2), E w^2 = (p(x) a^2)^2 / (2 a^2 - 1).
    case, a, samples = linear(n=2_000, exact=True), 1.3, 50
    case.model.encoder_part(case.phi)["b"][:, 2:] += np.log(a)
    arguments = case.subject
    one, few, many = (metrics.iwae_bound(arguments, samples=s) for s in (1, 5, samples))
    assert (many < few).all()
    assert (few < one).all()
    variance = a**4 / (2 * a**2 - 1) - 1
    for r in range(2):
        nll = -case.marginal(r)[0].mean()
        assert abs(one[r] - elbo_of(case, r)[0]) < 4 * (a**2 - 1) / np.sqrt(2_000)
        bias = variance / (2 * samples)  # of the log of a mean, to first order
        assert abs(many[r] - nll - bias) < 4 * np.sqrt(variance / (2_000 * samples))


def test_posterior_fisher_of_any_gaussian() -> None:
    case, samples = linear(), 1_000
    value = metrics.posterior_fisher(case.subject, samples)
    for r in range(2):
        w, b, gamma = case.decoder(r)
        mu, s = case.posterior(r)
        precision = np.eye(2) + w.T @ w / gamma
        c, a = mu @ precision - (case.x - b) @ w / gamma, precision * s - np.diag(1 / s)  # d = c + a eps
        expected = 0.5 * ((c**2).sum(1) + np.sum(a**2)).mean()
        variance = 0.5 * np.sum((a.T @ a) ** 2) + ((c @ a) ** 2).sum(1)
        error = np.sqrt(variance.mean() / (len(c) * samples))
        assert error < 0.02 * expected
        assert abs(value[r] - expected) < 4 * error


def test_posterior_sds_and_their_histogram() -> None:
    case = linear()
    sds = metrics.posterior_sds(case.subject)
    assert sds.shape == (2, 40, 2)
    for r in range(2):
        np.testing.assert_allclose(sds[r], np.broadcast_to(case.posterior(r)[1], (40, 2)))
    sds[0, 0, 0], sds[1, 3, 1] = 3.0, np.nan
    edges, counts = metrics.sd_histogram(sds, bins=60)
    np.testing.assert_allclose(edges, np.linspace(0, 3, 61))
    assert counts.shape == (2, 2, 60)
    assert counts[0, 0, -1] == 1
    np.testing.assert_array_equal(counts.sum(-1), [[40, 40], [40, 39]])
    place = int(case.posterior(1)[1][0] / 0.05)
    assert counts[1, 0, place] == 40
    np.testing.assert_allclose(metrics.sd_histogram(np.full((1, 4, 1), 0.7), 12)[0], np.linspace(0, 1.2, 13))


# --- samples and reconstructions ------------------------------------------------------------------


def test_cubic_mmd_is_the_double_sum_over_the_kernel() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((7, 4)) + 0.3, rng.standard_normal((9, 4))
    kernel = [(u @ v.T + 1) ** 3 for u, v in ((a, a), (b, b), (a, b))]
    within = [(m.sum() - np.trace(m)) / (len(m) * (len(m) - 1)) for m in kernel[:2]]
    np.testing.assert_allclose(metrics.cubic_mmd(a, b), sum(within) - 2 * kernel[2].mean(), rtol=1e-12)


@pytest.mark.parametrize(
    ("scale", "shift", "expected"),
    [(1.5, 0.0, 3 * 3 * 0.5**2), (0.4, 0.0, 3 * 3 * 0.6**2), (1.0, 0.6, 1.08**3 + 9 * 1.08**2 + 18 * 1.08)],
    ids=["wide", "narrow", "shifted"],
)
def test_latent_mmd_of_gaussian_aggregates(scale: float, shift: float, expected: float) -> None:
    # N(0, aI) against N(0, I): 3 d (a-1)^2; N(mu, I), m = |mu|^2: m^3 + 9 m^2 + (9 + 3d) m; here d = 3.
    models, n = 20, 4_000
    case = linear(models=models, n=n, d_z=3)
    encoder = case.model.encoder_part(case.phi)
    encoder["w"][:], encoder["b"][:] = 0, 0
    encoder["b"][:, :3], encoder["b"][:, 3:] = shift, 0.5 * np.log(scale)
    values = metrics.latent_mmd(case.subject)
    error = values.std(ddof=1) / np.sqrt(models)
    assert error < 0.15 * expected
    assert abs(values.mean() - expected) < 4 * error


def test_latent_mmd_of_the_prior_is_zero_on_average() -> None:
    case = linear(models=30, n=1_000)
    case.phi[:] = 0
    values = metrics.latent_mmd(case.subject)
    assert (values < 0).any()
    assert (values > 0).any()
    assert abs(values.mean()) < 4 * values.std(ddof=1) / np.sqrt(30)


def test_denoising_mse_of_a_linear_model() -> None:
    # g(mu(x + sigma eps)) - x = e + sigma (w v) eps, so that the mean is |e|^2 + sigma^2 |w v|^2.
    case, sigma = linear(n=20_000), 0.3
    clean = metrics.denoising_mse(case.subject, 0.0, case.key)
    noisy = metrics.denoising_mse(case.subject, sigma, case.key)
    for r in range(2):
        w, b, _ = case.decoder(r)
        e = case.posterior(r)[0] @ w.T + b - case.x
        gain = w @ case.model.encoder_part(case.phi)["w"][r, :2]
        np.testing.assert_allclose(clean[r], (e**2).mean(), rtol=1e-12)
        variance = 4 * sigma**2 * ((e @ gain) ** 2).sum(1) + 2 * sigma**4 * np.sum((gain.T @ gain) ** 2)
        error = np.sqrt(variance.mean() / len(e)) / 3
        added = sigma**2 * np.sum(gain**2) / 3
        assert error < 0.3 * added
        assert abs(noisy[r] - clean[r] - added) < 4 * error


def test_shared_test_noise_is_the_one_of_the_corrupted_data() -> None:
    case = linear()
    key = Key((3,))
    noisy = metrics.corrupted(K, case.x, 0.2, key)
    np.testing.assert_allclose((noisy - case.x).std(), 0.2, rtol=0.2)
    assert metrics.corrupted(K, case.x, 0.0, key) is case.x
    for r in range(2):
        w, b, _ = case.decoder(r)
        g = Linear(case.model, case.phi, case.theta, noisy, case.key).posterior(r)[0] @ w.T + b
        value = metrics.denoising_mse(case.subject, 0.2, key)[r]
        np.testing.assert_allclose(value, ((g - case.x) ** 2).mean(), rtol=1e-12)


# --- all at once ----------------------------------------------------------------------------------

NAMES = [each.name for each in metrics.MODEL_METRICS]


def figures(case: Linear, by_prior: bool = True, iwae_samples: int = 20) -> dict[str, list[float | None]]:
    request = metrics.Request(
        case.subject, 0.1, by_prior=by_prior, prior_draws=3_000, iwae_samples=iwae_samples
    )
    return metrics.evaluate_all(request)


def test_no_figure_depends_on_how_the_data_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    case = linear(n=33)
    whole = figures(case)
    monkeypatch.setattr(batches, "ROWS", 17)
    monkeypatch.setattr(reconstruction, "ELEMENTS", 31)
    monkeypatch.setattr(likelihood, "DATA_ROWS", 5)
    cut = figures(case)
    for name in NAMES:
        np.testing.assert_allclose(
            np.array(cut[name], float), np.array(whole[name], float), rtol=1e-6, err_msg=name
        )


def test_no_two_metrics_share_their_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    case, used = linear(), list[tuple[int, int]]()
    normal = Key.normal

    def recorded(key: Key, *arguments: Any) -> Array:
        used.append((key.stream, key.step))
        return normal(key, *arguments)

    monkeypatch.setattr(Key, "normal", recorded)
    posterior = case.subject
    metrics.prior_estimate(case.subject, 10)
    metrics.negative_elbo(posterior)
    metrics.iwae_bound(posterior)
    metrics.posterior_fisher(posterior)
    metrics.latent_mmd(case.subject)  # its own two
    metrics.denoising_mse(case.subject, 0.1, case.key)
    assert len(used) == len(set(used)) == 7
    assert {stream for stream, _ in used} == {Stream.PRIOR, Stream.EVALUATION}


def test_the_table_gives_each_metric_names_and_noise_of_its_own() -> None:
    names = [each.name for each in metrics.METRICS]
    assert len(set(names)) == len(names)
    steps = [step for each in metrics.MODEL_METRICS for step in each.noise]
    assert len(set(steps)) == len(steps)
    published = ["nll", "nll_se", "ess", "sm_loss", "neg_elbo", "iwae", "mse", "mmd", "posterior_fd", "gamma"]
    assert [name for name in names if name in published] == published


def test_the_page_on_metrics_lists_the_table() -> None:
    page = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text(encoding="utf-8")
    for each in metrics.METRICS:
        if each.compared:
            (row,) = re.findall(rf"^\| .*`{each.name}`.* \| (.*) \|$", page, re.MULTILINE)
            assert f"{each.best.value}" == row.split(" | ")[-1], each.name
        else:
            assert f"`{each.name}`" in page
    (during,) = re.findall(r"^`--evaluate-every EPOCHS` computes (.*?) on", page, re.MULTILINE | re.DOTALL)
    assert re.findall(r"`(\w+)`", during) == list(COLUMNS)
    for number in (PRIOR_DRAWS, IWAE_SAMPLES, POSTERIOR_SAMPLES):
        assert f"| {number:,} " in page


def test_there_is_no_other_metric() -> None:
    with pytest.raises(
        ConfigError, match=r"no metric 'nil' \(did you mean 'nll'\?\): choose one of nll, nll_se"
    ):
        metrics.metric("nil")


def test_a_member_of_an_ensemble_has_the_figures_of_a_single_run() -> None:
    case = linear(models=3)
    together = figures(case)
    for r in range(3):
        rows, key = slice(r, r + 1), Key(case.key.seeds[r : r + 1])
        alone = figures(Linear(case.model, case.phi[rows], case.theta[rows], case.x, key))
        for name in NAMES:
            assert alone[name][0] == pytest.approx(together[name][r], rel=1e-9), name


def test_report_is_what_the_metrics_say_of_the_noisy_data() -> None:
    case = linear()
    noisy = metrics.corrupted(K, case.x, 0.1, Key((0,)))
    report = figures(case)
    assert list(report) == NAMES
    posterior = case.on(noisy)
    prior = metrics.prior_estimate(case.on(noisy), 3_000)
    assert report["nll"] == prior.nll.tolist()
    assert report["nll_se"] == prior.nll_se.tolist()
    assert report["ess"] == prior.ess.tolist()
    assert report["sm_loss"] == prior.sm_loss.tolist()
    assert report["neg_elbo"] == metrics.negative_elbo(posterior).tolist()
    assert report["iwae"] == metrics.iwae_bound(posterior, samples=20).tolist()
    assert report["posterior_fd"] == metrics.posterior_fisher(posterior).tolist()
    assert report["mmd"] == metrics.latent_mmd(case.on(noisy)).tolist()
    assert report["mse"] == metrics.denoising_mse(case.subject, 0.1, Key((0,))).tolist()
    np.testing.assert_allclose(np.array(report["gamma"], float), [case.decoder(r)[2] for r in range(2)])


def test_report_leaves_out_what_makes_no_sense() -> None:
    report = figures(linear(), by_prior=False, iwae_samples=0)
    missing = [name for name in NAMES if report[name] == [None, None]]
    assert missing == ["nll", "nll_se", "ess", "sm_loss", "iwae"]


def test_a_diverged_model_is_null_and_does_not_change_the_others() -> None:
    case = linear()
    sound = figures(case)
    case.theta[0], case.phi[0] = np.nan, np.inf
    broken = figures(case)
    for name in NAMES:
        assert broken[name][0] is None, name
        assert broken[name][1] == pytest.approx(sound[name][1], rel=1e-12), name


def test_progress_rises_to_the_whole() -> None:
    case, seen = linear(), list[tuple[int, int]]()
    request = metrics.Request(case.subject, by_prior=True, prior_draws=9_000)
    metrics.evaluate_all(request, lambda done, total: seen.append((done, total)))
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(set(done))
    assert set(totals) == {done[-1]}
    assert len(done) > 5


def test_single_precision_parameters_give_the_same_figures() -> None:
    case = linear(gamma=0.1)
    single = Linear(case.model, case.phi.astype(np.float32), case.theta.astype(np.float32), case.x, case.key)
    double, rounded = figures(case), figures(single)
    for name in NAMES:
        np.testing.assert_allclose(
            np.array(rounded[name], float), np.array(double[name], float), rtol=1e-4, atol=1e-4, err_msg=name
        )


def test_bad_input_is_explained() -> None:
    case = linear()
    for x in (case.x[:, :2], case.x[0], case.x[:0]):
        with pytest.raises(DataError, match=r"shape \(N, 3\)"):
            metrics.negative_elbo(case.on(x))
        with pytest.raises(DataError, match=r"shape \(N, 3\)"):
            metrics.prior_estimate(case.on(x))
    with pytest.raises(ConfigError, match="2 models"):
        metrics.posterior_fisher(replace(case.subject, key=Key((1,))))
    with pytest.raises(ConfigError, match="posterior samples"):
        metrics.iwae_bound(case.subject, samples=0)
    with pytest.raises(ConfigError, match="prior draws"):
        metrics.prior_estimate(case.subject, draws=0)
    with pytest.raises(ConfigError, match="negative"):
        metrics.denoising_mse(case.subject, -0.1, case.key)
    with pytest.raises(ConfigError, match="bins"):
        metrics.sd_histogram(np.ones((1, 1, 1)), bins=0)
    with pytest.raises(DataError, match="at least 2 samples"):
        metrics.latent_mmd(case.on(case.x[:1]))


def test_pixels_as_integers_are_accepted() -> None:
    case = linear()
    whole = np.round(case.x).astype(np.int64)
    cut = Linear(case.model, case.phi, case.theta, whole, case.key)
    exact = Linear(case.model, case.phi, case.theta, whole.astype(float), case.key)
    assert figures(cut) == figures(exact)


def test_one_test_point_has_no_standard_error() -> None:
    case = linear(n=1)
    estimate = metrics.prior_estimate(case.subject, 1_000)
    assert np.isnan(estimate.nll_se).all()
    assert np.isfinite(estimate.nll).all()
