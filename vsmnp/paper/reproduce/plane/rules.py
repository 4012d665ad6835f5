"""Test conditions on differences of metrics, paired over the seeds: each is a claim's rule or a part of it.

A condition states that one value exceeds another by more than a share of the scale, which is the distance of
the method with the best likelihood from the best single Gaussian. A difference within two standard errors of
its mean over the seeds decides nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from ..answers import Answer

#: Number of standard errors within which a difference decides nothing.
ERRORS = 2.0

BySeed: TypeAlias = Mapping[int, float]


@dataclass(frozen=True)
class At:
    """A method with its numbers J of encoder updates and K of bi-level updates."""

    method: str
    encoder_steps: int
    bilevel_steps: int = 0

    def __str__(self) -> str:
        bilevel = f", K={self.bilevel_steps}" if self.bilevel_steps else ""
        return f"{self.method} (J={self.encoder_steps}{bilevel})"


#: Either a place in the grid, or None for the best single Gaussian.
Place: TypeAlias = At | None


@dataclass(frozen=True)
class Condition:
    """The condition ``value(above) - value(below) > share * scale``."""

    above: Place
    below: Place
    share: float = 0.0
    #: Whether it holds unless a difference of two standard errors contradicts it.
    unless_contradicted: bool = False

    @property
    def places(self) -> tuple[At, ...]:
        """The places in the grid whose values are compared."""
        return tuple(place for place in (self.above, self.below) if place is not None)


@dataclass(frozen=True)
class MetricValues:
    """The values of one metric on one dataset, where lower is better."""

    #: The metric of each model by its place in the grid and its seed.
    values: Mapping[At, BySeed]
    #: The metric of the best single Gaussian.
    gaussian: float
    #: The negative log-likelihood in the same form; it decides whether anything was learned.
    nll: Mapping[At, BySeed] = field(repr=False)
    nll_gaussian: float = field(repr=False)

    @cached_property
    def scale(self) -> float:
        """The distance of the method with the best likelihood, by medians, from the best single Gaussian."""
        best = min(self.values, key=lambda place: statistics.median(self.nll[place].values()))
        return self.gaussian - statistics.median(self.values[best].values())

    @cached_property
    def learned(self) -> bool:
        """Whether some method is better than one Gaussian in likelihood, by two standard errors."""
        gaps = ([self.nll_gaussian - value for value in each.values()] for each in self.nll.values())
        return self.scale > 0 and any(decided(gap) is Answer.AGREES for gap in gaps)


@dataclass(frozen=True)
class RuleOutcome:
    """The answer to a condition or a claim, with the numbers that decide it."""

    answer: Answer
    numbers: str


def decided(differences: Sequence[float]) -> Answer:
    """Return whether differences, one for each seed, are above zero by two standard errors of their mean.

    If a model has diverged the mean has no error: a sign that all differences share decides.
    """
    if len(differences) < 2:
        return Answer.UNDECIDED
    if not all(map(math.isfinite, differences)):
        if all(each > 0 for each in differences):
            return Answer.AGREES
        return Answer.DIFFERS if all(each < 0 for each in differences) else Answer.UNDECIDED
    mean, error = _mean_and_error(differences)
    if mean > ERRORS * error:
        return Answer.AGREES
    return Answer.DIFFERS if mean < -ERRORS * error else Answer.UNDECIDED


def judge(condition: Condition, case: MetricValues) -> RuleOutcome:
    """Test a condition on a case that has values at all its places."""
    above, below = (_at(place, case) for place in (condition.above, condition.below))
    seeds = sorted(set(above) & set(below)) if above and below else sorted({*above, *below})
    margin = condition.share * case.scale
    gaps = [above.get(seed, case.gaussian) - below.get(seed, case.gaussian) for seed in seeds]
    answer = decided([gap - margin for gap in gaps])
    if condition.unless_contradicted and answer is Answer.UNDECIDED:
        answer = Answer.AGREES
    difference = f"{_name(condition.above)} - {_name(condition.below)}: {_shown(gaps)}"
    return RuleOutcome(answer, f"{difference}, asked > {margin:.3g}")


def judge_all(conditions: Sequence[Condition], case: MetricValues) -> RuleOutcome:
    """Test conditions that have to hold together: agree if all do, differ if any does.

    The numbers are those of the condition that decides: the first of the least favourable answer.
    """
    wanted = dict.fromkeys(place for each in conditions for place in each.places)
    absent = [str(place) for place in wanted if place not in case.values]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        return RuleOutcome(Answer.MISSING, f"no {absent[0]}{more}")
    if not conditions:
        return RuleOutcome(Answer.MISSING, "only one J, or only one K")
    if not case.learned:
        return RuleOutcome(Answer.UNDECIDED, "no method is better than one Gaussian")
    found = [judge(each, case) for each in conditions]
    for answer in (Answer.DIFFERS, Answer.UNDECIDED, Answer.AGREES):
        deciding = [each for each in found if each.answer is answer]
        if deciding:
            others = len(deciding) - 1 if answer is not Answer.AGREES else 0
            return RuleOutcome(answer, deciding[0].numbers + (f" (and {others} more)" if others else ""))
    raise AssertionError


def _at(place: Place, case: MetricValues) -> BySeed:
    return {} if place is None else case.values[place]


def _name(place: Place) -> str:
    return "one Gaussian" if place is None else str(place)


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Compute the mean over at least two seeds and its standard error."""
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))


def _shown(gaps: Sequence[float]) -> str:
    finite = [gap for gap in gaps if math.isfinite(gap)]
    if len(finite) < len(gaps):
        return f"{len(gaps) - len(finite)} of {len(gaps)} diverged"
    if len(gaps) < 2:
        return ", ".join(f"{gap:.3g}" for gap in gaps)
    mean, error = _mean_and_error(gaps)
    return f"{mean:.3g} \N{PLUS-MINUS SIGN} {error:.2g}"
