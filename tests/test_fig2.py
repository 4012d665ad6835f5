"""Test Figure 2: gradients on the toy posteriors, exact optima, the loop, trajectory files, the result."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from laws import agree, derivative
from scipy.special import expit, ndtr
from strategies import gauss_hermite, nodes

from vsmnp.kernels import load
from vsmnp.objectives import KL, Objective, PosteriorFisher
from vsmnp.paper.record import RECORDS
from vsmnp.paper.reproduce.fig2 import experiment as fig2
from vsmnp.paper.reproduce.fig2.basins import (
    DIVERGED,
    ELSEWHERE,
    NEAR,
    NO_OPTIMUM,
    classify,
    find_basins,
    share_of_mode,
)
from vsmnp.paper.reproduce.fig2.ensembles import (
    LOSSES,
    METHODS,
    OPTIMIZERS,
    Loss,
    Trajectory,
    TrajectoryPlan,
    run,
)
from vsmnp.paper.reproduce.fig2.optima import fisher, kl
from vsmnp.paper.reproduce.fig2.picture import picture
from vsmnp.paper.reproduce.fig2.problems import PROBLEMS, ToyProblem
from vsmnp.paper.reproduce.fig2.rows import BasinRow
from vsmnp.paper.reproduce.fig2.trajectories import trajectories, trajectory_file
from vsmnp.rng import Key, Stream
from vsmnp.training.optimizers import optimizer
from vsmnp.types import Array, Kernels

Function = Callable[[Array], Array]
#: The two functions of each likelihood, each with its derivative.
FUNCTIONS: tuple[tuple[tuple[Function, Function], tuple[Function, Function]], ...] = (
    ((lambda z: z, np.ones_like), (lambda z: z, np.ones_like)),
    ((lambda z: z, np.ones_like), (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0))),
    ((lambda z: z, np.ones_like), (lambda z: np.logaddexp(0, 10 * z) / 10, lambda z: expit(10 * z))),
)
#: The engine's objective of each method and loss; the published KL divergence is none of them.
OBJECTIVES: dict[tuple[int, Loss], Objective] = {
    (0, "definition"): KL(1),
    (1, "definition"): PosteriorFisher(1, reparametrised=True),
    (1, "published"): PosteriorFisher(1, reparametrised=True, weight=2.0),
    (2, "definition"): PosteriorFisher(1),
    (2, "published"): PosteriorFisher(1, weight=2.0),
}
#: Parameters (mu_1, mu_2, log s_1, log s_2).
Q = np.array([0.7, -0.4, -0.3, 0.2])
TINY = TrajectoryPlan(40, {"sgd": 1e-3, "adam": 1e-2}, side=2, reach=1.0)

each_problem = pytest.mark.parametrize(
    ("problem", "functions"),
    list(zip(PROBLEMS, FUNCTIONS, strict=True)),
    ids=[each.name for each in PROBLEMS],
)
Functions = tuple[tuple[Function, Function], tuple[Function, Function]]


def _quadratures(problem: ToyProblem, functions: Functions, v: Array, eps: Array, weight: Array) -> Array:
    """Compute KL plus ``log p(x)``, and the Fisher divergence, by nodes ``eps (nodes, 2)`` of N(0, I)."""
    mu, s = v[:2], np.exp(v[2:])
    z = mu + s * eps
    (f1, df1), (f2, df2) = functions
    residual = (problem.x - f1(z[:, 0]) * f2(z[:, 1])) / problem.sd**2
    score = np.stack([df1(z[:, 0]) * f2(z[:, 1]), f1(z[:, 0]) * df2(z[:, 1])], -1) * residual[:, None] - z
    log_q = -np.log(s).sum() - 0.5 * (eps * eps).sum(-1) - np.log(2 * np.pi)
    log_p = -0.5 * (z * z).sum(-1) - np.log(2 * np.pi) - 0.5 * (residual * problem.sd) ** 2
    log_p -= np.log(problem.sd) + 0.5 * np.log(2 * np.pi)
    return np.array([weight @ (log_q - log_p), 0.5 * weight @ ((-eps / s - score) ** 2).sum(-1)])


def _gradient(
    k: Kernels, problem: ToyProblem, objective: Objective, v: Array, eps: Array, weight: Array
) -> Array:
    """Compute the engine's gradient in ``v``, with a model for each node."""
    phi = np.zeros((len(eps), problem.model.phi_layout.size))
    phi[:, :4] = v
    key = nodes(eps[:, None, None, :])
    outcome = objective(k, problem.model, phi, problem.theta(len(eps)), problem.datum(), key)
    assert outcome.g_phi is not None
    return np.asarray(weight @ outcome.g_phi[:, :4])


