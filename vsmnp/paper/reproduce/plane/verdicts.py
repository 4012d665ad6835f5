"""Test the paper's claims on rows of models: agrees, differs, undecided or missing."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....data import load_data
from ..answers import Answer
from ..conditions import SMALL, BySeed, MetricValues
from ..one_gaussian import one_gaussian
from ..reproduction import Table
from ..rules import at_the_end, judge_rule
from ..training_end import TrainingEnd, how_far, median_change
from .claims import At, Axes, PlaneClaim
from .variants import belongs, combinations

Row = Mapping[str, Any]

#: Nats by which the likelihood of a model that has learned is better than one Gaussian's: a hundredth of a
#: nat for each dimension, as for images.
GAIN = 0.02


@dataclass(frozen=True)
class PlaneVerdict:
    """The answer to a claim, for one metric of the runs of one dataset, optimisation and estimator."""

    claim: PlaneClaim
    place: tuple[str, str, str]
    metric: str
    answer: Answer
    numbers: str
    #: The rule in words.
    rule: str

    @property
    def dataset(self) -> str:
        """The dataset, the optimisation and the estimator."""
        return " ".join(filter(None, self.place))


def verdicts(claims: Sequence[PlaneClaim], rows: Sequence[Row], points: int) -> list[PlaneVerdict]:
    """Test every claim on every dataset, optimisation and estimator of the rows, one row for each model.

    ``points`` is the number of test points from which the reference, one Gaussian, is computed.
    """
    found = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        known, told = references(dataset, points), set()
        for optimizer, estimator in combinations(rows):
            group = [row for row in rows if row["dataset"] == dataset and belongs(row, optimizer, estimator)]
            for claim in claims:
                place = (dataset, optimizer, estimator if claim.of_estimators else "")
                if group and (claim, place) not in told:
                    told.add((claim, place))
                    found += [_verdict(claim, place, metric, group, known) for metric in claim.metrics]
    return found


def table(name: str, found: Sequence[PlaneVerdict]) -> Table:
    """Make a row for each verdict, with the paper's sentence and the rule."""
    header = (
        "claim", "source", "data", "optimizer", "estimator", "metric", "answer", "numbers", "sentence", "rule"
    )  # fmt: skip
    return Table(name, header, [
        (
            v.claim.text, v.claim.source, *v.place, v.metric, str(v.answer), v.numbers, v.claim.sentence,
            v.rule,
        )
        for v in found
    ])  # fmt: skip


def narrow(found: Sequence[PlaneVerdict]) -> Table:
    """Make the table to print: without the sentences and the rules."""
    header = ("claim", "data", "optimizer", "estimator", "metric", "answer", "numbers")
    return Table("claims", header, [
        (v.claim.text, *v.place, v.metric, str(v.answer), v.numbers) for v in found
    ])  # fmt: skip


def references(dataset: str, points: int) -> dict[str, float]:
    """Return the metrics of one Gaussian fitted to the first test points of a dataset."""
    return one_gaussian(load_data(dataset).test(0, np.float64)[:points])


def _verdict(
    claim: PlaneClaim,
    place: tuple[str, str, str],
    metric: str,
    rows: Sequence[Row],
    known: Mapping[str, float],
) -> PlaneVerdict:
    axes = Axes(*(tuple(sorted({row[name] for row in rows})) for name in ("encoder_steps", "bilevel_steps")))
    rule, nll = claim.rule(axes), _values(rows, "nll")
    case = MetricValues(_values(rows, metric), known[metric], nll, known["nll"], GAIN)
    found = judge_rule(rule, case)
    if found.answer is not Answer.MISSING:
        found = at_the_end(rule, found, _training_end(rule.needs, rows, case.nll_scale))
    return PlaneVerdict(claim, place, metric, found.answer, found.numbers, rule.words)


def _training_end(places: Sequence[Hashable], rows: Sequence[Row], scale: float) -> TrainingEnd:
    """Describe how far the compared methods are from the end of their training, in nats.

    The change of ``D/2 log gamma`` is that of the likelihood where gamma is the mean square of the residuals.
    """
    if any(row["drift"] is None for row in rows):
        steps = min(row["step"] for row in rows)
        return TrainingEnd(
            f"how far the training is from its end after {steps:,} steps is not known: the record lacks the "
            "column drift",
            False,
        )
    drifts = _values(rows, "drift")
    changes = {place: median_change(drifts[place].values()) for place in places}
    return how_far(changes, SMALL * scale, " nats")


def _values(rows: Sequence[Row], metric: str) -> dict[Hashable, BySeed]:
    values: dict[Hashable, dict[int, float]] = {}
    for row in rows:
        at = At(row["method"], row["encoder_steps"], row["bilevel_steps"])
        values.setdefault(at, {})[row["seed"]] = row[metric]
    return dict(values)
