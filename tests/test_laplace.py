"""Test the Laplace family: closed forms against quadrature split at the kink, and the limits of descents."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from laws import derivative
from scipy.integrate import quad

from vsmnp.kernels import load
from vsmnp.paper.reproduce.laplace import experiment as laplace
from vsmnp.paper.reproduce.laplace import family
from vsmnp.paper.reproduce.laplace.family import MixtureTarget, NormalTarget, Target
from vsmnp.rng import Key

EXACT = 1e-10
STANDARD_ERRORS = 5.0
NORMALS = (NormalTarget(), NormalTarget(0.7, 1.3))
TARGETS: tuple[Target, ...] = (*NORMALS, MixtureTarget(0.65, -1.5, 1.5, 0.8))
PLACES = ((-1.5, 0.6), (0.3, 1.0), (2.0, 1.7))

each_normal = pytest.mark.parametrize("target", NORMALS)
each_target = pytest.mark.parametrize("target", TARGETS)
each_place = pytest.mark.parametrize(("m", "s"), PLACES)


def mean(f: Callable[[float], float], m: float, s: float) -> float:
    """Compute ``E_q f(x)`` by integrals on either side of m."""

    def density(x: float) -> float:
        return float(np.exp(-abs(x - m) / s) / (2 * s))

    edges = [m + s * t for t in (-45, -12, -4, -1, 0, 1, 4, 12, 45)]
    parts = (
        quad(lambda x: f(x) * density(x), low, high, epsabs=1e-13, epsrel=1e-13, limit=200)[0]
        for low, high in pairwise(edges)
    )
    return sum(parts)


def score_difference(target: Target, x: float, m: float, s: float) -> float:
    """Compute ``d/dx log q - d/dx log p``."""
    return float(-np.sign(x - m) / s - target.score(np.asarray(x)))


def divergence(target: Target, m: float, s: float) -> float:
    return mean(lambda x: 0.5 * score_difference(target, x, m, s) ** 2, m, s)


def at(m: float, s: float) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(m), np.asarray(s)


@each_target
@each_place
def test_the_divergence(target: Target, m: float, s: float) -> None:
    expected = divergence(target, m, s)
    assert family.divergence(target, *at(m, s)) == pytest.approx(expected, rel=EXACT)
    if isinstance(target, NormalTarget):
        assert target.divergence(*at(m, s)) == pytest.approx(expected, rel=EXACT)


@each_target
@each_place
def test_the_biased_gradient_differentiates_at_fixed_x(target: Target, m: float, s: float) -> None:
    """Almost everywhere the score of q does not depend on m."""

    def in_s(x: float) -> float:
        """Compute the derivative along s, at fixed x: the score of q is ``-sign / s``."""
        return score_difference(target, x, m, s) * float(np.sign(x - m)) / s**2

    expected = mean(in_s, m, s)
    for rule in (family.biased, *((target.biased,) if isinstance(target, NormalTarget) else ())):
        g = rule(target, *at(m, s)) if rule is family.biased else rule(*at(m, s))
        assert g.m == 0
        assert g.s == pytest.approx(expected, abs=EXACT)


@each_target
@each_place
def test_the_unbiased_gradient_is_that_of_the_divergence(target: Target, m: float, s: float) -> None:
    """Both by a stencil of the divergence, whose quadrature is its own."""
    along_m = float(derivative(lambda t: np.asarray(divergence(target, m + t, s))))
    along_s = float(derivative(lambda t: np.asarray(divergence(target, m, s + t))))
    g = family.unbiased(target, *at(m, s))
    assert g.m == pytest.approx(along_m, abs=1e-9)
    assert g.s == pytest.approx(along_s, abs=1e-8)  # the stencil's fifth derivative in s is large


@each_normal
@each_place
def test_closed_forms_of_all_gradients(target: NormalTarget, m: float, s: float) -> None:
    for closed, rule in (
        (target.biased, family.biased),
        (target.with_jump, family.with_jump),
        (target.unbiased, family.unbiased),
    ):
        np.testing.assert_allclose(closed(*at(m, s)), rule(target, *at(m, s)), rtol=EXACT, atol=EXACT)


@each_normal
@each_place
def test_the_jump_alone_moves_the_location(target: NormalTarget, m: float, s: float) -> None:
    """``q(m)`` times the jump ``2 / s`` of the score times the difference of scores in the middle of it."""
    density, jump, middle = 1 / (2 * s), 2 / s, (m - target.mean) / target.sd**2
    assert target.with_jump(*at(m, s)).m == pytest.approx(density * jump * middle, rel=EXACT)
    assert target.with_jump(*at(m, s)).s == target.biased(*at(m, s)).s


@each_target
@each_place
def test_the_smoothed_gradient(target: Target, m: float, s: float) -> None:
    """``u`` over its smoothed magnitude in place of the sign, differentiated in m at fixed x by a stencil."""
    width = 0.4

    def half_square(x: float, location: float) -> float:
        u = x - location
        return 0.5 * (-u / (s * np.hypot(u, width)) - float(target.score(np.asarray(x)))) ** 2

    def in_m(x: float) -> float:
        return float(derivative(lambda t: np.asarray(half_square(x, m + t))))

    assert family.mollified(target, m, s, width) == pytest.approx(mean(in_m, m, s), abs=1e-8)


@each_target
@each_place
def test_the_smoothed_gradient_tends_to_the_jump(target: Target, m: float, s: float) -> None:
    """To first order in the width, as ``1 - width / s``; with another limit the error would not vanish."""
    limit = float(family.jump(target, *at(m, s)))
    widths = np.array([1e-2, 1e-3, 1e-4])
    errors = np.array([family.mollified(target, m, s, w) - limit * (1 - w / s) for w in widths])
    assert (np.abs(errors) < 20 * widths**2 * -np.log(widths) / s**2).all()


def test_the_score_and_its_slope_are_those_of_the_mixture() -> None:
    target = MixtureTarget(0.65, -1.5, 1.5, 0.8)
    x = np.linspace(-3, 3, 13)

    def log_density(x: np.ndarray) -> np.ndarray:
        return np.log(
            0.65 * np.exp(-(((x + 1.5) / 0.8) ** 2) / 2) + 0.35 * np.exp(-(((x - 1.5) / 0.8) ** 2) / 2)
        )

    np.testing.assert_allclose(target.score(x), derivative(lambda t: log_density(x + t)), atol=1e-9)
    np.testing.assert_allclose(target.slope(x), derivative(lambda t: target.score(x + t)), atol=1e-9)


def within(values: np.ndarray, expected: float) -> None:
    error = values.std(ddof=1) / np.sqrt(values.size)
    assert abs(values.mean() - expected) <= STANDARD_ERRORS * error


def test_noise_is_laplace_and_reproducible() -> None:
    k = load("reference")
    eta = family.noise(k, Key((3, 4)), 100_000)
    assert np.array_equal(eta[1], family.noise(k, Key((4,)), 100_000)[0])
    for each in eta:
        within(each, 0.0)
        within(np.abs(each), 1.0)
        within(each**2, 2.0)
        within(np.sign(each) * each**2, 0.0)


@each_normal
@each_place
def test_samples_average_to_the_closed_forms(target: NormalTarget, m: float, s: float) -> None:
    eta = family.noise(load("reference"), Key((0,)), 100_000)[0]
    within(family.half_square(target, *at(m, s), eta), float(target.divergence(*at(m, s))))
    for sample, closed in ((family.biased_sample, target.biased), (family.unbiased_sample, target.unbiased)):
        each, expected = sample(target, *at(m, s), eta), closed(*at(m, s))
        within(each.m, float(expected.m))
        within(each.s, float(expected.s))


def test_descents_end_where_the_rules_say() -> None:
    """Biased: m stays, s = 1. With its jump: (0, 1). Unbiased: (0, 2^-1/4), the minimum of the divergence."""
    target = NormalTarget()
    ends = {name: laplace.descend(rule, target, 400) for name, rule in laplace.RULES.items()}
    for path in ends.values():
        assert np.array_equal(path[0], ends["biased"][0])
    assert np.array_equal(ends["biased"][-1, :, 0], ends["biased"][0, :, 0])
    np.testing.assert_allclose(ends["biased"][-1, :, 1], 1, atol=1e-6)
    np.testing.assert_allclose(ends["biased, with jump"][-1], [[0, 1]] * 6, atol=1e-4)
    np.testing.assert_allclose(ends["unbiased"][-1], [[0, 2**-0.25]] * 6, atol=1e-4)


def test_reproduce_writes_and_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laplace, "_QUICK_STEPS", 20)
    monkeypatch.setattr(laplace, "_QUICK_SAMPLES", 2000)
    told: list[tuple[int, int]] = []
    result = laplace.reproduce(tmp_path, True, lambda done, whole: told.append((done, whole)))
    assert told[-1][0] == told[-1][1]
    assert {path.name for path in result.files} == {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "laplace.png").read_bytes().startswith(b"\x89PNG")
    data = json.loads(json.dumps(result.data, allow_nan=False))
    assert set(data) == {"samples", "steps", "step_size", "laplace", "laplace-smoothed", "laplace-descent"}
    assert len(data["laplace"]) == 2 * 3 * 6
    with (tmp_path / "laplace-descent.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["m_end"]) for row in rows] == [row["m_end"] for row in data["laplace-descent"]]
    assert any("never moves" in sentence for sentence in result.findings)