# --- gradients ------------------------------------------------------------------------------------


@each_problem
@pytest.mark.parametrize(("which", "objective"), [(0, KL(1)), (1, PosteriorFisher(1, reparametrised=True))])
def test_gradients_are_the_derivatives_of_the_quadrature(
    k: Kernels, problem: ToyProblem, functions: Functions, which: int, objective: Objective
) -> None:
    eps, weight = gauss_hermite(2, 9)
    numeric = np.array([
        derivative(lambda t, u=u: _quadratures(problem, functions, Q + t * u, eps, weight))[which]
        for u in np.eye(4)
    ])  # fmt: skip
    agree(_gradient(k, problem, objective, Q, eps, weight), numeric, 1e-9)


@each_problem
def test_fisher_with_z_held_is_the_kl_gradient_in_fisher_units(
    k: Kernels, problem: ToyProblem, functions: Functions
) -> None:
    eps, weight = gauss_hermite(2, 9)
    of_kl, of_fisher = (_gradient(k, problem, each, Q, eps, weight) for each in (KL(1), PosteriorFisher(1)))
    s = np.exp(Q[2:])
    agree(of_fisher, of_kl * np.concatenate([1 / s**2, 2 / s**2]), 1e-11)


# --- exact divergences and their optima -----------------------------------------------------------


def _panels(mu: float, s: float) -> tuple[Array, Array]:
    """Compute nodes and weights of ``N(mu, s^2)``, split at 0: Gauss-Legendre, not the tested rule."""
    node, weight = np.polynomial.legendre.leggauss(90)
    ends = np.array([mu - 9 * s, 0.0, mu + 9 * s])
    half = np.diff(ends)[:, None] / 2
    z = (ends[:-1, None] + half * (1 + node)).ravel()
    eps = (z - mu) / s
    return eps, (half * weight).ravel() * np.exp(-0.5 * eps**2) / np.sqrt(2 * np.pi) / s


@each_problem
def test_exact_divergences_are_the_plane_integrals(problem: ToyProblem, functions: Functions) -> None:
    mu, s = Q[:2], np.exp(Q[2:])
    (one, w_one), (two, w_two) = (_panels(float(m), float(sd)) for m, sd in zip(mu, s, strict=True))
    eps = np.stack(np.meshgrid(one, two, indexing="ij"), -1).reshape(-1, 2)
    expected = _quadratures(problem, functions, Q, eps, np.outer(w_one, w_two).ravel())
    agree(np.array([kl(problem, mu, s), fisher(problem, mu, s)]), expected, 1e-11)


def test_exact_kl_of_the_relu_has_a_closed_form() -> None:
    problem, mu, s = PROBLEMS[1], Q[:2], np.exp(Q[2:])
    below, density = ndtr(mu[1] / s[1]), np.exp(-0.5 * (mu[1] / s[1]) ** 2) / np.sqrt(2 * np.pi)
    first = mu[1] * below + s[1] * density
    second = (mu[1] ** 2 + s[1] ** 2) * below + mu[1] * s[1] * density
    square = 1 - 2 * mu[0] * first + (mu[0] ** 2 + s[0] ** 2) * second
    prior = 0.5 * (mu**2 + s**2 - 1).sum() - np.log(s).sum()
    agree(np.asarray(kl(problem, mu, s)), np.asarray(prior + 0.5 * square + 0.5 * np.log(2 * np.pi)), 1e-12)


