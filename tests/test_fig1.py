"""Test Figure 1: closed forms against the definitions, minima, and the engine with tied parameters."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from PIL import Image
from strategies import few, gauss_hermite, nodes, seeds, sigma_points

from vsmnp.kernels import ON_HOST, load
from vsmnp.paper.reproduce.fig1 import experiment as fig1
from vsmnp.paper.reproduce.fig1.linear_gaussian import JointDivergence, JointFisherDivergence, JointKL
from vsmnp.paper.reproduce.fig1.tied import Descent, TiedModel, joint_fisher, joint_kl
from vsmnp.types import Array

KINDS = pytest.mark.parametrize("kind", [JointFisherDivergence, JointKL])
ENGINE = {JointFisherDivergence: joint_fisher, JointKL: joint_kl}
GRID = np.linspace(0, 3, 13)
TINY = 1e-200


def some(seed: int) -> tuple[float, float, float, float, float]:
    """Draw alpha, gamma, phi, theta and theta_* of a seed."""
    rng = np.random.default_rng(seed)
    alpha, gamma = rng.uniform(0.3, 1.5, 2)
    phi, theta = rng.normal(size=2)
    return float(alpha), float(gamma), float(phi), float(theta), float(rng.uniform(0, 3))


def log_normal(u: Any, mean: Any, variance: Any) -> Any:
    return -((u - mean) ** 2) / (2 * variance) - 0.5 * np.log(2 * np.pi * variance)


def by_quadrature(
    kind: type, alpha: float, gamma: float, phi: float, theta: float, theta_star: float
) -> float:
    """Compute the divergence by its definition: scores by complex steps, expectations by Gauss-Hermite."""
    v, square = alpha / (1 + theta**2 / gamma), theta_star**2 + gamma

    def log_ratio(z: Any, x: Any) -> Any:
        given_data = log_normal(z, phi * x, v) + log_normal(x, 0, square)
        return given_data - log_normal(z, 0, 1) - log_normal(x, theta * z, gamma)

    grid, weight = gauss_hermite(2, 4)
    x = square**0.5 * grid[:, 0]
    z = phi * x + v**0.5 * grid[:, 1]
    if kind is JointKL:
        return float(weight @ log_ratio(z, x))
    step = TINY * 1j
    scores = np.stack([log_ratio(z + step, x).imag, log_ratio(z, x + step).imag]) / TINY
    return float(weight @ (scores**2).sum(0) / 2)


def partial_derivatives(divergence: JointDivergence, phi: float, theta: float, theta_star: float) -> Array:
    """Compute the closed form's derivatives in phi and theta, by complex steps."""
    step = np.array(TINY * 1j)
    by_phi = divergence.value(theta, phi + step, theta_star)
    by_theta = divergence.value(theta + step, phi, theta_star)
    return np.array([by_phi.imag, by_theta.imag]) / TINY


@KINDS
@few
@given(seed=seeds)
def test_closed_form_is_the_definition(kind: type, seed: int) -> None:
    alpha, gamma, phi, theta, theta_star = some(seed)
    value = float(kind(alpha, gamma).value(theta, phi, theta_star))
    assert value == pytest.approx(by_quadrature(kind, alpha, gamma, phi, theta, theta_star), rel=1e-10)


@KINDS
@few
@given(seed=seeds)
def test_slope_and_best_phi_are_those_of_the_closed_form(kind: type, seed: int) -> None:
    alpha, gamma, phi, theta, theta_star = some(seed)
    divergence = kind(alpha, gamma)
    slope = float(divergence.slope(theta, phi, theta_star))
    assert slope == pytest.approx(partial_derivatives(divergence, phi, theta, theta_star)[1], rel=1e-10)
    best = float(divergence.best_phi(theta, theta_star))
    assert partial_derivatives(divergence, best, theta, theta_star)[0] == pytest.approx(0, abs=1e-10)


