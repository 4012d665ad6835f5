"""Test claims on a record: agrees, differs, undecided or missing, each with the deciding numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..answers import Answer
from ..reproduction import Table
from .claims import ImageClaim, Values
from .records import Row, estimates


@dataclass(frozen=True)
class ImageVerdict:
    """The answer to a claim, for one metric on one dataset."""

    claim: ImageClaim
    dataset: str
    metric: str
    answer: Answer
    numbers: str


def verdicts(
    claims: Sequence[ImageClaim], rows: Sequence[Row], datasets: Sequence[str]
) -> list[ImageVerdict]:
    """Test every claim on the rows of one architecture, for those of the datasets that it refers to."""
    return [
        _verdict(claim, dataset, metric, [row for row in rows if row["dataset"] == dataset])
        for claim in claims
        for dataset in datasets
        if not claim.datasets or dataset in claim.datasets
        for metric in claim.metrics
    ]


def table(name: str, found: Sequence[ImageVerdict], printed: Sequence[ImageVerdict]) -> Table:
    """Make a row for each verdict, beside that of the paper's own tables where they hold the numbers."""
    header = ("claim", "source", "data", "metric", "this run", "paper's table", "numbers")
    known = {(v.claim, v.dataset, v.metric): str(v.answer) for v in printed if v.answer is not Answer.MISSING}
    rows = [
        (
            v.claim.text, v.claim.source, v.dataset, v.metric, str(v.answer),
            known.get((v.claim, v.dataset, v.metric)), v.numbers,
        )
        for v in found
    ]  # fmt: skip
    return Table(name, header, rows)


def _verdict(claim: ImageClaim, dataset: str, metric: str, rows: Sequence[Row]) -> ImageVerdict:
    moments = list(_moments(rows, metric))
    complete = [values for values in moments if set(claim.rule.needs) <= set(values)]
    if not complete:
        absent = [name for name in claim.rule.needs if not any(name in values for values in moments)]
        numbers = f"no {metric} of {', '.join(absent)}" if absent else f"no epoch at which all have {metric}"
        return ImageVerdict(claim, dataset, metric, Answer.MISSING, numbers)
    answers = [claim.rule.judge(values) for values in (complete if claim.throughout else complete[-1:])]
    numbers = claim.rule.numbers(complete[-1])
    if len(answers) > 1:
        numbers += f"; holds at {answers.count(Answer.AGREES)} of {len(answers)} evaluations"
    return ImageVerdict(claim, dataset, metric, _together(answers), numbers)


def _moments(rows: Sequence[Row], metric: str) -> Iterator[Values]:
    """Yield the estimates of each evaluation; methods are compared at equal epochs."""
    for epoch in sorted({row["epoch"] for row in rows}):
        yield estimates((row for row in rows if row["epoch"] == epoch), metric)


def _together(answers: Sequence[Answer]) -> Answer:
    """Combine the answers over evaluations: agree only if all agree, differ if any differs."""
    for answer in (Answer.DIFFERS, Answer.UNDECIDED):
        if answer in answers:
            return answer
    return Answer.AGREES