def test_only_the_fisher_divergence_has_the_low_density_optimum() -> None:
    good_left, good_right, low = find_basins(PROBLEMS[0])
    np.testing.assert_allclose(good_left.centre, np.negative(good_right.centre), atol=1e-5)
    assert good_left.fisher is not None
    assert low.kl is None
    assert np.hypot(*low.centre) < 1e-5
    assert share_of_mode(PROBLEMS[0], low.centre) < 0.01
    assert share_of_mode(PROBLEMS[0], good_left.centre) > 0.9


def test_the_second_problems_separate_the_divergences_and_the_published_one_has_two_optima_of_fd() -> None:
    for problem, of_fisher in ((PROBLEMS[1], 1), (PROBLEMS[2], 2)):
        of_kl, *alone = find_basins(problem)
        assert of_kl.fisher is None
        assert [basin.kl for basin in alone] == [None] * of_fisher


def test_optima_of_different_basins_are_much_further_apart_than_what_is_near() -> None:
    for problem in PROBLEMS:
        for one, two in combinations(find_basins(problem), 2):
            for each in (two.kl, two.fisher):
                assert each is None or one.distance(np.array(each.mean)) > 3.5 * NEAR
    assert any(b.kl and b.fisher for b in find_basins(PROBLEMS[0]))  # 0.06 apart


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_optima_are_least_among_their_neighbours(problem: ToyProblem) -> None:
    rng, basins = np.random.default_rng(0), find_basins(problem)
    for divergence, found in ((kl, [each.kl for each in basins]), (fisher, [each.fisher for each in basins])):
        optima = [optimum for optimum in found if optimum is not None]
        assert optima
        for optimum in optima:
            mean, log_sd = np.array(optimum.mean), np.log(optimum.sd)
            for u in 0.02 * rng.standard_normal((8, 4)):
                assert divergence(problem, mean + u[:2], np.exp(log_sd + u[2:])) > optimum.value


def _ends(*points: tuple[float, float]) -> Array:
    return np.array([[*point, 1.0, 1.0] for point in points])


def test_end_points_are_at_the_optimum_that_the_mean_of_their_group_is_near() -> None:
    basins = find_basins(PROBLEMS[0])
    points = [*(basin.centre for basin in basins), (0.05, -0.05), (3.0, 0.0), (np.nan, np.nan)]
    names = [basin.name for basin in basins]
    assert names == [
        "KL (-1.27, -1.27), FD (-1.23, -1.23)", "KL (1.27, 1.27), FD (1.23, 1.23)", "FD (0.00, 0.00)"
    ]  # fmt: skip
    assert classify(basins, _ends(*points)) == [*names, names[2], ELSEWHERE, DIVERGED]
    around = [(0.12 * math.cos(a), 0.12 * math.sin(a)) for a in range(6)]
    assert classify(basins, _ends(*around)) == [names[2]] * 6
    assert classify(basins, _ends(around[0])) == [ELSEWHERE]
    shifted = [(x + 0.1, y) for x, y in around]
    assert {name.partition(" (")[0] for name in classify(basins, _ends(*shifted))} == {NO_OPTIMUM}


@pytest.mark.parametrize("spread", [0.0, 0.03, 0.06])
def test_ends_between_two_optima_are_at_neither(spread: float) -> None:
    """Those of p_II as printed are 0.10 from the optimum of KL and 0.20 from that of FD."""
    basins, noise = find_basins(PROBLEMS[1]), spread * np.random.default_rng(0).standard_normal((49, 2))
    noise -= noise.mean(0)
    of_kl, of_fisher = basins
    for centre, name in (
        ((0.28, -0.22), f"{NO_OPTIMUM} (0.28, -0.22)"),
        (of_kl.centre, of_kl.name),
        (of_fisher.centre, of_fisher.name),
    ):
        end = np.concatenate([centre + noise, np.ones((49, 2))], axis=1)
        assert classify(basins, end) == [name] * 49


