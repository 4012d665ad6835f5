"""Test conditions on differences of metrics, paired over the seeds: the parts of a claim's rule.

A condition states that one value exceeds another by more than a share of the scale of the metric: the
distance of the method with the best likelihood from the best single Gaussian, or, of a metric that a Gaussian
does not have, the range over the methods that have learned, three at least. A difference decides only if
Student's 95 % interval of its mean over the seeds lies on one side of the margin; one seed has no interval.
If two methods compute the same thing, the difference between them decides nothing: with equal seeds it is 0,
and of printed numbers, whose seeds are not known, it is noise from run to run.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from .answers import Answer
from .paired import student_quantile

#: Differences below this share of the scale are small; the paper gives no number.
SMALL = 0.1

BySeed: TypeAlias = Mapping[int, float]


@dataclass(frozen=True)
class Level:
    """A number that values are compared with."""

    value: float

    def __str__(self) -> str:
        return f"{self.value:g}"


@dataclass(frozen=True)
class Mean:
    """The mean of several places, seed by seed."""

    of: tuple[Hashable, ...]

    def __str__(self) -> str:
        return f"mean of {', '.join(map(str, self.of))}"


#: A method, at a place of a grid if there is one; a mean of such; a level; None for the best single Gaussian.
Place: TypeAlias = Hashable | Mean | Level | None


@dataclass(frozen=True)
class Condition:
    """The condition ``value(above) - value(below) > share * scale``."""

    above: Place
    below: Place
    share: float = 0.0
    #: Whether it holds unless the interval of the difference contradicts it.
    unless_contradicted: bool = False

    @property
    def places(self) -> tuple[Hashable, ...]:
        """The places whose values are compared."""
        return tuple(each for place in (self.above, self.below) for each in methods_of(place))


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its standard error, which is nan of a single seed."""

    mean: float
    error: float = math.nan
    #: Degrees of freedom of the error.
    freedom: int = 0
    #: The finite values, if others of one sign are infinite and so is the mean.
    finite: tuple[float, ...] = ()

    def exceeds(self, margin: float = 0.0) -> Answer:
        """Return whether it and its 95 % interval lie above a margin, or below it.

        If some values are infinite, all finite ones have to lie on the same side and to decide themselves.
        """
        gap = self.mean - margin
        if self.finite:
            same_side = all((value - margin) * gap > 0 for value in self.finite)
            return estimate(self.finite).exceeds(margin) if same_side else Answer.UNDECIDED
        if math.isnan(self.error):
            return Answer.UNDECIDED
        half = student_quantile(self.freedom) * self.error if self.error else 0.0
        if gap > half:
            return Answer.AGREES
        return Answer.DIFFERS if gap < -half else Answer.UNDECIDED


@dataclass(frozen=True)
class MetricValues:
    """The values of one metric on one dataset, where lower is better."""

    #: The metric of each model by its place and its seed.
    values: Mapping[Any, BySeed]
    #: The metric of the best single Gaussian; None if it has none.
    gaussian: float | None
    #: The negative log-likelihood or its bound in the same form; it decides whether anything was learned.
    nll: Mapping[Any, BySeed] = field(repr=False)
    nll_gaussian: float = field(repr=False)
    #: Nats by which a method that has learned is better than one Gaussian, at least.
    gain: float = 0.0
    #: Pairs of places that compute the same thing.
    identical: tuple[tuple[Hashable, Hashable], ...] = ()
    #: The model that a method has to be better than, in words.
    constant: str = "one Gaussian"

    @cached_property
    def scale(self) -> float:
        """The unit in which margins are stated; see the module."""
        if self.gaussian is None:
            learned = [each for place, each in self.values.items() if self.has_learned(place)]
            known = list(filter(math.isfinite, (statistics.median(each.values()) for each in learned)))
            # the range of two methods is their own difference, which is all of it
            return max(known) - min(known) if len(known) > 2 else 0.0
        return self.gaussian - statistics.median(self.values[self._best].values())

    @property
    def nll_scale(self) -> float:
        """The distance of the best likelihood from that of one Gaussian, nats."""
        return self.nll_gaussian - statistics.median(self.nll[self._best].values())

    @cached_property
    def _best(self) -> Hashable:
        """The place with the best likelihood."""
        known: list[Hashable] = [place for place in self.values if self.nll.get(place)]
        return min(known, key=lambda place: statistics.median(self.nll[place].values()))

    @cached_property
    def learned(self) -> bool:
        """Whether some method has learned."""
        return any(map(self.has_learned, self.nll))

    @property
    def better(self) -> str:
        """The words by which a method that has learned is described."""
        margin = f" by {self.gain:g} nats" if self.gain else ""
        return f"better than {self.constant}{margin}"

    def not_learned(self, place: Hashable) -> str:
        """Describe a method that has not learned."""
        several = len(self.nll.get(place, {})) > 1
        shown = " shown by its 95 % interval to be" if several else ""
        return f"{place} is not{shown} {self.better}"

    @property
    def noise(self) -> float:
        """The noise from run to run that differences have to exceed besides their interval: none.

        Two methods that compute the same thing are one run for each seed, whose difference is 0, and the
        noise is in the interval over the seeds.
        """
        return 0.0

    def has_learned(self, place: Hashable) -> bool:
        """Return whether a method is better than one Gaussian in likelihood, by the interval over its seeds.

        Of a single seed it is enough to be better: no difference of one seed decides anything else.
        """
        gaps = [self.nll_gaussian - value for value in self.nll.get(place, {}).values()]
        if len(gaps) == 1:
            return gaps[0] > self.gain
        return estimate(gaps).exceeds(self.gain) is Answer.AGREES

    def difference(self, above: Place, below: Place) -> Estimate:
        """Estimate ``value(above) - value(below)`` over the seeds that both have."""
        return estimate(self.gaps(above, below))

    def gaps(self, above: Place, below: Place) -> list[float]:
        """Return ``value(above) - value(below)`` for each seed that both have."""
        first, second = self._of(above), self._of(below)
        if isinstance(first, float) and isinstance(second, float):
            return [first - second]
        if isinstance(first, float):
            return [first - value for _, value in sorted(second.items())]  # type: ignore[union-attr]
        if isinstance(second, float):
            return [value - second for _, value in sorted(first.items())]
        return [first[seed] - second[seed] for seed in sorted(set(first) & set(second))]

    def _of(self, place: Place) -> BySeed | float:
        """Return the values of a place by seed, or the one value of a place without seeds."""
        if place is None:
            if self.gaussian is None:
                raise AssertionError("this metric of one Gaussian is not known")
            return self.gaussian
        if isinstance(place, Level):
            return place.value
        if isinstance(place, Mean):
            parts = [self.values[each] for each in place.of]
            seeds = set.intersection(*map(set, parts))
            return {seed: statistics.fmean(part[seed] for part in parts) for seed in seeds}
        return self.values[place]


