"""Test the rules that decide the claims of the paper about data in the plane, and the claims."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_plane import TINY

from vsmnp.paper.reproduce.answers import Answer
from vsmnp.paper.reproduce.conditions import Condition, MetricValues, estimate, judge, judge_all
from vsmnp.paper.reproduce.methods import NAMES as METHODS
from vsmnp.paper.reproduce.plane import PlaneGridPlan, measured, verdicts
from vsmnp.paper.reproduce.plane.cells import cells
from vsmnp.paper.reproduce.plane.claims import FIG3, FIG6, At, PlaneClaim
from vsmnp.paper.reproduce.plane.variants import BILEVEL
from vsmnp.runs.session import Session

# --- rules ----------------------------------------------------------------------------------------

A, B, C = At("K-ELBO", 5), At("K-M1", 5), At("K-M2", 5, 2)


def _case(**values: Sequence[float]) -> MetricValues:
    """Return a case with the values of A, B and C by seed, of which the first method fits."""
    by_seed = {at: dict(enumerate(values[name])) for at, name in zip((A, B, C), "abc", strict=True)}
    return MetricValues(by_seed, 1.0, by_seed, 1.0)


@pytest.mark.parametrize(
    ("differences", "answer"),
    [
        ((1.0, 1.1, 0.9), Answer.AGREES),
        ((-1.0, -1.1, -0.9), Answer.DIFFERS),
        ((1.0, -0.9, 0.3), Answer.UNDECIDED),
        ((0.0, 0.0, 0.0), Answer.UNDECIDED),
        ((3.0,), Answer.UNDECIDED),
        ((1.0, 3.0), Answer.UNDECIDED),  # the mean is two standard errors
        ((1.0, 2.9), Answer.AGREES),
        ((math.inf, 0.1), Answer.AGREES),
        ((math.inf, -0.1), Answer.UNDECIDED),
        ((math.nan, 0.1), Answer.UNDECIDED),
    ],
)
def test_two_standard_errors_decide(differences: Sequence[float], answer: Answer) -> None:
    assert estimate(differences).exceeds() is answer


def test_differences_are_paired_over_the_seeds_and_against_a_share_of_the_scale() -> None:
    case = _case(a=(0.0, 9.0, -9.0), b=(0.2, 9.3, -8.9), c=(0.0, 0.0, 0.0))
    assert judge(Condition(B, A), case).answer is Answer.AGREES
    assert judge(Condition(A, B), case).answer is Answer.DIFFERS
    assert case.scale == 1.0
    assert judge(Condition(B, A, 0.05), case).answer is Answer.AGREES
    assert judge(Condition(B, A, 0.5), case).answer is Answer.DIFFERS
    assert judge(Condition(B, A, 0.15), case).answer is Answer.UNDECIDED
    assert judge(Condition(B, A, 0.15, unless_contradicted=True), case).answer is Answer.AGREES
    assert judge(Condition(None, C), case).answer is Answer.AGREES
    assert judge(Condition(B, A), case).numbers == "K-M1 (J=5) - K-ELBO (J=5): 0.2 ± 0.058, asked > 0"


def test_conditions_hold_together_and_only_of_models_that_learned() -> None:
    case = _case(a=(0.0, 0.1), b=(0.5, 0.6), c=(0.7, 0.8))
    both = (Condition(B, A), Condition(C, B))
    assert judge_all(both, case).answer is Answer.AGREES
    assert judge_all((*both, Condition(A, C)), case).answer is Answer.DIFFERS
    assert judge_all((*both, Condition(C, At("F-M1", 5))), case).numbers == "no F-M1 (J=5)"
    poor = replace(case, nll={at: {0: 2.0, 1: 2.1} for at in (A, B, C)})
    assert judge_all(both, poor).answer is Answer.UNDECIDED


# --- claims ---------------------------------------------------------------------------------------

J, K, SEEDS = (1, 2, 5), (0, 1, 5), tuple(range(10))


def _grid(value: Callable[[str, int, int, int], Mapping[str, float]]) -> list[dict[str, Any]]:
    """Return the rows of a whole grid on star; ``value`` maps method, J, K and seed to metrics."""
    return [
        {
            "dataset": "star", "method": method, "encoder_steps": j, "bilevel_steps": k, "optimizer": "paper",
            "estimator": "definition", "seed": seed, **value(method, j, k, seed),
        }
        for method in METHODS for j in J for k in (K if method in BILEVEL else (0,)) for seed in SEEDS
    ]  # fmt: skip


def _as_the_paper_says(large: bool) -> list[dict[str, Any]]:
    """Return rows that agree with its words, in units of the distance to one Gaussian."""
    reference = verdicts.references("star", 5000)
    level = {"K-ELBO": 0.01 if large else 0.0, "K-M1": 0.0, "F-M1": 0.2, "K-M2": 0.7, "F-M2": 0.75,
             "K-M3": 1.5, "F-M3": 1.6}  # fmt: skip
    rng = np.random.default_rng(0)
    noise = dict(zip(SEEDS, rng.normal(0, 0.1, len(SEEDS)), strict=True))

    def value(method: str, j: int, k: int, seed: int) -> dict[str, float]:
        shift = level[method] + 0.2 / j - (0.05 * k if large else 0.01 * k) + noise[seed]
        shift += rng.normal(0, 0.002)
        variance = (0.02 if "M2" in method else 0.05) + rng.normal(0, 0.002)
        return {
            "nll": reference["nll"] - 1 + shift, "sm_loss": reference["sm_loss"] - 100 + 100 * shift,
            "decoder_variance": variance,
        }  # fmt: skip

    return _grid(value)


def _answers(
    claims: Sequence[PlaneClaim], rows: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], Answer]:
    return {(v.claim.text, v.metric): v.answer for v in verdicts.verdicts(claims, rows, 5000)}


def _shuffled(rows: Sequence[Mapping[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Permute the metrics over methods, J and K within each seed."""
    found: list[dict[str, Any]] = []
    for seed in SEEDS:
        here = [row for row in rows if row["seed"] == seed]
        order = rng.permutation(len(here))
        metrics = ("nll", "sm_loss", "decoder_variance")
        found += [
            {**row, **{name: here[other][name] for name in metrics}}
            for row, other in zip(here, order, strict=True)
        ]
    return found


