"""Test the linear VAE by closed forms: p(x) = N(c, W W' + gamma I) and a Gaussian posterior.

Gradient checks cannot detect a wrong model; these tests can.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from laws import agree, norm
from strategies import nodes, sigma_points

from vsmnp.layers.compose import Chain
from vsmnp.layers.dense import Dense
from vsmnp.model.gaussian import DiagonalGaussian
from vsmnp.model.vae import GaussianVAE
from vsmnp.objectives import ELBO, KL, M1, M2, M3, JointFisher, Objective, PosteriorFisher
from vsmnp.rng import Key
from vsmnp.types import Array, Kernels

D, Z, N = 4, 2, 5
MODEL = GaussianVAE(Chain((Dense(D, 2 * Z),)), Chain((Dense(Z, D),)), DiagonalGaussian(Z), D)
GAMMA = 0.6


@dataclass(frozen=True)
class LinearVAE:
    """A linear VAE, g(z) = W z + c and q(z|x) = N(m x + a, diag s^2)."""

    w: Array  # (D, Z)
    c: Array  # (D,)
    m: Array  # (Z, D)
    a: Array  # (Z,)
    s: Array  # (Z,)
    x: Array  # (N, D)

    @property
    def phi(self) -> Array:
        phi = np.zeros((1, MODEL.phi_layout.size))
        dense = MODEL.encoder_part(phi)["0"]
        dense["w"][0, :Z], dense["b"][0] = self.m, np.concatenate([self.a, np.log(self.s)])
        return phi

    @property
    def theta(self) -> Array:
        theta = np.zeros((1, MODEL.theta_layout.size))
        dense = MODEL.decoder_part(theta)["0"]
        dense["w"][0], dense["b"][0] = self.w, self.c
        MODEL.log_sd(theta)[:] = 0.5 * np.log(GAMMA)
        return theta

    def __call__(
        self, k: Kernels, objective: Objective, key: Key
    ) -> tuple[Array, Array | None, Array | None]:
        """Compute loss and gradients, of as many models as the key has seeds."""
        r = len(key.seeds)
        x = self.x[None, None]
        outcome = objective(k, MODEL, self.phi.repeat(r, 0), self.theta.repeat(r, 0), x, key)
        return outcome.loss, outcome.g_phi, outcome.g_theta

    # Closed forms.

    @property
    def mu(self) -> Array:
        return self.x @ self.m.T + self.a

    @property
    def precision(self) -> Array:
        """Precision matrix of the posterior."""
        return np.eye(Z) + self.w.T @ self.w / GAMMA

    @property
    def posterior_mean(self) -> Array:
        return np.linalg.solve(self.precision, self.w.T @ (self.x - self.c).T / GAMMA).T

    @property
    def marginal(self) -> Array:
        """Covariance matrix of p(x)."""
        return self.w @ self.w.T + GAMMA * np.eye(D)

    def log_p(self) -> float:
        """Compute mean log p(x) in nats."""
        e = self.x - self.c
        square = np.einsum("nd,nd->n", e, np.linalg.solve(self.marginal, e.T).T)
        return float(-0.5 * (square + np.linalg.slogdet(2 * np.pi * self.marginal)[1]).mean())

    def score(self) -> Array:
        """Compute the score grad log p(x)."""
        return -np.linalg.solve(self.marginal, (self.x - self.c).T).T

    def kl_to_posterior(self) -> float:
        """Compute the mean KL[q || p(z|x)]."""
        e = self.mu - self.posterior_mean
        square = np.einsum("ni,ij,nj->n", e, self.precision, e).mean()
        trace = np.sum(np.diag(self.precision) * self.s**2)
        return float(0.5 * (trace + square - Z - np.linalg.slogdet(self.precision)[1]) - np.log(self.s).sum())

    def a_b_d(self) -> tuple[float, float, float]:
        """Compute A = E|x - g|^2, B = |x - E g|^2, D = div r."""
        b = float(np.sum((self.x - self.mu @ self.w.T - self.c) ** 2, -1).mean())
        return b + float(np.sum(self.w**2 @ self.s**2)), b, float(np.trace(self.w @ self.m))

    def posterior_fisher(self) -> float:
        """Compute half the mean square of d = (P s - 1/s) eps + P mu - W'(x - c)/gamma."""
        shift = self.mu @ self.precision - (self.x - self.c) @ self.w / GAMMA
        gain = self.precision * self.s - np.diag(1 / self.s)
        return float(0.5 * (np.sum(shift**2, -1).mean() + np.sum(gain**2)))

    def score_norm(self) -> float:
        """Compute the mean E|s^q|^2 / 2."""
        return float(0.5 * np.sum(self.m**2 / self.s[:, None] ** 2))