@dataclass(frozen=True)
class RuleOutcome:
    """The answer to a condition or a claim, with the numbers that decide it."""

    answer: Answer
    numbers: str
    #: Whether methods that the claim is about have learned, so that it could be asked.
    asked: bool = True


def estimate(values: Sequence[float]) -> Estimate:
    """Compute the mean over seeds and its standard error.

    If models have diverged, always in the same of two methods, the mean is infinite and has no error.
    """
    finite = tuple(filter(math.isfinite, values))
    if len(values) > 1 and len(finite) < len(values):
        infinite = set(values) - set(finite)
        return Estimate(infinite.pop(), 0.0, finite=finite) if len(infinite) == 1 else Estimate(math.nan)
    if len(values) < 2:
        return Estimate(values[0] if values else math.nan)
    error = statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(statistics.fmean(values), error, len(values) - 1)


def judge(condition: Condition, case: MetricValues) -> RuleOutcome:
    """Test a condition on a case that has values at all its places."""
    above, below = condition.above, condition.below
    margin = condition.share * case.scale
    found = case.difference(above, below)
    difference = f"{_name(above)} - {_name(below)}: {_shown(found, case.gaps(above, below))}"
    if {above, below} in map(set, case.identical):
        return RuleOutcome(Answer.UNDECIDED, f"{difference}, of methods that compute the same")
    if condition.share and not case.scale > 0:
        return RuleOutcome(Answer.UNDECIDED, f"{difference}, of a metric without a scale", asked=False)
    answer = Answer.UNDECIDED
    if found.exceeds(margin + case.noise) is Answer.AGREES:
        answer = Answer.AGREES
    elif found.exceeds(margin - case.noise) is Answer.DIFFERS:
        answer = Answer.DIFFERS
    if condition.unless_contradicted and answer is Answer.UNDECIDED:
        answer = Answer.AGREES
    noise = f", with noise {case.noise:.2g}" if case.noise else ""
    return RuleOutcome(answer, f"{difference}, asked > {margin:.3g}{noise}")


def methods_of(place: Place) -> tuple[Hashable, ...]:
    """Return the methods of a place: several of a mean, none of a level or of one Gaussian."""
    if isinstance(place, Mean):
        return place.of
    return () if place is None or isinstance(place, Level) else (place,)


def _name(place: Place) -> str:
    return "one Gaussian" if place is None else str(place)


def _shown(found: Estimate, gaps: Sequence[float]) -> str:
    diverged = sum(not math.isfinite(gap) for gap in gaps)
    if diverged:
        return f"{diverged} of {len(gaps)} diverged"
    error = "" if math.isnan(found.error) else f" \N{PLUS-MINUS SIGN} {found.error:.2g}"
    return f"{found.mean:.3g}{error}"