def test_groups_do_not_depend_on_order_and_a_straggler_joins_none() -> None:
    basins, rng = find_basins(PROBLEMS[2]), np.random.default_rng(1)
    parts = [basin.centre + 0.04 * rng.standard_normal((9, 2)) for basin in basins]
    end = np.concatenate([np.concatenate(parts), [[-2.0, 2.0]]])
    end = np.concatenate([end, np.ones_like(end)], axis=1)
    expected = [name for basin in basins for name in [basin.name] * 9] + [ELSEWHERE]
    assert classify(basins, end) == expected
    order = rng.permutation(len(end))
    assert classify(basins, end[order]) == [expected[i] for i in order]


# --- the loop -------------------------------------------------------------------------------------


def _run(
    problem: ToyProblem, method: int, plan: TrajectoryPlan, loss: Loss = "definition"
) -> dict[str, Trajectory]:
    return run(load("cpu"), problem, METHODS[method], loss, plan, lambda step: None)


def _by_the_engine(problem: ToyProblem, objective: Objective, plan: TrajectoryPlan, rule: str) -> Array:
    """Compute the end points by calls of an objective and an optimiser of the engine, on the same noise."""
    k, starts = load("cpu"), plan.starts(problem)
    seeds, step_of = tuple(range(len(starts))), optimizer(rule)
    eps = Key(seeds, Stream.INFERENCE, 0).normal(k, (1000, 2), np.float64)[..., problem.order]
    phi = np.zeros((len(starts), problem.model.phi_layout.size))
    phi[:, :2] = starts
    memory, lr = step_of.remember(k, phi), np.full(len(starts), plan.rates[rule])
    for step in range(plan.steps):
        key = nodes(eps[:, step, None, None, :])
        g = objective(k, problem.model, phi, problem.theta(len(starts)), problem.datum(), key).g_phi
        assert g is not None
        step_of.update(k, phi, g, memory, lr, np.ones(len(starts), bool))
    return np.concatenate([phi[:, :2], np.exp(phi[:, 2:4])], 1)


@each_problem
@pytest.mark.parametrize(("method", "loss"), OBJECTIVES, ids=str)
def test_the_loop_takes_the_steps_of_the_engine(
    problem: ToyProblem, functions: Functions, method: int, loss: Loss
) -> None:
    plan = TrajectoryPlan(60, {"sgd": 2e-4, "adam": 1e-2}, side=3, reach=1.1)
    found = _run(problem, method, plan, loss)
    for rule in plan.rates:
        agree(found[rule].end, _by_the_engine(problem, OBJECTIVES[method, loss], plan, rule), 1e-11)


@each_problem
def test_the_published_kl_is_taken_from_samples(problem: ToyProblem, functions: Functions) -> None:
    """``-log p(x|z) - log p(z) - H[q]`` of one sample, by differences."""
    plan = TrajectoryPlan(1, {"sgd": 0.01}, side=2, reach=1.1)
    eps = Key(tuple(range(4)), Stream.INFERENCE).normal(load("cpu"), (1, 2), np.float64)[:, 0, problem.order]
    (f1, _), (f2, _) = functions

    def loss(v: Array, e: Array) -> float:
        z = v[:2] + np.exp(v[2:]) * e
        error = (problem.x - f1(z[0]) * f2(z[1])) / problem.sd
        return float(0.5 * error**2 + 0.5 * (z * z).sum() - v[2:].sum())

    end = _run(problem, 0, plan, "published")["sgd"].end
    for start, e, q in zip(plan.starts(problem), eps, end, strict=True):
        v = np.concatenate([start, [0.0, 0.0]])
        slope = np.array([derivative(lambda t, u=u, v=v, e=e: loss(v + t * u, e)) for u in np.eye(4)])
        agree(np.concatenate([q[:2], np.log(q[2:])]), v - 0.01 * slope, 1e-9)