@pytest.mark.parametrize(("claims", "large"), [(FIG3, False), (FIG6, True)])
def test_every_claim_agrees_with_numbers_like_the_paper_s_words(
    claims: Sequence[PlaneClaim], large: bool
) -> None:
    assert set(_answers(claims, _as_the_paper_says(large)).values()) == {Answer.AGREES}


@pytest.mark.parametrize(("claims", "large"), [(FIG3, False), (FIG6, True)])
def test_no_claim_agrees_with_untrained_models(
    claims: Sequence[PlaneClaim], large: bool, tmp_path: Path
) -> None:
    """All methods of a seed are one model; with noise of the estimate they differ by chance."""
    rng = np.random.default_rng(1)
    at_start = verdicts.references("star", 5000)
    offsets = dict(zip(SEEDS, np.abs(rng.normal(0, 1, len(SEEDS))), strict=True))

    def value(seed: int, noise: float) -> dict[str, float]:
        metrics = ("nll", "sm_loss", "decoder_variance")
        return {name: at_start[name] + offsets[seed] + noise * rng.normal() for name in metrics}

    for noise in (0.0, 0.01):
        rows = _grid(lambda method, j, k, seed, noise=noise: value(seed, noise))  # type: ignore[misc]
        assert Answer.AGREES not in _answers(claims, rows).values()
    own = PlaneGridPlan(TINY, tmp_path, ("star",), (0, 1, 2), estimators=("definition",))
    rows = []
    for cell in cells(own, ()):
        with Session.new(cell.settings, folder=own.folder / cell.name) as session:
            rows += measured.measure(session, cell.labels, False, TINY)[0].rows()
    found = _answers(claims, rows)
    assert set(found.values()) == {Answer.UNDECIDED}


@pytest.mark.parametrize(("claims", "large"), [(FIG3, False), (FIG6, True)])
def test_no_claim_agrees_with_shuffled_labels(claims: Sequence[PlaneClaim], large: bool) -> None:
    """None in the first permutation; of a hundred, each in few, as chance gives at two standard errors."""
    rows, rng = _as_the_paper_says(large), np.random.default_rng(0)
    count = dict.fromkeys(_answers(claims, rows), 0)
    for index in range(100):
        for key, answer in _answers(claims, _shuffled(rows, rng)).items():
            count[key] += answer is Answer.AGREES
            assert index > 0 or answer is not Answer.AGREES
    assert max(count.values()) <= 10