@KINDS
def test_covariances_are_those_of_both_joints(kind: type) -> None:
    alpha, gamma, phi, theta, theta_star = some(5)
    q, p = kind(alpha, gamma).covariances(theta, phi, theta_star)
    conditional = q[0, 0] - q[0, 1] ** 2 / q[1, 1]
    exact = p[0, 0] - p[0, 1] ** 2 / p[1, 1]
    assert (conditional / exact, q[0, 1] / q[1, 1]) == pytest.approx((alpha, phi))
    assert (p[0, 0], p[0, 1], p[1, 1]) == pytest.approx((1, theta, theta**2 + gamma))
    trace = np.trace(np.linalg.solve(p, q)) - 2 - np.log(np.linalg.det(q) / np.linalg.det(p))
    assert float(JointKL(alpha, gamma).value(theta, phi, theta_star)) == pytest.approx(trace / 2)


@KINDS
@pytest.mark.parametrize("theta_star", [0.0, 0.2, 0.3, 1.0, 2.0, 3.0])
def test_a_descent_in_both_parameters_finds_the_listed_minimum_from_anywhere(
    kind: type, theta_star: float
) -> None:
    """Eliminating phi and scanning theta lose no minimum, and there is one for each theta_*."""
    from scipy.optimize import minimize

    divergence = kind(fig1.ALPHA, fig1.GAMMA)
    (found,) = divergence.minima(theta_star)
    at_minimum = partial_derivatives(divergence, found.phi, found.theta, theta_star)
    np.testing.assert_allclose(at_minimum, 0, atol=1e-11)
    rng = np.random.default_rng(1)
    for start in rng.uniform((-2, 0), (2, 5), (6, 2)):
        end = minimize(lambda w: float(divergence.value(w[1], w[0], theta_star)), start, tol=1e-12)
        assert end.fun == pytest.approx(found.value, abs=1e-9)
        assert end.fun >= found.value - 1e-14
        # half the digits of the value, and a third of them where the minimum is quartic
        assert abs(end.x[1]) == pytest.approx(found.theta, abs=1e-5 if found.theta > 0.2 else 1e-2)


def test_fisher_recovers_the_truth_with_the_exact_variance_only() -> None:
    exact, narrow = (JointFisherDivergence(alpha, fig1.GAMMA) for alpha in (1.0, fig1.ALPHA))
    np.testing.assert_allclose([exact.minima(t)[0].theta for t in GRID], GRID, atol=1e-10)
    assert all(narrow.minima(t)[0].theta < t - 0.1 for t in GRID[1:])
    assert narrow.minima(2.0)[0].theta == pytest.approx(1.2008169, abs=1e-7)


@pytest.mark.parametrize("alpha", [0.1, 0.6, 1.0, 2.0])
def test_kl_recovers_the_truth_with_any_variance(alpha: float) -> None:
    found = [JointKL(alpha, fig1.GAMMA).minima(t)[0] for t in GRID]
    np.testing.assert_allclose([minimum.theta for minimum in found], GRID, atol=1e-10)
    np.testing.assert_allclose(
        [minimum.value for minimum in found], (alpha - 1 - np.log(alpha)) / 2, atol=1e-12
    )


def test_fisher_leaves_zero_where_the_formula_says() -> None:
    divergence = JointFisherDivergence(fig1.ALPHA, fig1.GAMMA)
    edge = divergence.collapse()
    below, above = divergence.minima(edge * (1 - 1e-4))[0], divergence.minima(edge * (1 + 1e-4))[0]
    assert (below.theta, below.phi) == (0, 0)
    assert 0 < above.theta < 0.03
    assert JointFisherDivergence(1.0, fig1.GAMMA).collapse() == pytest.approx(0, abs=1e-6)


def engine_gradient(model: TiedModel, kind: type, w: Array, theta_star: Array, set_name: str) -> Array:
    """Compute the engine's expected gradient: losses are quadratic in (x, eps), so sigma points are exact."""
    x = np.sqrt(theta_star**2 + model.gamma)[:, None, None, None] * sigma_points(1)
    eps = np.broadcast_to(sigma_points(1)[:, None, :], (len(w), 2, 1, 1))
    return model.gradient(load(set_name), ENGINE[kind](2), w, x, nodes(eps))


