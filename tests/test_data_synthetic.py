"""Test the synthetic sets: moments, exact densities, scores and floors, and reproducibility by seeds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsmnp.data import SYNTHETIC, Bounds, load_data
from vsmnp.data.synthetic.synthetic import Synthetic

NAMES = tuple(SYNTHETIC)
EXACT = tuple(name for name, data in SYNTHETIC.items() if data.bounds.nll is not None)


def _helicoid_covariance() -> np.ndarray:
    """Compute it from ``E[z2^2 cos^2 z1] = (1 + e^-2)/2`` and ``(1 - e^-2)/2`` for the sine, times 1/4."""
    inside = np.array([1, (1 + np.exp(-2)) / 2, (1 - np.exp(-2)) / 2]) / 4
    basis = [np.sqrt(0.2) * np.cos(np.pi * k * (np.arange(10) + 0.5) / 10) for k in (1, 2, 3)]
    spread: np.ndarray = sum(v * np.outer(u, u) for v, u in zip(inside, basis, strict=True))
    return spread + 0.0025 * np.eye(10)


#: Covariances in closed form; every mean is zero.
COVARIANCES = {
    "star": (3 * 1.09 / 100 + 1e-4) * np.eye(2),
    "mixture": 0.04 * np.eye(2) + 0.25,
    "ring": (0.5**2 + 0.02**2) / 2 * np.eye(2),
    "banana": np.diag([0.04, 0.01 + 4 * 2 * 0.04**2]),
    "helicoid": _helicoid_covariance(),
    "pinwheel": (1 + 0.09 + 0.01) / 200 * np.eye(2),
}


def synthetic(name: str) -> Synthetic:
    data = load_data(name)
    assert isinstance(data, Synthetic)
    return data


def standard_error(values: np.ndarray) -> np.ndarray:
    return values.std(0, ddof=1) / np.sqrt(len(values))


@pytest.mark.parametrize("name", NAMES)
def test_moments_are_the_closed_form(name: str) -> None:
    x = load_data(name).epoch(3, 0, float)
    products = x[:, :, None] * x[:, None, :]
    assert np.all(np.abs(x.mean(0)) < 4 * standard_error(x))
    assert np.all(np.abs(products.mean(0) - COVARIANCES[name]) < 4 * standard_error(products))


@pytest.mark.parametrize("name", NAMES)
def test_sizes(name: str) -> None:
    data, dim = load_data(name), 10 if name == "helicoid" else 2
    assert (data.name, data.shape, data.dim, data.is_image) == (name, (dim,), dim, False)
    assert data.epoch(0, 0, np.float32).shape == (data.n_train, dim) == (100_000, dim)
    assert data.test(0, np.float32).shape == (data.n_test, dim) == (5_000, dim)


@pytest.mark.parametrize("name", NAMES)
def test_data_are_a_function_of_seed_stream_and_epoch(name: str) -> None:
    data = load_data(name)
    first = data.epoch(1, 0, float)
    np.testing.assert_array_equal(first, load_data(name).epoch(1, 0, float))
    np.testing.assert_array_equal(data.test(1, float), load_data(name).test(1, float))
    for other in (data.epoch(1, 1, float), data.epoch(2, 0, float)):
        assert not np.isin(first, other).all(axis=1).any()
    assert not np.isin(data.test(1, float), first).all(axis=1).any()
    assert not np.array_equal(data.test(1, float), data.test(2, float))


@pytest.mark.parametrize("name", NAMES)
def test_other_dtypes_are_the_same_data_rounded(name: str) -> None:
    data = load_data(name)
    single = data.test(5, "float32")
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, data.test(5, float).astype(np.float32))


def test_pinwheel_has_five_equal_arms() -> None:
    u = np.array([[0.0], [0.2001], [0.4001], [0.6001], [0.8001]])
    arms = synthetic("pinwheel").transform(np.zeros((5, 2)), u)
    np.testing.assert_allclose(np.linalg.norm(arms, axis=1), 0.1, rtol=1e-14)
    turns = np.diff(np.unwrap(np.arctan2(arms[:, 1], arms[:, 0])))
    np.testing.assert_allclose(turns, -2 * np.pi / 5, rtol=1e-12)
    angle = 0.2 * np.e
    np.testing.assert_allclose(arms[0], 0.1 * np.array([np.cos(angle), -np.sin(angle)]), rtol=1e-14)


@pytest.mark.parametrize("name", EXACT)
def test_score_is_the_gradient_of_the_log_density(name: str) -> None:
    data = load_data(name)
    x = data.test(7, float)[:1000]
    h, gradient = 1e-4, np.empty_like(x)
    for axis, step in enumerate(h * np.eye(data.dim)):
        near, far = (data.log_density(x + k * step) - data.log_density(x - k * step) for k in (1, 2))
        gradient[:, axis] = (8 * near - far) / (12 * h)
    np.testing.assert_allclose(data.score(x), gradient, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "half_width", "points"), [("mixture", 2.0, 400), ("ring", 0.75, 800), ("banana", 3.2, 800)]
)
def test_density_integrates_to_one(name: str, half_width: float, points: int) -> None:
    """The trapezoidal rule, on a grid that avoids the origin; it converges fast for smooth functions."""
    edge = np.linspace(-half_width, half_width, points)
    mass = 0.0
    for row in edge:
        line = np.column_stack([np.full(points, row), edge])
        mass += np.exp(load_data(name).log_density(line)).sum()
    assert mass * (edge[1] - edge[0]) ** 2 == pytest.approx(1, abs=1e-9)


STAR_MIX = np.array([[1, 0.3], [-0.3, 1]]) / 10


def test_star_density_is_the_convolution() -> None:
    """``f(y) = int N(n; 0, 1) N(y; n|n|, tau^2) dn`` by the trapezoidal rule, on axis and off."""
    tau = 0.01 / np.sqrt(0.0109)
    y = np.array([[0, 0], [0.3, -1], [tau**2 / 2, 4], [-6, 0.05], [9, -9], [-0.2, 1e-8]])
    n = np.linspace(-8, 8, 320_001)
    factors = [
        np.exp(-n * n / 2 - (v - n * np.abs(n)) ** 2 / (2 * tau**2)).sum() * (n[1] - n[0]) / (2 * np.pi * tau)
        for v in y.ravel()
    ]
    expected = np.log(factors).reshape(y.shape).sum(1) - np.log(0.0109)
    np.testing.assert_allclose(load_data("star").log_density(y @ STAR_MIX), expected, rtol=0, atol=1e-8)


def test_star_mass_and_floors_agree_with_quadrature() -> None:
    """``p(y A) det A = f(y1) f(y2)``: on the diagonal y1 = y2 one integral over f gives everything."""
    data, det = load_data("star"), 0.0109
    y = np.linspace(-60, 60, 60_001)
    diagonal = np.column_stack([y, y]) @ STAR_MIX
    log_f = 0.5 * (data.log_density(diagonal) + np.log(det))
    weight = np.exp(log_f) * (y[1] - y[0])
    assert weight.sum() == pytest.approx(1, abs=1e-9)
    assert -2 * (weight * log_f).sum() + np.log(det) == pytest.approx(data.bounds.nll, abs=1e-6)
    square = (data.score(diagonal) ** 2).sum(1)
    assert -0.5 * (weight * square).sum() == pytest.approx(data.bounds.sm_loss, rel=1e-8)


@given(exponent=st.floats(-12, 9), angle=st.floats(0, 2 * np.pi), name=st.sampled_from(EXACT))
@settings(max_examples=100, deadline=None)
def test_density_and_score_are_finite_everywhere(exponent: float, angle: float, name: str) -> None:
    data = load_data(name)
    x = 10**exponent * np.array([[np.cos(angle), np.sin(angle)]]) @ np.eye(2, data.dim)
    assert np.isfinite(data.log_density(x)).all()
    assert np.isfinite(data.score(x)).all()


@pytest.mark.parametrize("name", EXACT)
def test_floors_agree_with_monte_carlo(name: str) -> None:
    data = load_data(name)
    x = data.epoch(11, 0, float)[:20_000]
    nll, sm_loss = -data.log_density(x), -0.5 * (data.score(x) ** 2).sum(1)
    assert abs(nll.mean() - data.bounds.nll) < 4 * standard_error(nll)
    assert abs(sm_loss.mean() - data.bounds.sm_loss) < 4 * standard_error(sm_loss)


@pytest.mark.parametrize(
    ("name", "half_width", "points"), [("mixture", 2.0, 400), ("ring", 0.75, 800), ("banana", 3.2, 800)]
)
def test_floors_agree_with_quadrature(name: str, half_width: float, points: int) -> None:
    data = load_data(name)
    edge = np.linspace(-half_width, half_width, points)
    nll = sm_loss = 0.0
    for row in edge:
        line = np.column_stack([np.full(points, row), edge])
        log_p = data.log_density(line)
        nll -= (np.exp(log_p) * log_p).sum()
        sm_loss -= 0.5 * (np.exp(log_p) * (data.score(line) ** 2).sum(1)).sum()
    area = (edge[1] - edge[0]) ** 2
    assert nll * area == pytest.approx(data.bounds.nll, abs=5e-6)
    assert sm_loss * area == pytest.approx(data.bounds.sm_loss, rel=1e-6)


def test_helicoid_density_is_the_integral_over_both_latents() -> None:
    """``p(x) = int N(z; 0, I) N(x; m(z), .0025 I) dz`` by the trapezoidal rule in the plane of z."""
    data = load_data("helicoid")
    x = np.vstack([data.test(3, float)[:6], np.zeros((1, 10))])
    axis = np.arange(-7, 7.01, 0.02)
    z1, z2 = (each.ravel() for each in np.meshgrid(axis, axis))
    clean = synthetic("helicoid").transform(np.column_stack([z1, z2, np.zeros((len(z1), 10))]), z1)
    log_prior = -0.5 * (z1**2 + z2**2) + np.log(0.02**2 / (2 * np.pi))
    for point, found in zip(x, data.log_density(x), strict=True):
        terms = log_prior - ((point - clean) ** 2).sum(1) / 0.005 - 5 * np.log(2 * np.pi * 0.0025)
        assert found == pytest.approx(terms.max() + np.log(np.exp(terms - terms.max()).sum()), abs=1e-9)


def test_pinwheel_is_a_sampler_only() -> None:
    data = load_data("pinwheel")
    x = data.test(0, float)
    assert data.log_density(x) is None
    assert data.score(x) is None
    assert data.bounds == Bounds(None, None)
