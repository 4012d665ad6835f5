"""Test the exact facts about the objectives, one test each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from laws import agree, derivative, derivative_along, norm
from scipy.optimize import minimize_scalar
from strategies import Nodes, Scene, draws_of, few, gauss_hermite, nodes, scene, scenes, sigma_points

from vsmnp.layers.activations import ACTIVATIONS
from vsmnp.layers.compose import Chain
from vsmnp.layers.dense import Dense
from vsmnp.model.gaussian import DiagonalGaussian
from vsmnp.model.vae import GaussianVAE
from vsmnp.objectives import ELBO, KL, M1, M2, M3, JointFisher, Objective, OptimalGamma, PosteriorFisher
from vsmnp.rng import Key
from vsmnp.types import Array, Kernels

# --- 1, 3: the objectives and each other ----------------------------------------------------------


@few
@given(scene=scenes())
def test_m1_is_the_elbo_over_gamma(k: Kernels, scene: Scene) -> None:
    """grad_weights M1 = grad_weights NELBO / gamma and dM1/dl = (2/gamma) dNELBO/dl."""
    log_sd = scene.model.log_sd
    gamma = float(np.exp(2 * log_sd(scene.theta)[0]))
    m1, elbo = (objective(3)(k, *scene.arguments()).g_theta for objective in (M1, ELBO))
    assert m1 is not None
    assert elbo is not None
    agree(log_sd(m1), 2 / gamma * log_sd(elbo), scale=norm(m1))
    log_sd(m1)[:] = log_sd(elbo)[:] = 0
    agree(m1, elbo / gamma)


@few
@given(scene=scenes())
def test_one_sample_makes_m2_m1_and_m3_m1_plus_the_cross_term(k: Kernels, scene: Scene) -> None:
    m1, m2, m3 = (objective(1)(k, *scene.arguments()) for objective in (M1, M2, M3))
    agree((m2.loss, m2.g_theta), (m1.loss, m1.g_theta))

    model, phi, theta, x, key = scene.arguments()
    eps = key.normal(k, (1, x.shape[2], model.d_z), x.dtype)
    q, cache = model.encode(k, phi, x)
    s_q = model.score_q(k, phi, q, cache, eps)

    def cross(theta: Array) -> float:
        s_p = (model.decode(k, theta, q.place(eps))[0] - x) * np.exp(-2 * model.log_sd(theta)[0])
        return float(np.sum(s_q * s_p, -1).mean())

    agree(m3.loss, m1.loss + cross(theta), scale=sum(norm(term) for term in m3.terms.values()))
    assert m3.g_theta is not None
    assert m1.g_theta is not None
    along = np.random.default_rng(0).standard_normal(theta.shape)
    numeric = derivative(lambda t: np.asarray(cross(theta + t * along / norm(along))))
    actual = np.sum((m3.g_theta - m1.g_theta) * along) / norm(along)
    agree(actual, numeric, 1e-9, scale=norm(m3.g_theta))


# --- 2: the Fisher divergence without reparametrisation -------------------------------------------


def _one_datum(activation: str, scale: Any, seed: int) -> Scene:
    """Build a dense encoder on one datum, whose bias gradient is the gradient in the features."""
    model = GaussianVAE(
        Chain((Dense(3, 4),)),
        Chain((Dense(2, 4), ACTIVATIONS[activation], Dense(4, 3))),
        DiagonalGaussian(2, scale),
        3,
    )
    return scene(model, activation, seed, batch=1)


def _feature_gradient(s: Scene, g_phi: Array | None) -> Array:
    """Return the gradient in the features (mu, rho), ``(R, 2Z)``."""
    assert g_phi is not None
    return np.asarray(s.model.encoder_part(g_phi)["0"]["b"])


def _scale_slope(k: Kernels, s: Scene) -> tuple[Array, Array]:
    """Compute s and ``S'(rho)``, ``(Z,)``."""
    q, _ = s.model.encode(k, s.phi, s.x)
    slope = q.s if s.model.posterior.scale == "exp" else 1 - np.exp(-q.s)
    return q.s[0, 0, 0], slope[0, 0, 0]


