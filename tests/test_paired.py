"""Test paired intervals, their correction, and medians, against their definitions and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from vsmnp.paper.reproduce.paired import LARGEST, differences, intervals, median


def test_an_interval_of_one_comparison_is_students_on_the_scale() -> None:
    delta = np.array([0.02, 0.3, -0.05, 1.7, 0.4])
    (found,) = intervals([delta], 0.1, 0.05)
    y = np.arcsinh(delta / 0.1)
    half = student.ppf(0.975, 4) * y.std(ddof=1) / np.sqrt(5)
    ends = [0.1 * np.sinh(y.mean() + side * half) for side in (-1, 0, 1)]
    assert (found.low, found.centre, found.high) == pytest.approx(ends, rel=1e-9)


def test_an_interval_excludes_the_margin_exactly_where_holm_rejects() -> None:
    """Holm by its definition: reject in the order of p until one p is at least level / (m - rank)."""
    rng = np.random.default_rng(0)
    shifts = rng.choice([0.0, 0.05, 0.1, 0.2, 0.5, 3.0], 400)
    for start in range(0, 400, 20):
        family = [shift + 0.1 * rng.standard_normal(10) for shift in shifts[start : start + 20]]
        found = intervals(family, 0.1, 0.05)
        order = sorted(range(20), key=lambda i: found[i].p)
        rejected: set[int] = set()
        for rank, index in enumerate(order):
            if found[index].p >= 0.05 / (20 - rank):
                break
            rejected.add(index)
        assert rejected == {i for i, each in enumerate(found) if not each.low <= 0.1 <= each.high}
        assert 0 < len(rejected) < 20


def test_a_family_is_wrong_at_most_as_often_as_its_level() -> None:
    """All hypotheses hold: of 2,000 families at most 5% plus four standard errors reject one of them."""
    rng = np.random.default_rng(1)
    hit = 0
    for _ in range(2000):
        family = [0.1 * np.sinh(np.arcsinh(1) + rng.standard_normal(10)) for _ in range(5)]
        hit += any(not each.low <= 0.1 <= each.high for each in intervals(family, 0.1, 0.05))
    assert hit / 2000 < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 2000)
    assert hit > 0


def test_one_seed_decides_nothing_and_equal_differences_everything() -> None:
    one, equal, same = intervals([np.array([5.0]), np.full(4, 3.0), np.full(3, 0.1)], 0.1)
    assert (one.low, one.high) == (-np.inf, np.inf)
    assert (equal.low, equal.high) == pytest.approx((3.0, 3.0))
    assert same.p == 1.0
    assert intervals([], 0.1) == []


def test_a_loss_that_is_not_finite_is_the_largest() -> None:
    found = differences([1.0, np.inf, np.nan], [0.5, 1.0, 2.0])
    np.testing.assert_allclose(found, [0.5, LARGEST - 1, LARGEST - 2])
    assert all(np.isfinite([each.low, each.high]).all() for each in intervals([found], 0.1))


def test_median_intervals_are_order_statistics() -> None:
    """Of ten values the second to the ninth: ``1 - 2 (1 + 10) / 2^10``; of three the range."""
    ten = median([3, 1, 4, 15, 9, 2, 6, 5, 35, 8])
    assert (ten.value, ten.low, ten.high) == (5.5, 2, 15)
    assert ten.coverage == pytest.approx(1 - 22 / 1024)
    three = median([3.0, np.nan, 1.0, 2.0])
    assert (three.value, three.low, three.high) == (2, 1, 3)
    assert three.coverage == pytest.approx(0.75)
    assert np.isnan(median([]).value)


def test_median_intervals_cover_as_they_say() -> None:
    rng = np.random.default_rng(2)
    inside = [each.low <= 0 <= each.high for each in (median(rng.standard_normal(10)) for _ in range(4000))]
    expected = 1 - 22 / 1024
    assert abs(np.mean(inside) - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)
