"""Test the rules that decide the claims of the paper about data in the plane, and the claims."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_plane import TINY

from vsmnp.paper.reproduce.answers import Answer
from vsmnp.paper.reproduce.conditions import Condition, MetricValues, estimate, judge
from vsmnp.paper.reproduce.methods import NAMES as METHODS
from vsmnp.paper.reproduce.plane import PlaneGridPlan, measured, verdicts
from vsmnp.paper.reproduce.plane.cells import cells
from vsmnp.paper.reproduce.plane.claims import FIG3, FIG6, At, Axes, PlaneClaim
from vsmnp.paper.reproduce.plane.variants import BILEVEL
from vsmnp.paper.reproduce.rules import Rule, alike, judge_rule, little_worse, together, worse
from vsmnp.paper.reproduce.training_end import how_far, last_quarter, median_change
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
        # the 97.5 % quantiles of Student's t: 12.706 of two seeds, 3.182 of four
        ((11.7, 13.7), Answer.UNDECIDED),
        ((11.72, 13.72), Answer.AGREES),
        ((-11.72, -13.72), Answer.DIFFERS),
        ((0.83, 2.83, 0.83, 2.83), Answer.UNDECIDED),
        ((0.84, 2.84, 0.84, 2.84), Answer.AGREES),
        ((math.inf, math.inf), Answer.AGREES),
        ((math.inf,), Answer.UNDECIDED),
        ((math.inf, -math.inf), Answer.UNDECIDED),
        ((math.inf, 0.1), Answer.UNDECIDED),  # one seed decides nothing
        ((math.inf, -0.1), Answer.UNDECIDED),
        ((math.nan, 0.1), Answer.UNDECIDED),
    ],
)
def test_student_s_interval_decides(differences: Sequence[float], answer: Answer) -> None:
    assert estimate(differences).exceeds() is answer


@pytest.mark.parametrize(
    ("margin", "answer"),
    [
        (0.5, Answer.AGREES),
        (0.95, Answer.UNDECIDED),  # the finite mean exceeds it, but not all the values do
        (1.05, Answer.UNDECIDED),
        (2.0, Answer.UNDECIDED),
    ],
)
def test_a_margin_holds_for_the_seeds_that_did_not_diverge(margin: float, answer: Answer) -> None:
    gaps = (1.0, 1.1, 0.9, 1.0, 1.0, 1.02, 1.01, 1.0)
    assert estimate((*gaps, math.inf)).exceeds(margin) is answer
    opposite = Answer.DIFFERS if answer is Answer.AGREES else answer
    assert estimate((*(-gap for gap in gaps), -math.inf)).exceeds(-margin) is opposite
    assert estimate((*gaps, -math.inf)).exceeds(margin) is (
        Answer.DIFFERS if margin == 2.0 else Answer.UNDECIDED
    )


def test_differences_are_paired_over_the_seeds_and_against_a_share_of_the_scale() -> None:
    case = _case(a=(0.0, 9.0, -9.0), b=(0.2, 9.21, -8.81), c=(0.0, 0.0, 0.0))
    assert judge(Condition(B, A), case).answer is Answer.AGREES
    assert judge(Condition(A, B), case).answer is Answer.DIFFERS
    assert case.scale == 1.0
    assert judge(Condition(B, A, 0.05), case).answer is Answer.AGREES
    assert judge(Condition(B, A, 0.5), case).answer is Answer.DIFFERS
    assert judge(Condition(B, A, 0.18), case).answer is Answer.UNDECIDED
    assert judge(Condition(B, A, 0.18, unless_contradicted=True), case).answer is Answer.AGREES
    assert judge(Condition(B, A, 0.5, unless_contradicted=True), case).answer is Answer.DIFFERS
    assert judge(Condition(None, C), case).answer is Answer.AGREES
    assert judge(Condition(B, A), case).numbers == "K-M1 (J=5) - K-ELBO (J=5): 0.2 ± 0.0058, asked > 0"


def test_conditions_hold_together_and_only_of_models_that_learned() -> None:
    case = _case(a=(0.0, 0.01), b=(0.5, 0.51), c=(0.7, 0.71))
    both = together(worse((B,), (A,)), worse((C,), (B,)))
    assert judge_rule(both, case).answer is Answer.AGREES
    assert judge_rule(together(both, worse((A,), (C,))), case).answer is Answer.DIFFERS
    assert judge_rule(together(both, worse((C,), (At("F-M1", 5),))), case).numbers == "no F-M1 (J=5)"
    poor = replace(case, nll={at: {0: 2.0, 1: 2.1} for at in (A, B, C)})
    assert judge_rule(both, poor).answer is Answer.UNDECIDED


@pytest.mark.parametrize(
    ("rule", "learners"),
    [
        (worse((B, C), (A,)), {A}),
        (worse((None,), (B,)), {B}),
        (little_worse((C,), (A,), 0.5), {A, C}),
        (alike(A, B), {A, B}),
        (together(worse((C,), (B,)), alike(A, B)), {A, B}),
        (replace(worse((B,), (A,)), describes=True), {A, B}),
        (together(worse((C,), (A,)), replace(worse((B,), (A,)), describes=True)), {A, B, C}),
    ],
)
def test_methods_called_better_alike_or_described_have_to_have_learned(rule: Rule, learners: set[At]) -> None:
    case = _case(a=(0.0, 0.1), b=(0.05, 0.15), c=(0.3, 0.4))
    assert judge_rule(rule, case).answer is Answer.AGREES
    for place in (A, B, C):
        poor = replace(case, nll={**case.nll, place: {0: 1.01, 1: 1.0}})
        found = judge_rule(rule, poor)
        assert found.answer is (Answer.UNDECIDED if place in learners else Answer.AGREES)
        assert found.asked == (place not in learners)


def test_a_method_that_a_difference_shows_to_be_better_has_to_have_learned() -> None:
    """A rule that one of its conditions contradicts differs, even if another condition cannot be asked."""
    case = _case(a=(0.0, 0.1), b=(0.05, 0.15), c=(0.3, 0.4))
    poor = replace(case, nll={**case.nll, A: {0: 1.01, 1: 1.0}})
    assert judge_rule(worse((A,), (C,)), case).answer is Answer.DIFFERS
    assert judge_rule(worse((A,), (C,)), poor).answer is Answer.UNDECIDED
    assert judge_rule(worse((B,), (A, C)), poor).answer is Answer.DIFFERS
    assert judge_rule(worse((C,), (A, B)), poor).answer is Answer.UNDECIDED


def test_a_margin_says_what_has_learned() -> None:
    """By the interval over its seeds; of one seed, which decides nothing, by its value."""
    case = replace(_case(a=(0.0, 0.01), b=(0.05, 0.06), c=(0.3, 0.31)), gain=0.75)
    assert [case.has_learned(at) for at in (A, B, C)] == [True, True, False]
    assert [replace(case, gain=0.95).has_learned(at) for at in (A, B, C)] == [False, False, False]
    one = replace(case, nll={A: {0: 0.19}})
    assert one.has_learned(A)
    assert not replace(one, gain=0.82).has_learned(A)
    found = judge_rule(worse((B,), (C,)), case)
    assert found.numbers == (
        "K-M2 (J=5, K=2) is not shown by its 95 % interval to be better than one Gaussian by 0.75 nats"
    )
    few = replace(case, nll={**case.nll, C: {0: 0.3}})
    assert few.not_learned(C) == "K-M2 (J=5, K=2) is not better than one Gaussian by 0.75 nats"


def test_the_largest_change_in_the_last_quarter_is_named_beside_its_tolerance() -> None:
    said = how_far({"A": 0.1, "B": -0.3}, 0.2, " nats")
    assert not said.reached
    assert said.words == (
        "B changed most in the last quarter of the training, by -0.3 nats, beyond the tolerance of 0.2 nats"
    )
    within = how_far({"A": 0.1}, 0.2)
    assert within.reached
    assert within.words.endswith("by 0.1, within the tolerance of 0.2")
    assert how_far({"A": 0.1, "B": math.nan}, 0.2).words.startswith("B changed most")
    assert how_far({"A": 0.1}, -1.0).words.endswith("beyond the tolerance of 0")


def test_the_last_quarter_is_one_of_steps_and_not_of_rows() -> None:
    assert last_quarter(range(1, 201)) == 149
    assert last_quarter((0.5, 1.0, 2.0, 7.4, 7.6, 8.0, 9.0, 10.0)) == 3
    assert [last_quarter(places) for places in ((3,), (1, 2), (1, 2, 3, 4), (8, 9, 10))] == [None, 0, 2, None]


def test_the_median_change_does_not_depend_on_the_order_of_the_seeds() -> None:
    """A model that has diverged has changed without limit."""
    for changes in itertools.permutations((math.nan, math.nan, 0.1)):
        assert median_change(changes) == math.inf
    for changes in itertools.permutations((math.nan, -0.2, 0.1)):
        assert median_change(changes) == 0.1


# --- claims ---------------------------------------------------------------------------------------

J, K, SEEDS = (1, 2, 5), (0, 1, 5), tuple(range(10))


def _grid(value: Callable[[str, int, int, int], Mapping[str, float]]) -> list[dict[str, Any]]:
    """Return the rows of a whole grid on star; ``value`` maps method, J, K and seed to metrics."""
    return [
        {
            "dataset": "star", "method": method, "encoder_steps": j, "bilevel_steps": k, "optimizer": "paper",
            "estimator": "definition", "seed": seed, "step": 10_000, "drift": 0.01 * seed,
            **value(method, j, k, seed),
        }
        for method in METHODS for j in J for k in (K if method in BILEVEL else (0,)) for seed in SEEDS
    ]  # fmt: skip


def _as_the_paper_says(large: bool, levels: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
    """Return rows that agree with its words, in units of the distance to one Gaussian."""
    reference = verdicts.references("star", 5000)
    level = {"K-ELBO": 0.01 if large else 0.0, "K-M1": 0.0, "F-M1": 0.2, "K-M2": 0.5, "F-M2": 0.55,
             "K-M3": 0.8 if large else 1.5, "F-M3": 0.85 if large else 1.6, **(levels or {})}  # fmt: skip
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
    """Off the axes M3 is worse than one Gaussian: of what bi-level updates do there nothing is decided."""
    found = _answers(claims, _as_the_paper_says(large))
    undecided = {text for (text, _), answer in found.items() if answer is Answer.UNDECIDED}
    assert set(found.values()) == {Answer.AGREES} | ({Answer.UNDECIDED} if undecided else set())
    assert undecided == (set() if large else {f"{q}-M3 gains little by bi-level updates" for q in "KF"})


def test_what_bilevel_updates_do_to_an_m3_that_has_learned_is_decided() -> None:
    found = _answers(FIG3, _as_the_paper_says(False, {"K-M3": 0.7, "F-M3": 0.72}))
    assert {text for (text, _), answer in found.items() if answer is Answer.DIFFERS} == {"M3 is off the axes"}
    assert Answer.UNDECIDED not in found.values()


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
def test_one_untrained_method_beside_trained_ones_leaves_its_claims_undecided(
    claims: Sequence[PlaneClaim], large: bool
) -> None:
    """A method that is called better, alike or is described is at the likelihood of one Gaussian."""
    rows, reference = _as_the_paper_says(large), verdicts.references("star", 5000)
    agreeing = {text for (text, _), answer in _answers(claims, rows).items() if answer is Answer.AGREES}
    asked = 0
    for claim in claims:
        learners = _learners(claim, rows)
        assert learners, claim.text
        for at in learners if claim.text in agreeing else ():
            poor = [
                {**row, "nll": reference["nll"] - 0.01 + 0.001 * row["seed"]}
                if At(row["method"], row["encoder_steps"], row["bilevel_steps"]) == at
                else row
                for row in rows
            ]
            for found in verdicts.verdicts([claim], poor, 5000):
                assert found.answer is Answer.UNDECIDED, (claim.text, at)
                assert found.numbers.startswith(
                    f"{at} is not shown by its 95 % interval to be better than one Gaussian by 0.02 nats"
                )
                asked += 1
    assert asked > 20


@pytest.mark.parametrize(("claims", "large"), [(FIG3, False), (FIG6, True)])
def test_one_seed_decides_nothing(claims: Sequence[PlaneClaim], large: bool) -> None:
    rows = [row for row in _as_the_paper_says(large) if row["seed"] == 0]
    assert set(_answers(claims, rows).values()) == {Answer.UNDECIDED}


def test_every_verdict_says_how_far_the_training_is() -> None:
    rows = _as_the_paper_says(False)
    for row in rows:
        row["drift"] = -0.5 if row["method"] == "K-M1" else 0.001
    found = verdicts.verdicts(FIG3[:1], rows, 5000)
    assert len(found) == 2
    for each in found:
        assert each.numbers.endswith(
            "; K-M1 (J=5) changed most in the last quarter of the training, by -0.5 nats, beyond the "
            "tolerance of 0.095 nats"
        )
    bare = [{**row, "drift": None} for row in rows]
    for each in verdicts.verdicts(FIG3, bare, 5000):
        assert each.numbers.endswith(
            "; how far the training is from its end after 10,000 steps is not known: the record lacks the "
            "column drift"
        )
    describing = ("K-M2 constrains the reconstruction", "decoder_variance")
    assert _answers(FIG3, _as_the_paper_says(False))[describing] is Answer.AGREES
    assert _answers(FIG3, rows)[describing] is _answers(FIG3, bare)[describing] is Answer.UNDECIDED


def _learners(claim: PlaneClaim, rows: Sequence[Mapping[str, Any]]) -> set[Any]:
    """Return the places that a claim calls better or alike, or describes, from its conditions."""
    by_place: dict[At, dict[int, float]] = {}
    for row in rows:
        at = At(row["method"], row["encoder_steps"], row["bilevel_steps"])
        by_place.setdefault(at, {})[row["seed"]] = row["nll"]
    rule, case = claim.rule(Axes(J, K)), MetricValues(by_place, 1.0, by_place, 1.0)
    conditions = rule.conditions(case)
    better = {each.below for each in conditions if each.below is not None}
    alike_or_described = {each.above for each in conditions if each.share < 0 or rule.describes}
    return better | alike_or_described


@pytest.mark.parametrize(("claims", "large"), [(FIG3, False), (FIG6, True)])
def test_no_claim_agrees_with_shuffled_labels(claims: Sequence[PlaneClaim], large: bool) -> None:
    """None in the first permutation; of a hundred, each in few, as chance gives: 2.5 percent on a side."""
    rows, rng = _as_the_paper_says(large), np.random.default_rng(0)
    count = dict.fromkeys(_answers(claims, rows), 0)
    for index in range(100):
        for key, answer in _answers(claims, _shuffled(rows, rng)).items():
            count[key] += answer is Answer.AGREES
            assert index > 0 or answer is not Answer.AGREES
    assert max(count.values()) <= 7