@pytest.mark.parametrize("weight", ["identity", "covariance"])
@pytest.mark.parametrize("scale", ["exp", "softplus"])
@pytest.mark.parametrize("seed", range(3))
def test_fisher_with_z_held_is_the_path_kl_gradient_in_fisher_units(
    k: Kernels, scale: str, seed: int, weight: Any
) -> None:
    """(1/s^2, 2/s^2) times the gradient of mean[log q - log p(x, z)] through z alone, sample by sample.

    Weighted by the covariance of q it is (1, 2) times that gradient.
    """
    s = _one_datum("tanh", scale, seed)
    model, phi, theta, x, key = s.arguments()
    eps = key.normal(k, (1, 1, 2), x.dtype)[0, 0, 0]
    q, _ = model.encode(k, phi, x)
    mu, sd = q.mu[0, 0, 0], q.s[0, 0, 0]
    tau = np.exp(-2 * model.log_sd(theta)[0])

    def path(mu_t: Array, sd_t: Array) -> Array:
        z = mu_t + sd_t * eps
        log_q = -np.sum((z - mu) ** 2 / (2 * sd**2))  # q's own parameters are constant
        g, _ = model.decode(k, theta, z[None, None, None])
        return np.asarray(log_q + np.sum(z**2) / 2 + tau * np.sum((x - g) ** 2) / 2)

    unit = np.eye(2)
    kl_mu = np.array([derivative_along(lambda mu_t: path(mu_t, sd), mu, u) for u in unit])
    kl_s = np.array([derivative_along(lambda sd_t: path(mu, sd_t), sd, u) for u in unit])
    _, slope = _scale_slope(k, s)
    units = 1 if weight == "covariance" else np.tile(sd**2, 2)
    expected = np.concatenate([kl_mu, slope * 2 * kl_s]) / units
    outcome = PosteriorFisher(1, fisher_weight=weight)(k, model, phi, theta, x, key)
    agree(_feature_gradient(s, outcome.g_phi)[0], expected, 1e-9)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_fisher_with_z_held_is_the_kl_gradient_in_fisher_units(k: Kernels, activation: str) -> None:
    """The same in expectation, for any decoder: the fixed points of both are the same."""
    s = _one_datum(activation, "softplus", 3)
    grid, weight = gauss_hermite(2, 6)
    model, phi, theta, x, _ = s.arguments()
    key, r = nodes(grid[:, None, None, :]), len(grid)
    kl, fisher = (
        weight
        @ _feature_gradient(s, objective(1)(k, model, phi.repeat(r, 0), theta.repeat(r, 0), x, key).g_phi)
        for objective in (KL, PosteriorFisher)
    )
    sd, _ = _scale_slope(k, s)
    agree(fisher, kl * np.concatenate([1 / sd**2, 2 / sd**2]), 1e-11)


# --- 4: consistency with a frozen posterior -------------------------------------------------------


def _linear(d_x: int, d_z: int) -> GaussianVAE:
    return GaussianVAE(Chain((Dense(d_x, 2 * d_z),)), Chain((Dense(d_z, d_x),)), DiagonalGaussian(d_z), d_x)


def _truth(d_x: int, d_z: int, gamma: float = 0.5) -> tuple[Scene, Nodes]:
    """Build a linear model of orthogonal columns, q its exact posterior, x and z cubatures of the truth."""
    model, rng = _linear(d_x, d_z), np.random.default_rng(d_x + 10 * d_z)
    w = np.linalg.qr(rng.standard_normal((d_x, d_z)))[0] * np.linspace(0.8, 1.6, d_z)
    c, p = rng.standard_normal(d_x), 1 + np.sum(w**2, 0) / gamma
    root = np.linalg.cholesky(w @ w.T + gamma * np.eye(d_x))
    x = c + sigma_points(d_x) @ root.T
    s = scene(model, "none", 0)
    encoder, decoder = model.encoder_part(s.phi)["0"], model.decoder_part(s.theta)["0"]
    m = w.T / gamma / p[:, None]
    encoder["w"][0] = np.concatenate([m, np.zeros_like(m)])
    encoder["b"][0] = np.concatenate([-m @ c, -0.5 * np.log(p)])
    decoder["w"][0], decoder["b"][0] = w, c
    model.log_sd(s.theta)[:] = 0.5 * np.log(gamma)
    return replace(s, x=x[None, None]), nodes(sigma_points(d_z)[None, :, None, :])


