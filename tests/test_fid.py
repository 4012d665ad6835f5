"""Test distances between sets of features: closed forms, another library, and invariances."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import sqrtm

from vsmnp import metrics
from vsmnp.errors import ConfigError, DataError
from vsmnp.types import Array

GOLDEN = json.loads((Path(__file__).parent / "golden" / "quality.json").read_text())["cases"]


def features(rows: int, columns: int, seed: int) -> Array:
    """Draw the features of the golden file; see golden/make_quality_golden.py."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((columns, columns)) / np.sqrt(columns)
    return np.tanh(rng.standard_normal((rows, columns)) @ mixing + 0.3 * seed)


def fid(x: Array, y: Array) -> float:
    return metrics.frechet_distance(metrics.moments_of(x), metrics.moments_of(y))


# --- moments --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [(), (1,), (3, 3, 17), (39,)], ids=str)
def test_moments_do_not_depend_on_the_blocks(cuts: tuple[int, ...]) -> None:
    x = features(40, 5, 0) + 1e3  # far from zero, where sums of squares cancel
    moments = metrics.FeatureMoments(5)
    for block in np.split(x.astype(np.float32), cuts):
        moments.add(block)
    mean, covariance = moments.result()
    exact = x.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(0), rtol=1e-13)
    np.testing.assert_allclose(covariance, np.cov(exact.T), rtol=1e-9, atol=1e-12)
    assert moments.count == 40


# --- FID ------------------------------------------------------------------------------------------


def test_frechet_distance_of_gaussians() -> None:
    wide = np.ones(4), 4 * np.eye(4)
    assert metrics.frechet_distance(wide, (np.zeros(4), np.eye(4))) == pytest.approx(8, rel=1e-14)
    mean = np.array([0.3, -2.0])
    one, other = (mean, np.array([[2.0, 1.0], [1.0, 2.0]])), (mean, np.diag([1.0, 3.0]))
    assert metrics.frechet_distance(one, other) == pytest.approx(0.5166852264521, rel=1e-12)
    assert metrics.frechet_distance(other, one) == pytest.approx(0.5166852264521, rel=1e-12)


def test_frechet_distance_is_the_one_of_the_matrix_square_root() -> None:
    (mean, c), (other_mean, d) = (metrics.moments_of(features(50, 7, seed)) for seed in (0, 1))
    shift = mean - other_mean
    expected = shift @ shift + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert metrics.frechet_distance((mean, c), (other_mean, d)) == pytest.approx(expected, rel=1e-9)


def test_singular_covariances_need_no_correction() -> None:
    # On orthogonal subspaces nothing overlaps; on one subspace the null directions do not matter.
    zero = np.zeros(4)
    left, right = np.diag([2.0, 3.0, 0, 0]), np.diag([0, 0, 5.0, 7.0])
    assert metrics.frechet_distance((zero, left), (zero, right)) == pytest.approx(17, rel=1e-14)
    turned = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    four = turned @ (4 * left) @ turned.T
    one = turned @ left @ turned.T
    assert metrics.frechet_distance((zero, four), (zero, one)) == pytest.approx(5, rel=1e-6)
    assert metrics.frechet_distance((zero, one), (zero, one)) == pytest.approx(0, abs=1e-6)


def test_bias_between_samples_of_one_gaussian() -> None:
    rng, n, d, repeats = np.random.default_rng(0), 1_000, 6, 40
    values = [fid(*rng.standard_normal((2, n, d))) for _ in range(repeats)]
    expected = 2 * d / n + d * (d + 1) / (2 * n)
    error = np.std(values, ddof=1) / np.sqrt(repeats)
    assert error < 0.05 * expected
    assert abs(np.mean(values) - expected) < 4 * error + 0.02 * expected  # the formula is of first order


# --- KID ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [0.5, 1.0, 2.0])
def test_kernel_distance_of_gaussians(a: float) -> None:
    rng, d, repeats = np.random.default_rng(1), 3, 20
    values = [
        metrics.kernel_distance(
            np.sqrt(a) * rng.standard_normal((2_000, d)), rng.standard_normal((2_000, d)), 4, 1_000
        ).mean
        for _ in range(repeats)
    ]
    error = np.std(values, ddof=1) / np.sqrt(repeats)
    assert error < 0.05
    assert abs(np.mean(values) - 3 * (a - 1) ** 2 / d) < 4 * error


def test_kernel_distance_of_everything_is_the_latent_mmd_of_scaled_features() -> None:
    x, y = features(30, 6, 0), features(45, 6, 1)
    expected = metrics.cubic_mmd(x / np.sqrt(6), y / np.sqrt(6))
    found = metrics.kernel_distance(x, y, subsets=1, size=100)
    assert found.mean == pytest.approx(expected, rel=1e-10)
    assert np.isnan(found.sd)


