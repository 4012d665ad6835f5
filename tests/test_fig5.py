"""Test Figure 5: its posteriors, its measures, and that the loss of the fits decreases."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from laws import DERIVATIVE, agree, derivative
from scipy.integrate import quad

from vsmnp.kernels import load
from vsmnp.model.layout import Layout
from vsmnp.paper.reproduce.fig5 import experiment as fig5
from vsmnp.paper.reproduce.fig5.fit import fit, start
from vsmnp.paper.reproduce.fig5.mixture_posterior import GaussianMixture
from vsmnp.paper.reproduce.fig5.panels import contour_heights
from vsmnp.paper.reproduce.fig5.quadrature import ExactPosterior, Grid
from vsmnp.paper.reproduce.fig5.targets import TARGETS, SidedPosterior
from vsmnp.training.optimizers import Adam
from vsmnp.types import Array, Params

K = load("reference")
P_I, P_II, P_CODE = TARGETS
#: The standard deviation of the product given one of its coordinates, whose factor is not linear.
SPREADS: tuple[Callable[[float], float], ...] = (
    lambda z: z,
    lambda z: max(z, 0.0),
    lambda z: float(np.logaddexp(0, 10 * z)) / 10,
)
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.problem.name)


def one_component(mean: tuple[float, float], log_sd: tuple[float, float]) -> Params:
    return {
        "logits": np.zeros((1, 1)),
        "means": np.array([[mean]], dtype=float),
        "log_sds": np.array([[log_sd]], dtype=float),
    }


@pytest.mark.parametrize(("target", "spread"), list(zip(TARGETS, SPREADS, strict=True)))
def test_the_evidence(target: SidedPosterior, spread: Callable[[float], float]) -> None:
    """Given the coordinate inside the nonlinear factor, x is Gaussian with variance ``f^2 + sd^2``."""
    x, sd = target.problem.x, target.problem.sd

    def integrand(z: float) -> float:
        variance = spread(z) ** 2 + sd**2
        return float(np.exp(-0.5 * (z * z + x * x / variance)) / (2 * np.pi * np.sqrt(variance)))

    expected = sum(quad(integrand, *ends, epsabs=1e-13)[0] for ends in ((-9, 0), (0, 9)))
    assert ExactPosterior(target).evidence == pytest.approx(expected, rel=1e-9)


@each_target
def test_the_score_is_the_derivative_of_the_log_joint(target: SidedPosterior) -> None:
    rng = np.random.default_rng(0)
    z, dz = rng.standard_normal((2, 2, 5, 2))
    z += 0.01 * np.sign(z)  # off the kink
    dz /= np.linalg.norm(dz)
    numeric = derivative(lambda t: target.log_joint(z + t * dz))
    agree((target.score(K, z) * dz).sum(-1), numeric, DERIVATIVE)


def test_the_exact_posterior_of_p_i_is_symmetric() -> None:
    assert ExactPosterior(P_I).mass == pytest.approx(0.5, abs=1e-12)


def test_half_of_the_prior_lies_where_relu_is_zero() -> None:
    """There the likelihood of p_II is ``N(1; 0, 1)``, so the mass of the other side follows."""
    exact = ExactPosterior(P_II)
    below = 0.5 * np.exp(-0.5) / np.sqrt(2 * np.pi)
    assert exact.mass == pytest.approx(1 - below / exact.evidence, abs=1e-9)


def test_one_component_has_the_fisher_gradient_that_is_the_scaled_kl_gradient() -> None:
    """``(1/s^2, 2/s^2)`` times the gradient of KL in ``(m, s)``: quadrature against a stencil of the KL."""
    q, grid = GaussianMixture(1, 2), Grid(reach=10, cells=240)
    exact = ExactPosterior(P_I, grid)
    mean, log_sd = np.array([0.8, 1.1]), np.array([-0.4, -0.1])
    p = one_component((mean[0], mean[1]), (log_sd[0], log_sd[1]))
    at = q.at(p, grid.points[None])
    weight = np.exp(at.log_prob)[..., None] * grid.area
    gp = {name: np.zeros_like(values) for name, values in p.items()}
    at.score_vjp((at.score - P_I.score(K, grid.points[None])) * weight, gp)
    for name, factor in (("means", np.exp(-2 * log_sd)), ("log_sds", 2 * np.exp(-2 * log_sd))):
        for j in range(2):

            def kl(t: float, name: str = name, j: int = j) -> Array:
                moved = p[name].copy()
                moved[0, 0, j] += t
                return exact.measure(q, {**p, name: moved}).kl

            slope = float(derivative(kl)[0])
            assert gp[name][0, 0, j] == pytest.approx(factor[j] * slope, rel=1e-10)


def test_the_divergence_of_one_component() -> None:
    """Against Gauss-Hermite, exact for the polynomial score of p_I, of the definition with its 1/2."""
    (m1, m2), (s1, s2) = (0.8, 1.1), (0.7, 0.9)
    node, weight = np.polynomial.hermite_e.hermegauss(12)
    e1, e2 = np.meshgrid(node, node)
    z1, z2 = m1 + s1 * e1, m2 + s2 * e2
    pull = (2.0 - z1 * z2) / 0.25
    square = (-e1 / s1 + z1 - pull * z2) ** 2 + (-e2 / s2 + z2 - pull * z1) ** 2
    expected = 0.5 * (np.outer(weight, weight) * square).sum() / (2 * np.pi)
    p = one_component((m1, m2), (np.log(s1), np.log(s2)))
    measures = ExactPosterior(P_I, Grid(reach=10, cells=300)).measure(GaussianMixture(1, 2), p)
    assert measures.fd[0] == pytest.approx(expected, rel=1e-10)


def test_the_side_that_a_narrow_component_lies_on() -> None:
    """All of q on one of two equal sides: a mass of 1, and log 2 of the KL is the weighting's."""
    measures = ExactPosterior(P_I).measure(GaussianMixture(1, 2), one_component((1.5, 1.5), (-1.5, -1.5)))
    assert measures.mass[0] == pytest.approx(1, abs=1e-9)
    assert measures.kl_side[0] == pytest.approx(np.log(2), abs=1e-7)
    assert measures.outside[0] == pytest.approx(0, abs=1e-12)
    assert measures.kl[0] > measures.kl_side[0]