def _theta_gradient(
    k: Kernels, objective: Objective, s: Scene, key: Nodes, theta: Array | None = None
) -> Array:
    g_theta = objective(k, s.model, s.phi, s.theta if theta is None else theta, s.x, key).g_theta
    assert g_theta is not None
    return g_theta


@pytest.mark.parametrize(("d_x", "d_z"), [(3, 1), (4, 2), (2, 2)])
def test_the_truth_is_stationary_for_m1_and_m3_but_not_for_m2(k: Kernels, d_x: int, d_z: int) -> None:
    s, key = _truth(d_x, d_z)
    for objective in (M1(2 * d_z), M3(2 * d_z), ELBO(2 * d_z)):
        assert norm(_theta_gradient(k, objective, s, key)) < 1e-12
        assert norm(_theta_gradient(k, objective, s, key, 1.1 * s.theta)) > 1e-2
    g_theta = _theta_gradient(k, M2(2 * d_z), s, key)
    decoder = s.model.decoder_part(g_theta)["0"]
    assert norm(decoder["w"]) > 0.1  # variance is penalised twice: the weights shrink
    assert np.sum(decoder["w"] * s.model.decoder_part(s.theta)["0"]["w"]) > 0
    assert s.model.log_sd(g_theta)[0] < -0.1


def _hessian(k: Kernels, objective: Objective, s: Scene, key: Nodes) -> Array:
    """Compute the Hessian in all the parameters of theta, padding left out."""
    used = np.concatenate([np.arange(slot.start, slot.stop) for slot in s.model.theta_layout.slots])
    unit = np.eye(s.theta.shape[1])[used]
    rows = [
        derivative_along(lambda theta: _theta_gradient(k, objective, s, key, theta), s.theta, u) for u in unit
    ]
    return np.concatenate(rows)[:, used]


@pytest.mark.parametrize(("d_x", "d_z"), [(3, 1), (3, 2), (4, 2)])
def test_m3_has_an_isolated_minimum_at_the_truth_if_the_data_are_wider(
    k: Kernels, d_x: int, d_z: int
) -> None:
    s, key = _truth(d_x, d_z)
    assert np.linalg.eigvalsh(_hessian(k, M3(2 * d_z), s, key)).min() > 1e-3


@pytest.mark.parametrize("d", [1, 2])
def test_m3_has_one_flat_direction_at_the_truth_if_the_latent_is_as_wide(k: Kernels, d: int) -> None:
    s, key = _truth(d, d)
    values = np.linalg.eigvalsh(_hessian(k, M3(2 * d), s, key))
    assert abs(values[0]) < 1e-9
    assert values[1] > 1e-3


@pytest.mark.parametrize(("d_x", "d_z"), [(1, 1), (2, 2), (2, 3)])
@pytest.mark.parametrize("e", [0.3, 2.5])
def test_m3_does_not_change_along_the_ray(k: Kernels, d_x: int, d_z: int, e: float) -> None:
    """(r - x, gamma) -> (e (r - x), e gamma) for any linear q: only psi = (r - x)/gamma matters."""
    model = _linear(d_x, d_z)
    s, key = scene(model, "none", 1, batch=6), nodes(sigma_points(d_z)[None, :, None, :])
    model.encoder_part(s.phi)["0"]["w"][:, d_z:] = 0  # constant s, so that r is linear
    m, a = model.encoder_part(s.phi)["0"]["w"][0, :d_z], model.encoder_part(s.phi)["0"]["b"][0, :d_z]
    moved = replace(s, theta=s.theta.copy())
    old, new = model.decoder_part(s.theta)["0"], model.decoder_part(moved.theta)["0"]
    slope = (1 - e) * np.eye(d_x) + e * old["w"][0] @ m  # of e (r - x) + x
    new["w"][0] = slope @ np.linalg.pinv(m)
    new["b"][0] = e * (old["w"][0] @ a + old["b"][0]) - new["w"][0] @ a
    model.log_sd(moved.theta)[:] += 0.5 * np.log(e)

    def loss(objective: Objective, s: Scene) -> Array:
        return objective(k, model, s.phi, s.theta, s.x, key).loss

    agree(loss(M3(2 * d_z), moved), loss(M3(2 * d_z), s), 1e-11)
    for sees in (M1(2 * d_z), M2(2 * d_z)):
        assert abs(loss(sees, moved) - loss(sees, s)) > 1e-2


