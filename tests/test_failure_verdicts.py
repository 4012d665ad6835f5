"""Test the rule of the controlled experiment, and that its sentences follow the numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vsmnp.paper.reproduce.failure.factors import Factors
from vsmnp.paper.reproduce.failure.findings import findings, medians
from vsmnp.paper.reproduce.failure.measures import METRICS
from vsmnp.paper.reproduce.failure.tables import MeasuredRun, floors
from vsmnp.paper.reproduce.failure.verdicts import FailureAnswer, drift, verdicts

POINTS, GAUSSIAN = 100, floors("mixture", 100).gaussian
JITTER = 0.005 * np.random.default_rng(0).standard_normal(10)


def _row(
    objective: str, nll: float, early: float | None = None, active: int = 10, **levels: Any
) -> MeasuredRun:
    factors = Factors(**{"dataset": "mixture", "inference": "kl", "objective": objective, **levels})
    values = dict.fromkeys(METRICS, (1.0,) * 10)
    values["nll"] = tuple(nll + JITTER * len(objective))
    values["nll_early"] = tuple((nll if early is None else early) + JITTER * len(objective))
    values["active"] = (1.0,) * active + (0.0,) * (10 - active)
    return MeasuredRun(factors, 100, POINTS, values, "command", "machine")


def _judge(row: MeasuredRun, reference: MeasuredRun | None = None) -> tuple[FailureAnswer, str]:
    (found,) = verdicts([reference or _row("elbo", 0.3), row])
    return found.answer, found.reason


def test_the_answers_by_the_interval() -> None:
    assert _judge(_row("m2-biased", 0.5)) == (FailureAnswer.FAILS, "")
    assert _judge(_row("m2-biased", 0.3)) == (FailureAnswer.DOES_NOT_FAIL, "")
    assert _judge(_row("m2-biased", 0.1)) == (FailureAnswer.DOES_NOT_FAIL, "")
    assert _judge(_row("m2-biased", 0.4)) == (FailureAnswer.UNDECIDED, "the interval contains 0.1")


def test_a_run_that_would_catch_up_does_not_fail_yet() -> None:
    """It gained .05 in the last quarter: .25 behind is .05 after four more of them, .5 is .3."""
    assert _judge(_row("m2-biased", 0.55, early=0.6)) == (FailureAnswer.UNDECIDED, "still improving")
    assert _judge(_row("m2-biased", 0.8, early=0.85)) == (FailureAnswer.FAILS, "")
    assert _judge(_row("m2-biased", 0.55, early=0.5)) == (FailureAnswer.FAILS, "")


@pytest.mark.parametrize("early", [0.33, 0.27, np.nan])
def test_only_converged_runs_do_not_fail(early: float) -> None:
    assert _judge(_row("m2-biased", 0.3, early=early)) == (FailureAnswer.UNDECIDED, "not converged")
    moving = _row("elbo", 0.3, early=early)
    assert _judge(_row("m2-biased", 0.3), moving) == (FailureAnswer.UNDECIDED, "not converged")


def test_a_reference_that_learned_nothing_decides_nothing() -> None:
    """Two untrained models are equal and do not move: the question is not answered by them."""
    for nll in (GAUSSIAN - 0.05, GAUSSIAN, GAUSSIAN + 3):
        answer, reason = _judge(_row("m2-biased", nll), _row("elbo", nll))
        assert (answer, reason) == (FailureAnswer.UNDECIDED, "the reference is no better than a Gaussian")
    assert (
        _judge(_row("m2-biased", GAUSSIAN - 0.2), _row("elbo", GAUSSIAN - 0.2))[0]
        is FailureAnswer.DOES_NOT_FAIL
    )


def test_a_diverged_model_decides_nothing_in_favour() -> None:
    assert _judge(_row("m2-biased", 0.3, active=9)) == (FailureAnswer.UNDECIDED, "a model has diverged")
    assert _judge(_row("m2-biased", 3.0, active=9)) == (FailureAnswer.FAILS, "")
    broken = _row("elbo", 0.3)
    broken = replace(broken, figures={**broken.figures, "nll": (float("inf"),) * 10})
    assert _judge(_row("m2-biased", 0.3), broken) == (
        FailureAnswer.UNDECIDED,
        "the reference has no finite loss",
    )


def test_runs_are_compared_at_equal_levels_of_the_other_factors() -> None:
    rows = [
        _row("elbo", 0.3), _row("elbo", 0.9, inference="fisher"), _row("elbo", 0.4, samples=25),
        _row("m1", 0.9, inference="fisher"), _row("m1", 0.4, samples=25),
        _row("m2-biased", 0.7, bilevel_steps=5), _row("m1", 0.3, gamma_rule="fixed"),
    ]  # fmt: skip
    found = {(v.family, v.of.objective): v for v in verdicts(rows)}
    assert set(found) == {
        ("main", "m1"), ("samples", "m1"), ("bilevel_steps", "m2-biased"), ("inference, main", "elbo"),
    }  # fmt: skip
    assert found["main", "m1"].interval.centre == pytest.approx(0, abs=0.02)
    assert found["samples", "m1"].interval.centre == pytest.approx(0, abs=0.02)
    assert found["bilevel_steps", "m2-biased"].reference == Factors("mixture", "kl", "elbo")
    assert found["inference, main", "elbo"].answer is FailureAnswer.FAILS


def test_drift_is_the_change_of_the_last_quarter() -> None:
    assert drift(_row("m1", 0.3, early=0.5)) == pytest.approx(-0.2)
    assert np.isnan(drift(_row("m1", 0.3, early=np.nan)))


def test_the_sentences_follow_the_numbers() -> None:
    rows = [
        _row("elbo", 0.3), _row("m2-biased", 0.8), _row("m3-unbiased", 0.3),
        _row("elbo", 0.3, start="elbo"), _row("m2-biased", 0.3, start="elbo", early=0.2),
        _row("m3-unbiased", 0.9, samples=25, active=8), _row("elbo", 0.3, samples=25),
    ]  # fmt: skip
    told = findings(rows, verdicts(rows), [{"objective": "m2", "ratio_to_m1": 2.0}])
    text = " ".join(told)
    (kl,) = (each for each in told if each.startswith("With KL inference, "))
    assert "m2-biased fails on mixture (+0.5); m3-unbiased does not fail on mixture (" in kl
    assert (
        "start elbo: 0 fails, 0 does not fail, 1 undecided of 1; against the centre m2-biased on mixture"
        in text
    )
    assert "S = 25: 1 fails, 0 does not fail, 0 undecided of 1; against the centre m3-unbiased" in text
    assert "m2-biased on mixture (kl, start elbo) +0.00" in text.split("Not converged")[0]
    assert "Not converged, by more than 0.02 nats in the last quarter of the training: m2-biased" in text
    assert "m3-unbiased on mixture (kl, S = 25) 2 of 10" in text
    assert "Variance of the gradient at a trained model, against M1's: m2 2." in text


def test_objectives_with_the_same_verdicts_are_named_together_with_the_range_of_their_differences() -> None:
    rows = [
        _row("elbo", 0.3), _row("m1", 0.29), _row("m2-biased", 0.8), _row("m3-unbiased", 0.31),
        _row("m2-unbiased", 1.1), _row("m3-biased", 0.3, early=0.2),
    ]  # fmt: skip
    found = verdicts(rows)
    (kl,) = (each for each in findings(rows, found, []) if each.startswith("With KL inference, "))
    behind = {v.of.objective: f"{v.interval.centre:+.2g}" for v in found}
    assert sorted(kl.removeprefix("With KL inference, ").removesuffix(".").split("; ")) == [
        f"m1 and m3-unbiased do not fail on mixture ({behind['m1']} to {behind['m3-unbiased']})",
        f"m2-biased and m2-unbiased fail on mixture ({behind['m2-biased']} to {behind['m2-unbiased']})",
        f"m3-biased is undecided on mixture ({behind['m3-biased']})",
    ]


def test_the_printed_medians_have_their_own_intervals() -> None:
    (first,) = medians([_row("elbo", 0.3)])
    values = np.sort(0.3 + JITTER * 4)
    assert first[4] == pytest.approx(np.median(values))
    assert first[5] == f"[{values[1]:.4g}, {values[8]:.4g}]"


def test_floors_are_the_losses_on_the_same_points() -> None:
    """The data's own density is the better model, and a Gaussian is one of the density's moments."""
    for name in ("star", "mixture", "ring", "banana", "helicoid"):
        found = floors(name, 500)
        assert found.nll is not None
        assert found.nll < found.gaussian - 0.3
    assert floors("pinwheel", 500).nll is None
    assert floors("mixture", 5000).gaussian == pytest.approx(
        np.log(2 * np.pi * np.e) + 0.5 * np.log(0.29**2 - 0.25**2), abs=0.02
    )
