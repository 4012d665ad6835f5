"""Test claims on a record: agrees, differs, undecided or missing, each with the deciding numbers."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile

from ..answers import Answer, conjunction
from ..conditions import SMALL, MetricValues, RuleOutcome
from ..reproduction import Table
from ..rules import Rule, at_the_end, judge_rule
from ..training_end import UNKNOWN, TrainingEnd, how_far, last_quarter, median_change
from .claims import ImageClaim
from .printed import PrintedValues
from .records import REFERENCE, Row

#: Nats by which the negative ELBO of a model that has learned is below the best constant decoder's. The
#: images have 1,024 and more dimensions: a hundredth of a nat for each.
GAIN = 10.0
_CONSTANT = "the best constant decoder"
#: Methods that compute the same with one posterior sample, where the squared mean of M2 is the mean square.
_SAME_AT_ONE_SAMPLE = (("K-M1", "K-M2"), ("F-M1", "F-M2"))


@dataclass(frozen=True)
class ImageVerdict:
    """The answer to a claim, for one metric on one dataset."""

    claim: ImageClaim
    dataset: str
    metric: str
    answer: Answer
    numbers: str


def verdicts(
    claims: Sequence[ImageClaim], rows: Sequence[Row], datasets: Sequence[str], samples: int = 0
) -> list[ImageVerdict]:
    """Test every claim on the rows of one architecture, for those of the datasets that it refers to.

    With one posterior sample (``samples``), M1 and M2 are the same objective, and with equal seeds the same
    run. In the paper's tables, whose seeds are not known, the difference between them is the noise from run
    to run that every other difference has to exceed.
    """
    return [
        _verdict(claim, dataset, metric, [row for row in rows if row["dataset"] == dataset], samples)
        for claim in claims
        for dataset in datasets
        if not claim.datasets or dataset in claim.datasets
        for metric in claim.metrics
    ]


def table(name: str, found: Sequence[ImageVerdict], printed: Sequence[ImageVerdict]) -> Table:
    """Make a row for each verdict, beside that of the paper's own tables where they hold the numbers."""
    header = ("claim", "source", "data", "metric", "this run", "paper's table", "numbers", "rule")
    known = {(v.claim, v.dataset, v.metric): str(v.answer) for v in printed if v.answer is not Answer.MISSING}
    rows = [
        (
            v.claim.text, v.claim.source, v.dataset, v.metric, str(v.answer),
            known.get((v.claim, v.dataset, v.metric)), v.numbers, v.claim.words,
        )
        for v in found
    ]  # fmt: skip
    return Table(name, header, rows)


def _verdict(claim: ImageClaim, dataset: str, metric: str, rows: Sequence[Row], samples: int) -> ImageVerdict:
    """Test the rules of a claim, which have to hold together; the least favourable answer decides."""
    parts = [(metric, claim.rule), *claim.also]
    answers = [(name, *_outcome(claim, rule, name, rows, samples)) for name, rule in parts]
    decisive = conjunction([answer for _, answer, _ in answers])
    name, answer, numbers = next(each for each in answers if each[1] is decisive)
    return ImageVerdict(claim, dataset, metric, answer, numbers if name == metric else f"{name}: {numbers}")


def _outcome(
    claim: ImageClaim, rule: Rule, metric: str, rows: Sequence[Row], samples: int
) -> tuple[Answer, str]:
    """Test one rule of a claim on a metric, and return the answer with the numbers that decide it."""
    moments = dict(_moments(rows, metric, samples))
    complete = {epoch: case for epoch, case in moments.items() if set(rule.needs) <= set(case.values)}
    if not complete:
        absent = [name for name in rule.needs if not any(name in case.values for case in moments.values())]
        numbers = (
            f"no {metric} of {', '.join(map(str, absent))}"
            if absent
            else f"no epoch at which all have {metric}"
        )
        return Answer.MISSING, numbers
    asked = {epoch: judge_rule(rule, case) for epoch, case in complete.items()}
    found = _at_every(asked) if claim.throughout else asked[max(asked)]
    if not all(row["seed"] is None for row in rows):  # the paper's are trained to their end
        found = at_the_end(rule, found, _training_end(rule, moments, complete))
    return found.answer, found.numbers


def _at_every(asked: Mapping[float, RuleOutcome]) -> RuleOutcome:
    """Combine the outcomes of all epochs from the first at which the models have learned.

    The numbers are those of the last epoch with the answer.
    """
    found = dict(dropwhile(lambda each: not each[1].asked, asked.items()))
    if not found:
        return asked[max(asked)]
    answer = conjunction([each.answer for each in found.values()])
    epoch = max(epoch for epoch, each in found.items() if each.answer is answer)
    numbers = found[epoch].numbers
    if len(found) > 1:
        agreeing = sum(each.answer is Answer.AGREES for each in found.values())
        numbers += f", at epoch {epoch:g}; holds at {agreeing} of {len(found)} evaluations"
    return RuleOutcome(answer, numbers)


def _moments(rows: Sequence[Row], metric: str, samples: int) -> Iterator[tuple[float, MetricValues]]:
    """Yield the epoch and the values of each evaluation; methods are compared at equal epochs."""
    for epoch in sorted({row["epoch"] for row in rows}):
        here = [row for row in rows if row["epoch"] == epoch]
        values = _by_method(here, metric)
        identical = _SAME_AT_ONE_SAMPLE if samples == 1 else ()
        if all(row["seed"] is None for row in here):
            yield epoch, PrintedValues(values, None, {}, math.nan, identical=identical)
        else:
            bound = here[0].get(REFERENCE)
            bound = -math.inf if bound is None else bound
            likelihoods = _by_method(here, "neg_elbo")
            yield epoch, MetricValues(values, None, likelihoods, bound, GAIN, identical, _CONSTANT)


def _by_method(rows: Sequence[Row], metric: str) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        if row.get(metric) is not None:
            found.setdefault(row["method"], {})[row["seed"] or 0] = float(row[metric])
    return found


def _training_end(
    rule: Rule, moments: Mapping[float, MetricValues], complete: Mapping[float, MetricValues]
) -> TrainingEnd:
    """Describe how much the compared methods changed in the last quarter of the training, at most.

    The change is that of the metric. That of the negative ELBO takes its place, beside the distance from the
    constant decoder, if the metric has a single evaluation or no scale, or describes methods.
    """
    end = max(complete)
    of_elbo = rule.describes or len(complete) < 2 or not complete[end].scale > 0
    if of_elbo:
        values = {epoch: case.nll for epoch, case in moments.items() if epoch <= end}
    else:
        values = {epoch: case.values for epoch, case in complete.items()}
    known = {epoch: each for epoch, each in values.items() if set(rule.needs) <= set(each)}
    epochs = sorted(known)
    start = last_quarter(epochs)
    if start is None or epochs[-1] < end:
        return UNKNOWN
    last, before = known[end], known[epochs[start]]
    changes: dict[Hashable, float] = {}
    for name in rule.needs:
        seeds = set(last[name]) & set(before[name])
        if not seeds:
            return UNKNOWN
        changes[name] = median_change(last[name][seed] - before[name][seed] for seed in seeds)
    if of_elbo:
        return how_far(changes, SMALL * complete[end].nll_scale, " nats of the negative ELBO")
    return how_far(changes, SMALL * complete[end].scale)