# --- 5: what pathwise differentiation omits -------------------------------------------------------


def _kinked(k: Kernels, activation: str) -> tuple[float, float, float]:
    """Compute d/dmu of the exact posterior FD, its pathwise gradient, and the boundary term, for Z = 1.

    ``g(z) = 1.5 f(z - 0.2) + 0.1``, ``x = 0.8``, ``q = N(0.4, 0.7^2)``; the integrals are split at the kink.
    """
    x, mu, sd, gamma, kink, w = 0.8, 0.4, 0.7, 0.5, 0.2, 1.5
    model = GaussianVAE(
        Chain((Dense(1, 2),)),
        Chain((Dense(1, 1), ACTIVATIONS[activation], Dense(1, 1))),
        DiagonalGaussian(1),
        1,
    )
    s = scene(model, activation, 0, batch=1)
    encoder, decoder = model.encoder_part(s.phi)["0"], model.decoder_part(s.theta)
    encoder["w"][0], encoder["b"][0] = 0, [mu, np.log(sd)]
    decoder["0"]["w"][0], decoder["0"]["b"][0] = 1, -kink
    decoder["2"]["w"][0], decoder["2"]["b"][0] = w, 0.1
    model.log_sd(s.theta)[:] = 0.5 * np.log(gamma)
    batch = np.full((1, 1, 1, 1), x)
    node, weight = np.polynomial.legendre.leggauss(80)

    def evaluate(shift: float) -> tuple[float, float]:
        """Evaluate the exact loss and pathwise gradient in mu at ``mu + shift``."""
        phi = s.phi.copy()
        model.encoder_part(phi)["0"]["b"][0, 0] += shift
        parts = tuple(pairwise((-10.0, (kink - mu - shift) / sd, 10.0)))
        eps = np.concatenate([(b - a) / 2 * node + (a + b) / 2 for a, b in parts])
        mass = np.concatenate([(b - a) / 2 * weight for a, b in parts])
        mass = mass * np.exp(-(eps**2) / 2) / np.sqrt(2 * np.pi)
        r = len(eps)
        outcome = PosteriorFisher(1, reparametrised=True)(
            k, model, phi.repeat(r, 0), s.theta.repeat(r, 0), batch, nodes(eps[:, None, None, None])
        )
        return float(mass @ outcome.loss), float(mass @ _feature_gradient(s, outcome.g_phi)[:, 0])

    def half_square(slope: float) -> float:
        """Compute |d|^2/2 beside the kink, where g = 0.1 for relu."""
        z = kink
        return 0.5 * (-(z - mu) / sd**2 + z - w * slope * (x - 0.1) / gamma) ** 2

    density = np.exp(-((kink - mu) ** 2) / (2 * sd**2)) / np.sqrt(2 * np.pi * sd**2)
    exact = float(derivative(lambda t: np.asarray(evaluate(t)[0])))
    return exact, evaluate(0.0)[1], float(density * (half_square(1) - half_square(0)))


def test_pathwise_fisher_gradients_miss_the_jump_of_a_relu(k: Kernels) -> None:
    """The jump of the score at the kink moves with mu; the boundary term is the only missing term."""
    exact, pathwise, boundary = _kinked(k, "relu")
    assert abs(pathwise - exact) > 0.1 * abs(exact)
    agree(pathwise + boundary, exact, 1e-9)