def test_the_half_of_the_definition_is_half_a_step_of_gradient_descent() -> None:
    """SGD on |d|^2/2 with twice the step is SGD on |d|^2; Adam hides the factor."""
    plan = TrajectoryPlan(300, {"sgd": 1e-3, "adam": 1e-3}, side=3, reach=1.0)
    twice = replace(plan, rates={"sgd": 2e-3, "adam": 1e-3})
    of_paper, of_definition = _run(PROBLEMS[2], 1, plan, "published"), _run(PROBLEMS[2], 1, twice)
    agree(of_paper["sgd"].end, of_definition["sgd"].end, 1e-10)
    assert np.abs(of_paper["sgd"].end - _run(PROBLEMS[2], 1, plan)["sgd"].end).max() > 0.01
    agree(of_paper["adam"].end, of_definition["adam"].end, 1e-5)


def test_the_latents_have_the_names_of_equation_11() -> None:
    """The relu of the text is of z_2, and the published script's likelihood is written alike."""
    for problem in PROBLEMS[1:]:
        low, high = (float(problem.log_joint(np.array([1.0, z])) + 0.5 * (1 + z * z)) for z in (-2.0, -3.0))
        assert low == pytest.approx(high, abs=1e-6)
        assert abs(problem.log_joint(np.array([-2.0, 1.0])) - problem.log_joint(np.array([-3.0, 1.0]))) > 0.1
        assert r"z_1\," in problem.formula
        assert "z_2" in problem.formula.partition("z_1")[2]


def test_the_first_step_is_the_formula() -> None:
    """``mu -= lr (mu - b)``, ``log s -= lr s (s - 1/s - b eps)``, ``b = 4 (2 - z1 z2) (z2, z1)``."""
    k, plan = load("cpu"), TrajectoryPlan(1, {"sgd": 0.01}, side=3)
    eps = Key(tuple(range(9)), Stream.INFERENCE).normal(k, (1, 1, 2), np.float64)[:, 0, 0]
    mu = plan.starts(PROBLEMS[0])
    z = mu + eps
    b = 4 * (2 - z[:, :1] * z[:, 1:]) * z[:, ::-1]
    expected = np.concatenate([mu - 0.01 * (mu - b), np.exp(0.01 * b * eps)], axis=1)
    agree(_run(PROBLEMS[0], 0, plan)["sgd"].end, expected)


@pytest.mark.parametrize("method", range(3), ids=[method.name for method in METHODS])
def test_trajectories_do_not_depend_on_company_or_length(method: int) -> None:
    """Each optimiser alone, and twice as long a run, give the same numbers."""
    both = _run(PROBLEMS[2], method, TINY)
    for rule, rate in TINY.rates.items():
        longer = _run(PROBLEMS[2], method, replace(TINY, steps=80, rates={rule: rate}))[rule]
        shared = np.flatnonzero(np.isin(both[rule].times, longer.times))
        where = np.searchsorted(longer.times, both[rule].times[shared])
        assert len(shared) > 20
        agree(both[rule].path[shared], longer.path[where])
        assert np.array_equal(_run(PROBLEMS[2], method, TINY)[rule].path, both[rule].path)


def test_a_long_enough_run_finds_the_optimum_and_the_low_density_one() -> None:
    plan = TrajectoryPlan(20_000, {"adam": 1e-3}, side=2, reach=1.5)
    basins = find_basins(PROBLEMS[0])
    of_kl, of_fisher = (classify(basins, _run(PROBLEMS[0], i, plan)["adam"].end) for i in (0, 1))
    assert set(of_kl) <= {basin.name for basin in basins[:2]}
    assert of_fisher == [basins[0].name, basins[2].name, basins[2].name, basins[1].name]