def any_q(seed: int = 0) -> LinearVAE:
    """Build a model whose q is not the posterior."""
    rng = np.random.default_rng(seed)
    return LinearVAE(
        w=rng.standard_normal((D, Z)), c=rng.standard_normal(D), m=0.5 * rng.standard_normal((Z, D)),
        a=rng.standard_normal(Z), s=np.exp(0.3 * rng.standard_normal(Z)), x=rng.standard_normal((N, D)),
    )  # fmt: skip


def exact_q(seed: int = 0) -> LinearVAE:
    """Build a model whose q is the posterior, diagonal because the columns of W are orthogonal."""
    rng = np.random.default_rng(seed)
    w = np.linalg.qr(rng.standard_normal((D, Z)))[0] * np.array([1.5, 0.7])
    c, p = rng.standard_normal(D), 1 + np.sum(w**2, 0) / GAMMA
    m = w.T / GAMMA / p[:, None]
    return LinearVAE(w, c, m, -m @ c, 1 / np.sqrt(p), rng.standard_normal((N, D)))


#: The mean over these posterior samples is the exact expectation of anything cubic in eps.
CUBATURE = nodes(sigma_points(Z)[None, :, None, :])
S = 2 * Z


def test_moments_are_the_encoder_s(k: Kernels) -> None:
    case = any_q()
    q, _ = MODEL.encode(k, case.phi, case.x[None, None])
    agree(q.mu[0, 0], case.mu)
    agree(q.s[0, 0], np.broadcast_to(case.s, (N, Z)))


@pytest.mark.parametrize("objective", [ELBO(S), KL(S)], ids=["elbo", "kl"])
def test_the_bound_is_log_p_minus_the_gap(k: Kernels, objective: Objective) -> None:
    for case in (any_q(), exact_q()):
        agree(case(k, objective, CUBATURE)[0], -case.log_p() + case.kl_to_posterior())
    assert abs(exact_q().kl_to_posterior()) < 1e-14


def test_losses_in_closed_form(k: Kernels) -> None:
    case = any_q()
    (a, b, d), square = case.a_b_d(), 2 * GAMMA**2
    expected: list[tuple[Objective, float]] = [
        (M1(S), a / square - D / GAMMA),
        (M2(S), (2 * a - b) / square - D / GAMMA),
        (M3(S), b / square - (D - d) / GAMMA),
        (PosteriorFisher(S), case.posterior_fisher()),
        (JointFisher(S), case.posterior_fisher() + a / square - D / GAMMA + case.score_norm()),
    ]
    for objective, value in expected:
        agree(case(k, objective, CUBATURE)[0], value)


def _claims() -> dict[str, tuple[Objective, Callable[[LinearVAE], float]]]:
    def quadratic(c_a: float, c_b: float, delta: float) -> Callable[[LinearVAE], float]:
        def loss(case: LinearVAE) -> float:
            a, b, d = case.a_b_d()
            return (c_a * a + c_b * b) / (2 * GAMMA**2) - (D - delta * d) / GAMMA

        return loss

    samples = 8
    return {
        "elbo": (ELBO(samples), lambda case: -case.log_p() + case.kl_to_posterior()),
        "kl": (KL(samples), lambda case: -case.log_p() + case.kl_to_posterior()),
        "m1": (M1(samples), quadratic(1, 0, 0)),
        "m2 u": (M2(samples, estimator="u-statistic"), quadratic(2, -1, 0)),
        "m2 biased": (M2(samples), quadratic(2 - 1 / samples, -1 + 1 / samples, 0)),
        "m3 u": (M3(samples, estimator="u-statistic"), quadratic(0, 1, 1)),
        "m3 u loo": (M3(samples, estimator="u-statistic", baseline="leave-one-out"), quadratic(0, 1, 1)),
        "m3 biased": (M3(samples), quadratic(1 / samples, 1 - 1 / samples, 1)),
        "fisher": (PosteriorFisher(samples), lambda case: case.posterior_fisher()),
        "joint": (
            JointFisher(samples),
            lambda case: case.posterior_fisher() + quadratic(1, 0, 0)(case) + case.score_norm(),
        ),
        "joint probe": (
            JointFisher(samples, score_norm="probe"),
            lambda case: case.posterior_fisher() + quadratic(1, 0, 0)(case) + case.score_norm(),
        ),
    }