@pytest.mark.parametrize("activation", ["softplus", "tanh", "elu"])
def test_pathwise_fisher_gradients_are_right_where_the_slope_is_continuous(
    k: Kernels, activation: str
) -> None:
    exact, pathwise, _ = _kinked(k, activation)
    agree(pathwise, exact, 1e-8)


# --- 6: the score of q has mean zero --------------------------------------------------------------


@settings(few, max_examples=6)
@given(scene=scenes())
def test_the_score_of_q_has_mean_zero(k: Kernels, scene: Scene) -> None:
    model, phi, _, x, _ = scene.arguments()
    grid, weight = gauss_hermite(model.d_z, 3)
    q, cache = model.encode(k, phi, x)
    s_q = model.score_q(k, phi, q, cache, grid[None, :, None, :].repeat(x.shape[2], 2))
    agree(np.einsum("s,rsnd->rnd", weight, s_q), np.zeros((1, *x.shape[2:])), scale=norm(s_q))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("samples", [2, 8])
def test_the_leave_one_out_baseline_lowers_the_variance(k: Kernels, seed: int, samples: int) -> None:
    """Severalfold at the same mean, for a posterior of a quarter of the prior's width.

    The noise it removes grows like 1/s^2; where q is as wide as the prior it gains nothing.
    """
    s = scene(GaussianVAE.mlp(4, 2, (8,), "tanh"), "tanh", seed, batch=8)
    model, phi, theta, x, _ = s.arguments()
    features = model.encoder_part(phi)["2"]
    features["w"][:, 2:], features["b"][:, 2:] = 0, np.log(0.25)
    models = 400
    plain, baseline = (
        _used(model, M3(samples, estimator="u-statistic", baseline=name)(
            k, model, phi.repeat(models, 0), theta.repeat(models, 0), x, Key(tuple(range(models)))).g_theta)
        for name in ("none", "leave-one-out")
    )  # fmt: skip
    assert plain.var(0).sum() / baseline.var(0).sum() > 1.5
    error = (plain - baseline).std(0) / np.sqrt(models)
    assert np.all(np.abs((plain - baseline).mean(0)) < 4.5 * error)


def _used(model: GaussianVAE, g_theta: Array | None) -> Array:
    """Return the gradient without padding and without l."""
    assert g_theta is not None
    parts = [
        part.reshape(len(g_theta), -1) for name, part in model.theta_layout.named(g_theta) if name != "log_sd"
    ]
    return np.concatenate(parts, axis=1)


# --- the table of optimal variances ---------------------------------------------------------------


SAMPLES = 2
#: Each with gamma* of B, T, D and d_x.
TABLE: dict[str, tuple[Objective, Callable[..., float]]] = {
    "elbo": (ELBO(SAMPLES), lambda b, t, d, d_x: (b + t) / d_x),
    "m1": (M1(SAMPLES), lambda b, t, d, d_x: (b + t) / d_x),
    "m2": (M2(SAMPLES, estimator="u-statistic"), lambda b, t, d, d_x: (b + 2 * t) / d_x),
    "m2 biased": (M2(SAMPLES), lambda b, t, d, d_x: (b + (2 - 1 / SAMPLES) * t) / d_x),
    "m3": (M3(SAMPLES, estimator="u-statistic"), lambda b, t, d, d_x: b / (d_x - d)),
    "m3 biased": (M3(SAMPLES, baseline="leave-one-out"), lambda b, t, d, d_x: (b + t / SAMPLES) / (d_x - d)),
}


