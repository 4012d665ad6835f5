"""Test the rules that decide the claims of the paper about images, and the claims."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsmnp.paper.reproduce.answers import Answer, conjunction, sentences
from vsmnp.paper.reproduce.conditions import Condition, Level, Mean, MetricValues, judge
from vsmnp.paper.reproduce.images import ImageGridPlan, printed, records
from vsmnp.paper.reproduce.images.budgets import budget
from vsmnp.paper.reproduce.images.cells import cells
from vsmnp.paper.reproduce.images.claims import (
    ALL_RESNETS,
    CONVNETS,
    FIG4,
    FIG8,
    FIG9,
    FIG10,
    FIG11,
    ImageClaim,
)
from vsmnp.paper.reproduce.images.figure import FigurePart, verdicts_of
from vsmnp.paper.reproduce.images.rules import at_least, best, highest, worse_on_average
from vsmnp.paper.reproduce.images.verdicts import ImageVerdict, verdicts
from vsmnp.paper.reproduce.methods import NAMES as METHODS
from vsmnp.paper.reproduce.rules import Rule, alike, judge_rule, worse

A, B, C = "K-ELBO", "K-M1", "F-M1"
SEEDS = tuple(range(5))
#: Negative ELBO of the best constant decoder in these tests.
CONSTANT = 0.0
EVERY = {
    "FIG4": FIG4, "FIG8": FIG8, "FIG9": FIG9, "FIG10": FIG10, "FIG11": FIG11, "CONVNETS": CONVNETS,
    "ALL_RESNETS": ALL_RESNETS,
}  # fmt: skip

# --- rules ----------------------------------------------------------------------------------------


def _case(gaussian: float | None = None, nll: float = -100.0, **values: Sequence[float]) -> MetricValues:
    """Return a case with values by seed; K_M1 stands for K-M1. All methods have the same likelihood."""
    by_seed = {name.replace("_", "-"): dict(enumerate(each)) for name, each in values.items()}
    learned = {name: {seed: nll - 0.01 * seed for seed in each} for name, each in by_seed.items()}
    return MetricValues(by_seed, gaussian, learned, CONSTANT, 10.0)


def _ask(rule: Rule, case: MetricValues) -> Answer:
    return judge_rule(rule, case).answer


@pytest.mark.parametrize(
    ("rule", "values", "answer"),
    [
        (worse((B,), (A,)), {"K_ELBO": (1, 1.1), "K_M1": (2, 2.1)}, Answer.AGREES),
        (worse((B,), (A,)), {"K_ELBO": (2, 2.1), "K_M1": (1, 1.1)}, Answer.DIFFERS),
        (worse((B,), (A,)), {"K_ELBO": (1, 1), "K_M1": (2, 0.9)}, Answer.UNDECIDED),
        (worse((B,), (A,)), {"K_ELBO": (1,), "K_M1": (2,)}, Answer.UNDECIDED),
        (worse((B,), (A,)), {"K_ELBO": (1, 1), "K_M1": (math.inf, math.inf), "F_M1": (2, 2)}, Answer.AGREES),
        (worse((B, C), (A,)), {"K_ELBO": (1, 1), "K_M1": (2, 2), "F_M1": (0.5, 0.49)}, Answer.DIFFERS),
        (highest((C,), (A, B, C)), {"K_ELBO": (1, 1), "K_M1": (2, 2), "F_M1": (3, 3.1)}, Answer.AGREES),
        (best((A,), (A, B, C)), {"K_ELBO": (1, 1), "K_M1": (2, 2), "F_M1": (3, 3)}, Answer.AGREES),
        (best((A, C), (A, B, C)), {"K_ELBO": (3, 3), "K_M1": (2, 2), "F_M1": (1, 1)}, Answer.AGREES),
        (best((A,), (A, B, C)), {"K_ELBO": (2, 2), "K_M1": (3, 3), "F_M1": (1, 1)}, Answer.DIFFERS),
        (alike(A, B, (A, B, C)), {"K_ELBO": (1, 1), "K_M1": (1.19, 1.19), "F_M1": (3, 3)}, Answer.AGREES),
        (alike(A, B, (A, B, C)), {"K_ELBO": (1, 1), "K_M1": (1.21, 1.21), "F_M1": (3, 3)}, Answer.DIFFERS),
        (alike(A, B, (A, B, C)), {"K_ELBO": (1, 1), "K_M1": (1.9, 0.2), "F_M1": (3, 3)}, Answer.UNDECIDED),
        (alike(A, B), {"K_ELBO": (1, 1), "K_M1": (1.1, 1.1)}, Answer.UNDECIDED),  # two make no scale
        (worse_on_average((A, B), (C,)), {"K_ELBO": (9, 9), "K_M1": (1, 1), "F_M1": (2, 2)}, Answer.AGREES),
        (worse_on_average((A, B), (C,)), {"K_ELBO": (2, 2), "K_M1": (1, 1), "F_M1": (2, 2)}, Answer.DIFFERS),
        (at_least((A, B), 0.8), {"K_ELBO": (0.81, 0.811), "K_M1": (0.9, 0.901)}, Answer.AGREES),
        (at_least((A, B), 0.8), {"K_ELBO": (0.7, 0.71), "K_M1": (0.9, 0.91)}, Answer.DIFFERS),
        (at_least((A, B), 0.8), {"K_ELBO": (0.7, 0.91), "K_M1": (0.9, 0.91)}, Answer.UNDECIDED),
    ],
)  # fmt: skip
def test_rules_judge_as_they_say(rule: Rule, values: Mapping[str, Sequence[float]], answer: Answer) -> None:
    case = _case(**values)
    assert set(rule.needs) <= set(case.values)
    assert _ask(rule, case) is answer


def test_a_method_that_is_called_better_or_described_has_to_have_learned() -> None:
    values = {"K_ELBO": (1.0, 1.0), "K_M1": (2.0, 2.1), "F_M1": (2.0, 2.1)}
    for rule in (worse((B,), (A,)), at_least((A,), 0.5), alike(A, B, (A, B)), worse_on_average((B,), (A,))):
        case = _case(**values)
        poor = MetricValues(case.values, None, {**case.nll, A: {0: -9.0, 1: -9.1}}, CONSTANT, 10.0)
        assert _ask(rule, case) is not Answer.UNDECIDED
        found = judge_rule(rule, poor)
        assert found.answer is Answer.UNDECIDED
        assert found.numbers.startswith(
            "K-ELBO is not shown by its 95 % interval to be better than one Gaussian by 10 nats"
        )
    assert _ask(worse((B,), (A,)), _case(nll=-9.0, **values)) is Answer.UNDECIDED
    assert _ask(worse_on_average((B,), (A,)), _case(nll=-9.0, **values)) is Answer.UNDECIDED
    assert _ask(worse_on_average((B,), (A,)), _case(**values)) is Answer.AGREES


def test_methods_that_have_not_learned_make_no_scale() -> None:
    """A method that is far off would make all others alike."""
    case = _case(K_ELBO=(1, 1), K_M1=(1.3, 1.3), F_M1=(3, 3), K_M3=(99, 99), F_M3=(math.inf, math.inf))
    assert _ask(alike(A, B, (A, B, C)), case) is Answer.AGREES
    poor = replace(case, nll={**case.nll, "K-M3": {0: -9.0, 1: -9.1}})
    assert poor.scale == 2.0
    assert _ask(alike(A, B, (A, B, C)), poor) is Answer.DIFFERS


_EQUAL = (("K-M1", "K-M2"),)


def test_the_difference_of_equal_methods_is_noise_of_printed_numbers() -> None:
    """Nothing smaller decides, in either direction, nor the difference of the two itself."""

    def printed_values(k_elbo: float, identical: Any = _EQUAL) -> printed.PrintedValues:
        values = {"K-ELBO": {0: k_elbo}, "K-M1": {0: 2.0}, "K-M2": {0: 4.0}}
        return printed.PrintedValues(values, None, {}, math.nan, identical=identical)

    quiet, noisy, close = printed_values(9.0, ()), printed_values(9.0), printed_values(3.5)
    assert (quiet.noise, noisy.noise, close.noise) == (0.0, 2.0, 2.0)
    assert judge(Condition("K-M2", "K-M1"), quiet).answer is Answer.AGREES
    found = judge(Condition("K-M2", "K-M1"), noisy)
    assert found.answer is Answer.UNDECIDED
    assert found.numbers.endswith("of methods that compute the same")
    assert judge(Condition("K-ELBO", "K-M1"), noisy).answer is Answer.AGREES
    assert judge(Condition("K-ELBO", "K-M1"), noisy).numbers.endswith("asked > 0, with noise 2")
    assert judge(Condition("K-M1", "K-ELBO"), noisy).answer is Answer.DIFFERS
    for one, two in (("K-ELBO", "K-M1"), ("K-M1", "K-ELBO")):
        assert judge(Condition(one, two), replace(close, identical=())).answer is not Answer.UNDECIDED
        assert judge(Condition(one, two), close).answer is Answer.UNDECIDED
    assert close.scale == pytest.approx(2.0)
    assert judge(Condition("K-M1", "K-ELBO", -0.1), close).answer is Answer.UNDECIDED


def test_equal_methods_of_runs_decide_nothing_and_add_no_noise() -> None:
    """With equal seeds they are one run; the noise is in the interval over the seeds."""
    values = {"K-ELBO": {0: 1.9, 1: 1.9}, "K-M1": {0: 2.0, 1: 2.0}, "K-M2": {0: 2.0, 1: 2.0}}
    nll = {name: {0: -99.0, 1: -99.1} for name in values}
    case = MetricValues(values, None, nll, CONSTANT, 10.0, identical=_EQUAL)
    assert judge(Condition("K-M1", "K-ELBO"), case).answer is Answer.AGREES
    for share in (0.0, -0.1):
        found = judge(Condition("K-M2", "K-M1", share), case)
        assert found.answer is Answer.UNDECIDED
        assert found.numbers == "K-M2 - K-M1: 0 ± 0, of methods that compute the same"


def test_answers_that_have_to_hold_together_are_as_the_least_favourable_one() -> None:
    order = (Answer.AGREES, Answer.UNDECIDED, Answer.MISSING, Answer.DIFFERS)
    for one in range(4):
        for two in range(4):
            assert conjunction([order[one], order[two]]) is order[max(one, two)]


def test_places_without_seeds_are_compared_with_every_seed() -> None:
    case = _case(gaussian=3.0, K_ELBO=(1.0, 2.0), K_M1=(3.0, 4.0))
    assert case.gaps("K-ELBO", Level(0.5)) == [0.5, 1.5]
    assert case.gaps(None, "K-ELBO") == [2.0, 1.0]
    assert case.gaps(Mean(("K-ELBO", "K-M1")), "K-ELBO") == [1.0, 1.0]
    assert case.gaps(None, Level(1.0)) == [2.0]


# --- verdicts -------------------------------------------------------------------------------------


def _rows(
    values: Mapping[str, float], metric: str = "fid", epoch: float = 1.0, seed: int = 0, learned: bool = True
) -> list[dict[str, Any]]:
    return [
        {
            "dataset": "mnist", "architecture": "dcgan", "method": name, "seed": seed, "epoch": epoch,
            "gaussian_neg_elbo": CONSTANT, "neg_elbo": -99.0 if learned else -9.0, metric: value,
        }
        for name, value in values.items()
    ]  # fmt: skip


def _asked(claim: ImageClaim, rows: Sequence[Any]) -> ImageVerdict:
    (found,) = verdicts([claim], rows, ["mnist"])
    return found


BETTER = ImageClaim("K-M1 is better", "nowhere", ("fid",), worse((A,), (B,)))


def test_the_last_evaluation_decides_and_differences_are_paired() -> None:
    rows = [
        *_rows({A: 1, B: 9, C: 0}, epoch=1),
        *_rows({A: 5, B: 4, C: 0}, epoch=2),
        *_rows({A: 9.2, B: 8.1, C: 0}, epoch=2, seed=1),
    ]
    found = _asked(BETTER, rows)
    assert found.answer is Answer.AGREES
    assert found.numbers == (
        "K-ELBO - K-M1: 1.05 \N{PLUS-MINUS SIGN} 0.05, asked > 0; "
        "K-M1 changed most in the last quarter of the training, by -5, beyond the tolerance of 0.71"
    )
    assert list(sentences([found])) == ["K-M1 is better (nowhere): this run agrees in 1 of 1."]


def test_methods_are_compared_at_the_last_epoch_that_all_have() -> None:
    rows = [*_rows({A: 2, B: 1}, epoch=1), *_rows({A: 0}, epoch=2)]
    assert _asked(BETTER, rows).numbers == (
        "K-ELBO - K-M1: 1, asked > 0; how far the training is from its end is not known"
    )
    assert _asked(BETTER, [*_rows({A: 2}, epoch=1), *_rows({B: 1}, epoch=2)]).answer is Answer.MISSING


def test_a_missing_metric_is_reported() -> None:
    found = _asked(BETTER, _rows({A: 1}))
    assert (found.answer, found.numbers) == (Answer.MISSING, "no fid of K-M1")
    assert list(sentences([found])) == []


def test_a_claim_throughout_is_asked_at_every_evaluation_of_models_that_learned() -> None:
    claim = ImageClaim("K-M1 is better", "nowhere", ("fid",), worse((A,), (B,)), throughout=True)
    late = [row for seed in (0, 1) for row in _rows({A: 5 + seed / 9, B: 4}, epoch=2, seed=seed)]

    def early(learned: bool) -> list[dict[str, Any]]:
        each = [_rows({A: 1, B: 9 + seed / 9}, epoch=1, seed=seed, learned=learned) for seed in (0, 1)]
        return [row for rows in each for row in rows]

    found = _asked(claim, [*early(True), *late])
    assert found.answer is Answer.DIFFERS
    assert found.numbers.startswith("K-ELBO - K-M1: -8.06 \N{PLUS-MINUS SIGN} 0.056, asked > 0, at epoch 1; ")
    assert "; holds at 1 of 2 evaluations" in found.numbers
    assert _asked(claim, [*early(False), *late]).answer is Answer.AGREES
    assert _asked(claim, late).answer is Answer.AGREES
    untrained = _asked(claim, early(False))
    assert untrained.answer is Answer.UNDECIDED
    assert untrained.numbers.startswith(
        "no method is shown to be better than the best constant decoder by 10 nats"
    )


@pytest.mark.parametrize("lost", [2, 3])
def test_a_claim_throughout_is_undecided_by_models_that_are_lost_after_they_have_learned(lost: int) -> None:
    """Only evaluations before the first of models that have learned are left out."""
    claim = replace(BETTER, throughout=True)
    rows = [
        row
        for epoch in range(4) for seed in (0, 1)
        for row in _rows({A: 5 + seed / 9, B: 4}, epoch=epoch, seed=seed, learned=epoch not in (0, lost))
    ]  # fmt: skip
    found = _asked(claim, rows)
    assert found.answer is Answer.UNDECIDED
    assert found.numbers.startswith("no method is")
    assert f", at epoch {lost}; holds at 2 of 3 evaluations" in found.numbers


def test_claims_keep_to_their_datasets() -> None:
    claim = ImageClaim("K-M1 is better", "nowhere", ("fid",), worse((A,), (B,)), ("celeba",))
    assert verdicts([claim], _rows({A: 2, B: 1}), ["mnist"]) == []


# --- claims ---------------------------------------------------------------------------------------


def _grid(value: Callable[[str, int], Mapping[str, float]]) -> list[dict[str, Any]]:
    """Return the rows of a grid on every data set; ``value`` maps method and seed to metrics."""
    return [
        {
            "dataset": dataset, "method": method, "seed": seed, "epoch": 1.0, "gaussian_neg_elbo": CONSTANT,
            **value(method, seed),
        }
        for dataset in ("mnist", "celeba") for method in METHODS for seed in SEEDS
    ]  # fmt: skip


def _after_others(rows: Sequence[Mapping[str, Any]], change: float = 0.0) -> list[dict[str, Any]]:
    """Put before rows those of an earlier epoch with nothing but a negative ELBO higher by ``change``."""
    kept = ("dataset", "architecture", "method", "seed", "gaussian_neg_elbo")
    earlier = [
        {**{name: row[name] for name in kept if name in row}, "epoch": 0.75 * row["epoch"],
         "neg_elbo": row["neg_elbo"] + change}
        for row in rows
    ]  # fmt: skip
    return [*earlier, *map(dict, rows)]


#: For each list of claims the values of the methods, by metric or of all metrics, that agree with its words.
_KL_ABOVE = {"K-ELBO": 1, "K-M1": 1.02, "F-M1": 2, "K-M2": 5, "F-M2": 6, "K-M3": 3, "F-M3": 4}
_LATE = {"K-ELBO": 1, "K-M1": 1.02, "F-M1": 6, "K-M2": 1.04, "F-M2": 5.98, "K-M3": 1.06, "F-M3": 7}
_WORDS: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "FIG4": {
        "": _KL_ABOVE, "mmd": {**_KL_ABOVE, "F-M1": 0.9}, "mse": {**_KL_ABOVE, "K-M3": 0.1},
        "posterior_fd": {**_KL_ABOVE, "F-M2": 9, "F-M3": 0.5},
    },
    "FIG8": {"": _LATE},
    "FIG9": {"": dict.fromkeys(METHODS, 0.9)},
    "FIG10": {"": dict.fromkeys(METHODS, 0.9)},
    "FIG11": {"": dict.fromkeys(METHODS, 0.5)},
    "CONVNETS": {"": {**_KL_ABOVE, "F-M1": 1.1}},
    "ALL_RESNETS": {"": {"K-ELBO": 5, "K-M1": 4, "F-M1": 3, "K-M2": 4.1, "F-M2": 1, "K-M3": 9, "F-M3": 8}},
}  # fmt: skip
_METRICS = ("neg_elbo", "mse", "mmd", "posterior_fd", "fid", "kid", "decided_sds", "sds_near_0",
            "sds_near_1", "idle_means")  # fmt: skip


def _as_the_paper_says(name: str) -> list[dict[str, Any]]:
    rng, words = np.random.default_rng(0), _WORDS[name]

    def value(method: str, seed: int) -> dict[str, float]:
        levels = {metric: words.get(metric, words[""])[method] for metric in _METRICS}
        found = {metric: level + 0.002 * rng.normal() for metric, level in levels.items()}
        # in the order of the words, and better than the constant decoder
        return {**found, "neg_elbo": 100 * found["neg_elbo"] - 2000}

    return _grid(value)


def _answers(name: str, rows: Sequence[Mapping[str, Any]], samples: int = 5) -> dict[tuple[str, ...], Answer]:
    found = verdicts(EVERY[name], rows, ["mnist", "celeba"], samples)
    assert len({(v.claim, v.dataset, v.metric) for v in found}) == len(found)
    return {(v.claim.text, v.dataset, v.metric): v.answer for v in found}


@pytest.mark.parametrize("name", EVERY)
def test_every_claim_agrees_with_numbers_like_the_paper_s_words(name: str) -> None:
    assert set(_answers(name, _after_others(_as_the_paper_says(name))).values()) == {Answer.AGREES}


@pytest.mark.parametrize("name", ["FIG9", "FIG10", "FIG11"])
@pytest.mark.parametrize("latents", [0.9, 0.01])
def test_what_methods_are_like_is_undecided_before_the_end_of_their_training(
    name: str, latents: float
) -> None:
    """The change of the negative ELBO has to be within a tenth of its distance from the constant decoder."""
    rows = [
        {**row, **dict.fromkeys(("decided_sds", "sds_near_0", "sds_near_1", "idle_means"), latents)}
        for row in _grid(lambda method, seed: {"neg_elbo": -100.0})
    ]
    decided = Answer.AGREES if latents == 0.9 else Answer.DIFFERS
    for change, answer in ((9.9, decided), (10.1, Answer.UNDECIDED)):
        for found in verdicts(EVERY[name], _after_others(rows, change), ["mnist"]):
            assert found.answer is answer
            side = "within" if answer is decided else "beyond"
            assert (
                f"by {-change:.2g} nats of the negative ELBO, {side} the tolerance of 10 n" in found.numbers
            )
    one = [row for row in _after_others(rows) if row["method"] != "K-M1" or row["epoch"] == 1.0]
    for alone in (rows, one):
        for found in verdicts(EVERY[name], alone, ["mnist"]):
            if "K-M1" in found.claim.words:
                assert found.answer is Answer.UNDECIDED
                assert found.numbers.endswith("; how far the training is from its end is not known")


def test_rows_without_a_negative_elbo_decide_nothing() -> None:
    rows = [{**row, "neg_elbo": None} for seed in (0, 1) for row in _rows({A: 2, B: 1}, seed=seed)]
    found = _asked(BETTER, rows)
    assert found.answer is Answer.UNDECIDED
    assert found.numbers.endswith("; how far the training is from its end is not known")


def test_a_metric_of_a_single_evaluation_has_the_drift_of_the_negative_elbo() -> None:
    rows = _after_others([row for seed in (0, 1) for row in _rows({A: 2, B: 1}, seed=seed)], 0.5)
    found = _asked(BETTER, rows)
    assert found.answer is Answer.AGREES
    assert found.numbers.endswith(
        "K-ELBO changed most in the last quarter of the training, by -0.5 nats of the negative ELBO, within "
        "the tolerance of 9.9 nats of the negative ELBO"
    )
    for row in rows:
        row["epoch"] *= 1 if row["epoch"] == 1.0 else 1.1  # within the last quarter
    assert _asked(BETTER, rows).numbers.endswith("; how far the training is from its end is not known")


@pytest.mark.parametrize("name", EVERY)
def test_one_seed_decides_nothing(name: str) -> None:
    rows = [row for row in _as_the_paper_says(name) if row["seed"] == 0]
    assert set(_answers(name, rows).values()) == {Answer.UNDECIDED}


@pytest.mark.parametrize("name", ["FIG9", "FIG10"])
@pytest.mark.parametrize(
    ("near_0", "near_1", "answer"),
    [
        (0.0, 1.0, Answer.DIFFERS),  # the prior, which a trained encoder may return to
        (1.0, 0.0, Answer.DIFFERS),
        (0.03, 0.95, Answer.DIFFERS),
        (0.95, 0.03, Answer.DIFFERS),
        (0.3, 0.3, Answer.DIFFERS),
        (0.3, 0.6, Answer.AGREES),
        (0.07, 0.9, Answer.AGREES),
    ],
)
def test_standard_deviations_around_0_and_1_are_some_around_each(
    name: str, near_0: float, near_1: float, answer: Answer
) -> None:
    rng = np.random.default_rng(2)

    def value(method: str, seed: int) -> dict[str, float]:
        shares = {"sds_near_0": near_0, "sds_near_1": near_1, "decided_sds": near_0 + near_1}
        noise = 0.002 * rng.random()
        return {"neg_elbo": -99.0 - seed, **{metric: abs(share - noise) for metric, share in shares.items()}}

    found = _answers(name, _after_others(_grid(value)))
    assert found
    assert set(found.values()) == {answer}


def test_the_least_favourable_of_the_metrics_decides_and_is_named() -> None:
    rows = [
        {**row, "decided_sds": 0.9, "sds_near_0": 0.01, "sds_near_1": 0.89}
        for row in _grid(lambda method, seed: {"neg_elbo": -99.0 - seed})
    ]
    (found,) = verdicts(FIG9, _after_others(rows), ["mnist"])
    assert found.numbers.startswith("sds_near_0: K-ELBO - 0.05: -0.04")
    assert found.claim.words.startswith("decided_sds: each of K-ELBO, K-M1")
    assert found.claim.words.endswith("F-M3 exceeds 0.05")
    without = [{**row, "sds_near_0": 0.5, "sds_near_1": None} for row in rows]
    (absent,) = verdicts(FIG9, without, ["mnist"])
    assert absent.answer is Answer.MISSING
    assert absent.numbers.startswith("sds_near_1: no sds_near_1 of K-ELBO")


def test_a_share_of_a_scale_that_is_none_decides_nothing() -> None:
    """All methods have the same value; what is compared with a level needs no scale."""
    case = _case(K_ELBO=(1.0, 1.0), K_M1=(1.0, 1.0))
    assert _ask(alike(A, B), case) is Answer.UNDECIDED
    assert _ask(at_least((A, B), 0.5), case) is Answer.AGREES
    assert _ask(at_least((A, B), 1.5), case) is Answer.DIFFERS


@pytest.mark.parametrize("name", ["FIG4", "FIG8", "CONVNETS", "ALL_RESNETS"])
def test_no_claim_agrees_with_shuffled_labels(name: str) -> None:
    """Of a hundred permutations in few, as chance gives: 2.5 percent on a side."""
    rows, rng = _as_the_paper_says(name), np.random.default_rng(0)
    count = dict.fromkeys(_answers(name, rows), 0)
    for _ in range(100):
        shuffled = []
        for seed in SEEDS:
            for dataset in ("mnist", "celeba"):
                here = [row for row in rows if (row["seed"], row["dataset"]) == (seed, dataset)]
                order = rng.permutation(len(here))
                shuffled += [
                    {**here[other], "method": row["method"]} for row, other in zip(here, order, strict=True)
                ]
        for key, answer in _answers(name, shuffled).items():
            count[key] += answer is Answer.AGREES
    assert np.mean(list(count.values())) < 2.5
    assert max(count.values()) <= 7  # four of a thousand binomials with that probability exceed it


@pytest.mark.parametrize("name", ["FIG9", "FIG10", "FIG11"])
def test_no_claim_about_latents_agrees_with_shuffled_labels(name: str) -> None:
    """Methods and datasets of a claim have latents as it says and no others do, until both are shuffled."""
    rng = np.random.default_rng(0)
    good = {"decided_sds": 0.95, "sds_near_0": 0.4, "sds_near_1": 0.55, "idle_means": 0.9}
    poor = {"decided_sds": 0.3, "sds_near_0": 0.02, "sds_near_1": 0.28, "idle_means": 0.05}
    for claim in EVERY[name]:
        rows = [
            {**row, **{metric: share + 0.002 * rng.random() for metric, share in
                       (good if _is_about(claim, row) else poor).items()}}
            for row in _grid(lambda method, seed: {"neg_elbo": -99.0 - seed})
        ]  # fmt: skip
        agreeing = 0
        for index in range(101):
            shuffled = [row for seed in SEEDS for row in _permuted(rows, seed, rng)] if index else rows
            found = verdicts([claim], _after_others(shuffled), ["mnist", "celeba"])
            answers = {verdict.answer for verdict in found}
            if index == 0:
                assert answers == {Answer.AGREES}
            else:
                agreeing += Answer.AGREES in answers
        assert agreeing == 0


def _is_about(claim: ImageClaim, row: Mapping[str, Any]) -> bool:
    return row["method"] in claim.rule.needs and (not claim.datasets or row["dataset"] in claim.datasets)


def _permuted(rows: Sequence[Mapping[str, Any]], seed: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Permute the values of a seed over methods and datasets."""
    here = [row for row in rows if row["seed"] == seed]
    labels = [{name: row[name] for name in ("dataset", "method")} for row in here]
    return [{**here[other], **label} for other, label in zip(rng.permutation(len(here)), labels, strict=True)]