@pytest.mark.parametrize("name", _claims())
def test_monte_carlo_means_are_the_closed_forms(k: Kernels, name: str) -> None:
    """The engine's own normals: the mean of 2000 seeds within 4 standard errors, and those small."""
    objective, value = _claims()[name]
    case, seeds = any_q(), 2000
    loss, _, _ = case(k, objective, Key(tuple(range(seeds)), stream=6, step=1))
    error = loss.std() / np.sqrt(seeds)
    assert abs(loss.mean() - value(case)) < 4 * error
    assert error < 0.02 * abs(value(case))


def test_the_exact_posterior_has_no_divergence_sample_by_sample(k: Kernels) -> None:
    """d = 0 at every z: the path gradient of KL and the Fisher divergence vanish without averaging."""
    case = exact_q()
    key = Key(tuple(range(20)))
    for reparametrised in (False, True):
        loss, g_phi, _ = case(k, PosteriorFisher(1, reparametrised), key)
        assert g_phi is not None
        assert np.abs(loss).max() < 1e-24
        assert np.abs(g_phi).max() < 1e-12
    loss, g_phi, _ = any_q()(k, PosteriorFisher(1), key)
    assert g_phi is not None
    assert loss.min() > 1e-3
    assert np.abs(g_phi).max() > 1e-1


def test_the_exact_posterior_is_a_minimum_of_kl(k: Kernels) -> None:
    _, g_phi, _ = exact_q()(k, KL(S), CUBATURE)
    assert g_phi is not None
    assert np.abs(g_phi).max() < 1e-12
    _, g_phi, _ = any_q()(k, KL(S), CUBATURE)
    assert g_phi is not None
    assert np.abs(g_phi).max() > 1e-1


def test_scores_of_the_marginal(k: Kernels) -> None:
    """At the exact posterior E_q[s^p] = grad log p(x), and s^p - s^q = grad log p(x) at every z."""
    case = exact_q()
    q, cache = MODEL.encode(k, case.phi, case.x[None, None])

    def scores(eps: Array) -> tuple[Array, Array]:
        g, _ = MODEL.decode(k, case.theta, q.place(eps))
        return (g - case.x) / GAMMA, MODEL.score_q(k, case.phi, q, cache, eps)

    s_p, s_q = scores(Key((3,)).normal(k, (S, N, Z), np.float64))
    agree(s_p - s_q, np.broadcast_to(case.score(), s_p.shape))
    s_p, s_q = scores(CUBATURE.eps.repeat(N, 2))
    agree(s_p.mean(1)[0], case.score())
    agree(s_q.mean(1)[0], np.zeros((N, D)), scale=norm(s_q))


def test_gradients_in_closed_form(k: Kernels) -> None:
    """dL/d(mu, s) of KL and FD, read off the bias of the encoder, and dL/d(W, c, l) of the ELBO."""
    case = any_q()
    e = case.mu @ case.w.T + case.c - case.x  # mean residual (N, D)
    shift = case.mu @ case.precision - (case.x - case.c) @ case.w / GAMMA

    _, g_phi, _ = case(k, KL(S), CUBATURE)
    assert g_phi is not None
    bias = MODEL.encoder_part(g_phi)["0"]["b"][0]
    agree(bias[:Z], shift.mean(0))
    agree(bias[Z:], np.diag(case.precision) * case.s**2 - 1)

    _, g_phi, _ = case(k, PosteriorFisher(S, reparametrised=True), CUBATURE)
    assert g_phi is not None
    bias = MODEL.encoder_part(g_phi)["0"]["b"][0]
    agree(bias[:Z], (shift @ case.precision).mean(0))
    gain = np.sum(case.precision**2, 0) * case.s - 1 / case.s**3
    agree(bias[Z:], case.s * gain)

    _, _, g_theta = case(k, ELBO(S), CUBATURE)
    assert g_theta is not None
    dense = MODEL.decoder_part(g_theta)["0"]
    agree(dense["b"][0], e.mean(0) / GAMMA)
    agree(dense["w"][0], (e.T @ case.mu / N + case.w * case.s**2) / GAMMA)
    agree(MODEL.log_sd(g_theta)[0], D - case.a_b_d()[0] / GAMMA)