def test_diverging_starts_do_not_change_the_others() -> None:
    trajectory = _run(PROBLEMS[0], 1, TrajectoryPlan(60, {"sgd": 3e-3}, side=7))["sgd"]
    lost = ~np.isfinite(trajectory.end).all(axis=1)
    assert 0 < lost.sum() < 49
    assert np.isfinite(trajectory.path[:, ~lost]).all()
    assert np.isfinite(trajectory.path[0]).all()
    assert set(classify(find_basins(PROBLEMS[0]), trajectory.end[lost])) == {DIVERGED}


# --- trajectories on disk ------------------------------------------------------------------------------


class _Counted:
    """A counter of computations of one function."""

    def __init__(self, plan: TrajectoryPlan) -> None:
        self.plan, self.times = plan, 0

    def __call__(self) -> Mapping[str, Trajectory]:
        self.times += 1
        return _run(PROBLEMS[0], 0, self.plan)


def test_finished_trajectories_are_used_again(tmp_path: Path) -> None:
    compute = _Counted(TINY)
    first, second = (
        trajectories(tmp_path, PROBLEMS[0], METHODS[0], "definition", TINY, compute) for _ in range(2)
    )
    assert compute.times == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "p_I-kl-definition-adam.csv",
        "p_I-kl-definition-sgd.csv",
    ]
    for rule, trajectory in compute().items():
        np.testing.assert_allclose(first[rule].path, trajectory.path, rtol=1e-8)
        assert np.array_equal(first[rule].path, second[rule].path)
        assert np.array_equal(second[rule].times, TINY.times())


@pytest.mark.parametrize(
    "other",
    [
        replace(TINY, steps=41),
        replace(TINY, rates={"sgd": 2e-3, "adam": 1e-2}),
        replace(TINY, side=3),
        replace(TINY, reach=2.0),
    ],
)
def test_trajectories_of_other_settings_are_not_used(tmp_path: Path, other: TrajectoryPlan) -> None:
    trajectories(tmp_path, PROBLEMS[0], METHODS[0], "definition", TINY, _Counted(TINY))
    compute = _Counted(other)
    found = trajectories(tmp_path, PROBLEMS[0], METHODS[0], "definition", other, compute)
    assert compute.times == 1
    assert found["sgd"].path.shape == (len(other.times()), other.side**2, 4)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b"0.9", b"0.8", 1),
        lambda content: b"",
        lambda content: b"\xff\xfe not a table",
        lambda content: content + b"40,9,1,1,1,1\n",
    ],
    ids=["half", "one digit", "empty", "foreign", "longer"],
)
def test_damaged_trajectories_are_computed_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    compute = _Counted(TINY)
    trajectories(tmp_path, PROBLEMS[0], METHODS[0], "definition", TINY, compute)
    path = trajectory_file(tmp_path, PROBLEMS[0], METHODS[0], "definition", "adam")
    whole = path.read_bytes()
    assert damage(whole) != whole
    path.write_bytes(damage(whole))
    trajectories(tmp_path, PROBLEMS[0], METHODS[0], "definition", TINY, compute)
    assert compute.times == 2
    assert path.read_bytes() == whole


# --- the result -----------------------------------------------------------------------------------


def test_the_result_holds_every_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[float] = []
    result = fig2.report(tmp_path, TINY, lambda part, whole: done.append(part / whole))
    assert done == sorted(done)
    assert done[-1] == 1
    data = json.loads(json.dumps(result.data, allow_nan=False))
    assert len(data["rows"]) == 3 * 3 * len(LOSSES) * 2 * 4
    keys = {"likelihood", "method", "loss", "optimiser", "start", "end_mean", "end_sd", "basin"}
    assert all(set(row) == keys for row in data["rows"])
    assert {row["basin"] for row in data["rows"]} == {row["basin"] for row in data["basins"]}
    assert sum(row["starts"] for row in data["basins"]) == len(data["rows"])
    assert data["settings"]["step_sizes"] == TINY.rates
    names = ["fig2.png", "fig2.csv", "fig2-basins.csv", "fig2-optima.csv"]
    assert [path.name for path in result.files] == names
    assert all((tmp_path / name).is_file() for name in names)
    assert len((tmp_path / "fig2.csv").read_text().splitlines()) == 1 + len(data["rows"])
    assert [table.name for table in result.tables] == ["fig2-basins", "fig2-optima"]

    def never(*arguments: object) -> dict[str, Trajectory]:
        raise AssertionError("the trajectories on disk were not used")

    monkeypatch.setattr(fig2, "run_ensemble", never)
    monkeypatch.setattr(fig2, "picture", lambda rows, path, title: None)
    again = fig2.report(tmp_path, TINY, lambda part, whole: None)
    assert again.data == result.data
    assert again.findings == result.findings