@pytest.mark.parametrize("set_name", ON_HOST)
@KINDS
@few
@given(seed=seeds)
def test_engine_gradient_is_that_of_the_closed_form(set_name: str, kind: type, seed: int) -> None:
    alpha, gamma, *_ = some(seed)
    rng = np.random.default_rng(seed)
    w, theta_star = rng.normal(size=(3, 2)), rng.uniform(0, 3, 3)
    divergence = kind(alpha, gamma)
    expected = [partial_derivatives(divergence, *w[r], theta_star[r]) for r in range(3)]
    got = engine_gradient(TiedModel(alpha, gamma), kind, w, theta_star, set_name)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)


class Untied(TiedModel):
    """A mutant that treats the posterior's variance as a constant."""

    def log_s_slope(self, theta: Array) -> Array:
        return np.zeros_like(theta)


@KINDS
def test_the_tie_is_what_makes_the_minima_stationary(kind: type) -> None:
    minima = [kind(fig1.ALPHA, fig1.GAMMA).minima(t)[0] for t in (1.0, 2.0)]
    w = np.array([[minimum.phi, minimum.theta] for minimum in minima])
    tied, untied = (
        engine_gradient(model(fig1.ALPHA, fig1.GAMMA), kind, w, np.array([1.0, 2.0]), "reference")
        for model in (TiedModel, Untied)
    )
    np.testing.assert_allclose(tied, 0, atol=1e-10)
    assert (np.abs(untied[:, 1]) > 0.1).all()


@KINDS
def test_descent_by_samples_ends_at_the_minimum(kind: type) -> None:
    theta_star = np.array([1.0, 2.0])
    minima = [kind(fig1.ALPHA, fig1.GAMMA).minima(t)[0] for t in theta_star]
    model, steps = TiedModel(fig1.ALPHA, fig1.GAMMA), []
    w = Descent(steps=400).run(load("reference"), model, ENGINE[kind](8), theta_star, steps.append)
    np.testing.assert_allclose(w, [[minimum.phi, minimum.theta] for minimum in minima], atol=0.01)
    assert steps == list(range(1, 401))


def test_result_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fig1, "Descent", lambda steps: Descent(8, batch=4, samples=2))
    told: list[tuple[int, int]] = []
    result = fig1.reproduce(tmp_path, True, lambda done, total: told.append((done, total)))

    data = json.loads(json.dumps(dict(result.data), allow_nan=False))
    assert data["theta_star"] == GRID.tolist()
    lists = [f"{p}_hat_{name}" for p in ("theta", "phi") for name in ("jfd", "jkl", "control_jfd")]
    lists += [f"engine_{p}_hat_{name}" for p in ("theta", "phi") for name in ("jfd", "jkl")]
    lists += ["jfd", "jkl", "control_jfd"]
    assert {name: len(data[name]) for name in lists} == dict.fromkeys(lists, len(GRID))
    assert all(isinstance(value, float) for name in lists for value in data[name])
    assert min(data["engine_theta_hat_jfd"]) >= 0
    assert [each["minimised"] for each in data["solutions"]] == ["joint KL", "joint Fisher"]

    assert told == [(done, 16) for done in range(1, 17)]
    assert [path.name for path in result.files] == ["fig1.png", "fig1.csv", "fig1-solutions.csv"]
    with (tmp_path / "fig1.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["theta_hat_jfd"]) for row in rows] == data["theta_hat_jfd"]
    pixels = np.asarray(Image.open(tmp_path / "fig1.png").convert("L"))
    assert pixels.std() > 10
    at = GRID.tolist().index(fig1.SHOWN)
    assert f"theta = {data['theta_hat_jfd'][at]:.4f}" in result.findings[0]