def test_subsets_are_a_function_of_the_seed() -> None:
    x, y = features(60, 4, 0), features(60, 4, 1)
    one, again, other = (metrics.kernel_distance(x, y, 5, 20, seed) for seed in (3, 3, 4))
    assert one == again
    assert one.mean != other.mean
    assert one.sd > 0
    spread = [metrics.kernel_distance(x, y, 1, 20, seed).mean for seed in range(60)]
    whole = metrics.kernel_distance(x, y, 1, 60).mean
    assert abs(np.mean(spread) - whole) < 4 * np.std(spread, ddof=1) / np.sqrt(60)


@pytest.mark.parametrize(("n", "m"), [(200, 300), (150, 800)])
def test_the_error_of_small_sets_is_the_scatter_of_other_sets(n: int, m: int) -> None:
    """Over fresh draws of both sides, the distances scatter as the error says."""
    rng, d = np.random.default_rng(2), 3
    found = [
        metrics.kernel_distance(1.4 * rng.standard_normal((n, d)), rng.standard_normal((m, d)), 6, 250)
        for _ in range(200)
    ]
    scatter = np.std([each.mean for each in found], ddof=1)
    assert np.sqrt(np.mean([each.se**2 for each in found])) == pytest.approx(scatter, rel=0.2)


def test_the_error_of_large_sets_is_that_of_the_subsets() -> None:
    found = metrics.kernel_distance(features(60, 4, 0), features(70, 4, 1), 16, 20)
    assert found.se == found.sd / 4
    assert np.isnan(metrics.kernel_distance(features(2, 4, 0), features(70, 4, 1)).se)


def test_identical_sets_have_no_frechet_distance() -> None:
    x = features(1_000, 84, 3)
    assert fid(x, x) == 0.0


def test_progress_of_the_subsets_reaches_the_end() -> None:
    seen: list[tuple[int, int]] = []
    metrics.kernel_distance(features(9, 2, 0), features(9, 2, 1), 3, 5, progress=lambda *at: seen.append(at))
    assert seen == [(1, 3), (2, 3), (3, 3)]


# --- another library ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOLDEN)
def test_both_distances_are_those_of_another_library(name: str) -> None:
    n, m, d = GOLDEN[name]["sizes"]
    x, y = features(n, d, 0), features(m, d, 1)
    assert fid(x, y) == pytest.approx(GOLDEN[name]["fid"], rel=1e-5)
    size = min(n, m)
    kid = metrics.kernel_distance(x[:size], y[:size], subsets=1, size=size).mean
    assert kid == pytest.approx(GOLDEN[name]["kid"], rel=1e-9)


def test_the_golden_file_has_the_features_of_this_test() -> None:
    source = (Path(__file__).parent / "golden" / "make_quality_golden.py").read_text()
    start, stop = source.index("def features"), source.index("def answers")
    scope: dict[str, object] = {"np": np}
    exec(source[start:stop], scope)
    theirs = scope["features"]
    assert callable(theirs)
    np.testing.assert_array_equal(theirs(5, 3, 1), features(5, 3, 1))


# --- bad input ------------------------------------------------------------------------------------


def test_bad_input_is_explained() -> None:
    x = features(9, 3, 0)
    with pytest.raises(DataError, match="3 columns"):
        metrics.FeatureMoments(3).add(x[:, :2])
    with pytest.raises(DataError, match="NaN or infinity"):
        metrics.moments_of(np.where(x > 0, x, np.nan))
    with pytest.raises(DataError, match=r"beyond 1e\+20"):
        metrics.moments_of(np.where(x > 0, x, 1e21))
    assert np.isfinite([fid(1e20 * x, 0 * x), *metrics.kernel_distance(1e20 * x, 0 * x)]).all()
    with pytest.raises(DataError, match="at least 2 samples"):
        metrics.moments_of(x[:1])
    with pytest.raises(DataError, match="one extractor"):
        fid(x, x[:, :2])
    with pytest.raises(DataError, match="one extractor"):
        metrics.kernel_distance(x, x[:, :2])
    with pytest.raises(DataError, match="at least 2 samples"):
        metrics.kernel_distance(x, x[:1])
    with pytest.raises(ConfigError, match="subsets"):
        metrics.kernel_distance(x, x, subsets=0)
    with pytest.raises(ConfigError, match="samples of a subset"):
        metrics.kernel_distance(x, x, size=1)