def test_a_run_that_diverges_everywhere_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[BasinRow] = []
    monkeypatch.setattr(fig2, "picture", lambda rows, path, title: drawn.extend(rows))
    result = fig2.report(
        tmp_path, TrajectoryPlan(30, {"sgd": 1e6, "adam": 1e300}, side=2), lambda part, whole: None
    )
    rows = json.loads(json.dumps(result.data, allow_nan=False))["rows"]
    assert {row["basin"] for row in rows} == {DIVERGED}
    assert all(row["end_mean"] == [None, None] and None not in row["start"] for row in rows)
    picture(
        [replace(drawn[0], panels=drawn[0].of_loss("published")[:1])], tmp_path / "one.png", "All diverged"
    )
    assert (tmp_path / "one.png").stat().st_size > 5_000


def test_the_record_names_only_optima_that_its_mean_end_points_are_near() -> None:
    """Of p_II as printed, reparametrised FD ends at neither of the two; docs/figures.md says so."""
    with (RECORDS / "fig2-basins.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["basin"] != DIVERGED]
    asked = 0
    for row in rows:
        (problem,) = (each for each in PROBLEMS if each.name == row["likelihood"])
        end = np.array([float(row["mean_1"]), float(row["mean_2"])])
        distances = {basin.name: basin.distance(end) for basin in find_basins(problem)}
        neither = row["method"] == "fisher-reparam" and problem is PROBLEMS[1]
        if neither:
            assert row["basin"] == f"{NO_OPTIMUM} (0.28, -0.22)"
            assert row["starts"] == "49"
            assert min(distances.values()) > 0.1
        else:
            assert distances[row["basin"]] <= NEAR
        asked += neither
    assert asked == len(LOSSES) * len(OPTIMIZERS)


def test_the_record_is_of_both_losses_and_sgd_on_the_paper_s_finds_one_optimum() -> None:
    """What docs/figures.md says of the full run, read from its record."""
    with (RECORDS / "fig2-basins.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["command"] for row in rows} == {"vsmnp reproduce fig2"}
    found: dict[tuple[str, ...], list[int]] = {}
    for row in rows:
        labels = tuple(row[name] for name in ("likelihood", "method", "loss", "optimizer"))
        found.setdefault(labels, []).append(int(row["starts"]))
    assert set(found) == set(
        product([p.name for p in PROBLEMS], [m.name for m in METHODS], LOSSES, OPTIMIZERS)
    )
    assert {sum(starts) for starts in found.values()} == {49}
    of_script = ("p_II as published code", "fisher-reparam")
    assert found[*of_script, "published", "sgd"] == [49]
    assert found[*of_script, "definition", "sgd"] == [43, 6]
    assert found[*of_script, "published", "adam"] == found[*of_script, "definition", "adam"] == [39, 10]
    (end,) = (r for r in rows if [r["likelihood"], r["method"], r["loss"], r["optimizer"]]
              == [*of_script, "published", "sgd"])  # fmt: skip
    (optimum,) = (b.fisher for b in find_basins(PROBLEMS[2]) if b.name == end["basin"])
    assert optimum is not None
    np.testing.assert_allclose([float(end["mean_1"]), float(end["mean_2"])], optimum.mean, atol=0.005)
