"""Test the paper's claims on rows of models: agrees, differs, undecided or missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....data import load_data
from ..answers import Answer
from ..conditions import BySeed, MetricValues, judge_all
from ..one_gaussian import one_gaussian
from ..reproduction import Table
from .claims import At, Axes, PlaneClaim
from .variants import belongs, combinations

Row = Mapping[str, Any]


@dataclass(frozen=True)
class PlaneVerdict:
    """The answer to a claim, for one metric of the runs of one dataset, optimisation and estimator."""

    claim: PlaneClaim
    place: tuple[str, str, str]
    metric: str
    answer: Answer
    numbers: str

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
            v.claim.rule,
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
    case = MetricValues(_values(rows, metric), known[metric], _values(rows, "nll"), known["nll"])
    found = judge_all(claim.conditions(axes), case)
    return PlaneVerdict(claim, place, metric, found.answer, found.numbers)


def _values(rows: Sequence[Row], metric: str) -> dict[At, BySeed]:
    values: dict[At, dict[int, float]] = {}
    for row in rows:
        at = At(row["method"], row["encoder_steps"], row["bilevel_steps"])
        values.setdefault(at, {})[row["seed"]] = row[metric]
    return dict(values)