@pytest.mark.parametrize("name", TABLE)
def test_optimal_gamma_of_the_expected_loss(k: Kernels, name: str) -> None:
    """The minimum in l of the exact expectation, against B, T and D = div_x r of the same discrete q."""
    objective, formula = TABLE[name]
    s = scene(GaussianVAE.mlp(3, 1, (4,), "tanh"), "tanh", 8)
    model, phi, theta, x, _ = s.arguments()
    grid, weight = gauss_hermite(1, 5)
    q, cache = model.encode(k, phi, x)
    eps = grid[None, :, None, :].repeat(x.shape[2], 2)
    g, _ = model.decode(k, theta, q.place(eps))
    r = np.einsum("s,rsnd->rnd", weight, g)
    b = float(np.sum((x[:, 0] - r) ** 2, -1).mean())
    t = float((np.sum((g - r[:, None]) ** 2, -1).mean((0, 2)) * weight).sum())
    s_q = model.score_q(k, phi, q, cache, eps)
    d = float((np.sum(s_q * g, -1).mean((0, 2)) * weight).sum())
    assert d < model.d_x

    tuples, probability = draws_of(grid, weight, SAMPLES)
    key, rows = nodes(tuples), len(tuples)

    def slope(log_sd: float) -> float:
        at = theta.repeat(rows, 0)
        model.log_sd(at)[:] = log_sd
        g_theta = objective(k, model, phi.repeat(rows, 0), at, x, key).g_theta
        assert g_theta is not None
        return float(probability @ model.log_sd(g_theta))

    best = 0.5 * np.log(formula(b, t, d, model.d_x))
    curvature = (slope(best + 1e-4) - slope(best - 1e-4)) / 2e-4
    assert curvature > 0
    agree(slope(best), 0.0, 1e-11, scale=curvature)


def test_the_cross_term_is_the_divergence_of_the_reconstruction(k: Kernels) -> None:
    """E_q[s^q . g] = div_x E_q[g], by quadrature."""
    s = scene(GaussianVAE.mlp(2, 1, (3,), "tanh", scale="softplus"), "tanh", 9)
    model, phi, theta, x, _ = s.arguments()
    grid, weight = gauss_hermite(1, 60)
    eps = grid[None, :, None, :].repeat(x.shape[2], 2)

    def r(x: Array) -> Array:
        g, _ = model.decode(k, theta, model.encode(k, phi, x)[0].place(eps))
        return np.asarray(np.einsum("s,rsnd->rnd", weight, g))

    divergence = sum(derivative_along(r, x, u)[..., i] for i, u in enumerate(np.eye(2)))
    q, cache = model.encode(k, phi, x)
    g, _ = model.decode(k, theta, q.place(eps))
    s_q = model.score_q(k, phi, q, cache, eps)
    agree(np.einsum("s,rsnd->rn", weight, s_q * g), divergence, 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_optimal_gamma_of_the_joint_divergence(k: Kernels, seed: int) -> None:
    """1/gamma* = (E[c0.b0] + d_x) / (E|b0|^2 + A), b0 = J'(x - g), c0 = z - eps/s, if positive."""
    s = scene(GaussianVAE.mlp(3, 2, (4,), "softplus"), "softplus", 20 + seed)
    model, phi, theta, x, key = s.arguments()
    eps = key.normal(k, (4, x.shape[2], 2), x.dtype)
    q, _ = model.encode(k, phi, x)
    z = q.place(eps)
    g, _ = model.decode(k, theta, z)
    columns = [derivative_along(lambda z: model.decode(k, theta, z)[0], z, u) for u in np.eye(2)]
    jacobian = np.stack(columns, axis=-1)
    b0, c0 = np.einsum("rsndz,rsnd->rsnz", jacobian, x - g), z - eps / q.s
    numerator = np.sum(c0 * b0, -1).mean() + model.d_x
    denominator = (np.sum(b0**2, -1) + np.sum((x - g) ** 2, -1)).mean()
    outcome = JointFisher(4, gamma=OptimalGamma())(k, *s.arguments())
    assert outcome.gamma is not None
    if numerator > 0:
        agree(np.exp(-2 * outcome.gamma.log_sd), numerator / denominator, 1e-9)

        def loss(log_sd: float) -> float:
            at = theta.copy()
            model.log_sd(at)[:] = log_sd
            return float(JointFisher(4)(k, model, phi, at, x, key).loss[0])

        best = float(outcome.gamma.log_sd[0])
        assert abs(minimize_scalar(loss, bracket=(best - 1, best + 0.7), tol=1e-10).x - best) < 1e-6
    assert outcome.gamma.kept[0] == (numerator <= 0)