def test_the_measures_do_not_depend_on_the_grid() -> None:
    p = Layout(GaussianMixture(10, 2).shapes).views(start(K, GaussianMixture(10, 2), (0, 1)))
    p["means"][...] = p["means"][..., P_CODE.problem.order]  # drawn in the order of the published script
    fine, coarse = (
        ExactPosterior(P_CODE, Grid(cells=cells)).measure(GaussianMixture(10, 2), p) for cells in (150, 100)
    )
    np.testing.assert_allclose(coarse.fd, fine.fd, rtol=1e-6)
    np.testing.assert_allclose(coarse.kl, fine.kl, rtol=1e-6)


@each_target
def test_every_run_lowers_the_exact_divergence(target: SidedPosterior) -> None:
    q, seeds, exact = GaussianMixture(4, 2), (0, 1, 2), ExactPosterior(target, Grid(cells=100))
    views = Layout(q.shapes).views
    before = exact.measure(q, views(start(K, q, seeds)))
    after = exact.measure(q, views(fit(K, q, target, seeds, steps=100, step_size=0.02)))
    assert (after.fd < 0.5 * before.fd).all()
    assert (after.kl < before.kl).all()


def test_a_run_does_not_depend_on_the_others() -> None:
    q = GaussianMixture(3, 2)
    together, alone = fit(K, q, P_I, (3, 5), steps=20), fit(K, q, P_I, (5,), steps=20)
    assert np.array_equal(together[1:], alone)
    assert not np.array_equal(together[0], together[1])


def test_a_run_that_leaves_the_finite_numbers_stays_where_it_was() -> None:
    class Broken:
        def score(self, k: object, z: Array) -> Array:
            value = -z
            value[0] = np.nan
            return value

    q = GaussianMixture(3, 2)
    fitted, begun = fit(K, q, Broken(), (0, 1), steps=3), start(K, q, (0, 1))
    assert np.array_equal(fitted[0], begun[0])
    assert not np.array_equal(fitted[1], begun[1])


def test_contours_enclose_their_shares() -> None:
    """Of a standard normal 90 % lie above the height ``0.1 / (2 pi)``, one half above ``0.5 / (2 pi)``."""
    points = Grid(cells=1000).points
    density = np.exp(-0.5 * (points**2).sum(-1)) / (2 * np.pi)
    np.testing.assert_allclose(contour_heights(density) * 2 * np.pi, [0.1, 0.5], rtol=2e-3)


def test_findings_call_the_weighting_by_its_spread() -> None:
    fits = fig5.run(P_I, (0, 1), steps=1)
    for masses, word in (((0.2, 0.8), "arbitrary"), ((0.49, 0.5), "stable"), ((0.45, 0.52), "unsettled")):
        end = replace(fits.end, mass=np.array(masses))
        assert word in fig5.findings([replace(fits, end=end)])[0]


def test_reproduce_writes_and_tells_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fig5, "QUICK_STEPS", 2)
    monkeypatch.setattr(fig5, "RUNS", 2)
    monkeypatch.setattr(fig5, "FINE", 60)
    monkeypatch.setattr(fig5, "COARSE", 60)
    told: list[tuple[int, int]] = []
    folders = [tmp_path / name for name in ("one", "two")]
    results = []
    for folder in folders:
        folder.mkdir()
        results.append(fig5.reproduce(folder, True, lambda done, whole: told.append((done, whole))))
    assert told[:6] == [(done, 6) for done in range(1, 7)]
    first, second = results
    data = json.loads(json.dumps(first.data, allow_nan=False))
    assert data == second.data
    assert set(data) == {"steps", "step_size", "components", "seeds", "likelihoods"}
    names = [target.problem.name for target in TARGETS]
    assert [each["likelihood"] for each in data["likelihoods"]] == names
    assert {path.name for path in folders[0].iterdir()} == {"fig5.png", "fig5.csv", "fig5-summary.csv"}
    assert {path.name for path in first.files} == {"fig5.png", "fig5.csv", "fig5-summary.csv"}
    assert (folders[0] / "fig5.png").read_bytes().startswith(b"\x89PNG")
    for name in ("fig5.csv", "fig5-summary.csv"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    with (folders[0] / "fig5.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["likelihood"], row["run"]) for row in rows] == [(n, r) for n in names for r in "01"]
    assert [float(row["kl"]) for row in rows[:2]] == data["likelihoods"][0]["kl"]
    assert len(first.findings) == 2 * len(TARGETS)


def test_adam_hides_the_half_of_the_definition() -> None:
    """Steps along a gradient and along twice the gradient are the same, but for Adam's epsilon."""
    gradients = np.random.default_rng(2).standard_normal((40, 1, 6))
    ends = []
    for factor in (1.0, 2.0):
        p = np.zeros((1, 6))
        memory = Adam().remember(K, p)
        for g in gradients:
            Adam().update(K, p, factor * g, memory, np.array([fig5.STEP_SIZE]), np.array([True]))
        ends.append(p)
    agree(ends[1], ends[0], 1e-7)