def test_at_one_posterior_sample_no_claim_tells_m1_from_m2() -> None:
    """F-M2 is called the best of Table 2; there it is F-M1, and nothing is decided of their difference."""
    rows = _as_the_paper_says("ALL_RESNETS")
    at_one, at_five = (_answers("ALL_RESNETS", rows, samples) for samples in (1, 5))
    changed = {claim for (claim, _, _), answer in at_one.items() if answer is Answer.UNDECIDED}
    assert changed >= {"F-M2 is best", "M2 is best"}
    assert set(at_five.values()) == {Answer.AGREES}


def test_each_architecture_is_judged_by_its_own_number_of_posterior_samples() -> None:
    """The ConvNets have five, and what differs there between M1 and M2 is no noise; the ResNets have one."""
    parts = (FigurePart("dcgan", CONVNETS), FigurePart("resnet18", ALL_RESNETS))
    plan = ImageGridPlan(budget("paper"), Path("runs"), ("mnist",))
    grid = {part.architecture: cells(plan, part.architecture, part.methods) for part in parts}
    rows = [
        {**row, "architecture": architecture}
        for architecture, name in (("dcgan", "CONVNETS"), ("resnet18", "ALL_RESNETS"))
        for row in _as_the_paper_says(name)
    ]
    found = verdicts_of(parts, grid, rows, ["mnist"])
    assert {v.answer for v in found if v.claim in CONVNETS} == {Answer.AGREES}
    assert {v.answer for v in found if v.claim.text == "M2 is best"} == {Answer.UNDECIDED}
    few = {
        name: [replace(cell, settings=replace(cell.settings, samples=1)) for cell in each]
        for name, each in grid.items()
    }
    as_one = verdicts_of(parts, few, rows, ["mnist"])
    assert Answer.UNDECIDED in {v.answer for v in as_one if v.claim in CONVNETS}
    assert verdicts_of(parts, {"dcgan": ()}, rows, ["mnist"]) == found  # the paper's numbers


# --- the paper's tables -----------------------------------------------------------------------------


def test_the_paper_s_tables_decide_what_lies_beyond_their_errors() -> None:
    """The claims that its own Tables 1 and 2 contradict, and how many they leave open."""
    datasets = ["mnist", "fashion", "celeba"]

    def found(claims: Sequence[ImageClaim], architecture: str, samples: int) -> list[ImageVerdict]:
        rows = [row for row in printed.rows() if row["architecture"] == architecture]
        return verdicts(claims, rows, datasets, samples)

    both = [*found(CONVNETS, "dcgan", 5), *found(ALL_RESNETS, "resnet18", 1)]
    against = {(v.claim.text, v.dataset, v.metric) for v in both if v.answer is Answer.DIFFERS}
    assert against == set()
    assert {v.answer for v in both} == {Answer.AGREES, Answer.UNDECIDED}


def test_the_landed_record_of_one_seed_decides_nothing() -> None:
    from vsmnp.paper.record import RECORDS

    rows = records.read(RECORDS / "images.csv")
    found = verdicts(FIG4, rows, list(dict.fromkeys(row["dataset"] for row in rows)))
    assert {v.answer for v in found} == {Answer.UNDECIDED}
