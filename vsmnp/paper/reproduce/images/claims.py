"""Test the paper's claims about the objectives on images against numbers; each claim is a rule.

A rule is tested on one metric and one dataset, where lower is better. With several seeds a difference within
twice its standard error decides nothing; with one seed there is no standard error, and the order decides.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ..answers import Answer
from ..methods import NAMES


@dataclass(frozen=True)
class Estimate:
    """The mean over seeds and its standard error, which is NaN for a single seed."""

    mean: float
    error: float = math.nan


Values: TypeAlias = Mapping[str, Estimate]


class Rule(Protocol):
    """A condition on the values of a metric by method."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The methods that the rule compares."""

    def judge(self, values: Values) -> Answer:
        """Return whether the rule holds of the values; those of all needed methods must be given."""

    def numbers(self, values: Values) -> str:
        """Format the numbers on which the answer is based."""


class _Rivals(ABC):
    """A rule of two methods that the values choose: it holds if the first is the larger."""

    def judge(self, values: Values) -> Answer:
        larger, smaller = (values[name] for name in self.rivals(values))
        margin, error = larger.mean - smaller.mean, math.hypot(larger.error, smaller.error)
        if abs(margin) < 2 * error:  # never true of a single seed, whose error is NaN
            return Answer.UNDECIDED
        return Answer.AGREES if margin > 0 else Answer.DIFFERS

    def numbers(self, values: Values) -> str:
        return " against ".join(_named(values, *self.shown(values)))

    @abstractmethod
    def rivals(self, values: Values) -> tuple[str, str]:
        """Return the method whose value has to be larger, and the one whose value has to be smaller."""

    def shown(self, values: Values) -> tuple[str, str]:
        """Return the two methods in the order in which their numbers are shown."""
        return self.rivals(values)


@dataclass(frozen=True)
class Worse(_Rivals):
    """The rule that every one of ``these`` is larger than every one of ``those``."""

    these: tuple[str, ...]
    those: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.these, *self.those)

    def rivals(self, values: Values) -> tuple[str, str]:
        worst = max(self.those, key=lambda name: _sortable(values[name].mean))
        return _least(self.these, values), worst


def highest(methods: tuple[str, ...], among: Sequence[str] = NAMES) -> Worse:
    """Make the rule that ``methods`` are the worst of all."""
    return Worse(methods, tuple(name for name in among if name not in methods))


@dataclass(frozen=True)
class Lowest(_Rivals):
    """The rule that the smallest value of all is that of one of ``these``."""

    these: tuple[str, ...]
    among: tuple[str, ...] = NAMES

    @property
    def needs(self) -> tuple[str, ...]:
        return self.among

    def rivals(self, values: Values) -> tuple[str, str]:
        others = tuple(name for name in self.among if name not in self.these)
        return _least(others, values), _least(self.these, values)

    def shown(self, values: Values) -> tuple[str, str]:
        other, one = self.rivals(values)
        return one, other


@dataclass(frozen=True)
class MostlyWorse:
    """The rule that in most pairs the first is larger than the second."""

    pairs: tuple[tuple[str, str], ...]

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(name for pair in self.pairs for name in pair)

    def judge(self, values: Values) -> Answer:
        return Answer.AGREES if 2 * self._count(values) > len(self.pairs) else Answer.DIFFERS

    def numbers(self, values: Values) -> str:
        return f"{self._count(values)} of {len(self.pairs)} pairs"

    def _count(self, values: Values) -> int:
        return sum(_sortable(values[one].mean) > _sortable(values[other].mean) for one, other in self.pairs)


@dataclass(frozen=True)
class Alike:
    """The rule that two methods differ by less than a share of the range of all methods."""

    one: str
    other: str
    share: float = 0.1
    among: tuple[str, ...] = NAMES

    @property
    def needs(self) -> tuple[str, ...]:
        return self.among

    def judge(self, values: Values) -> Answer:
        return Answer.AGREES if self._gap(values) < self.share else Answer.DIFFERS

    def numbers(self, values: Values) -> str:
        return f"{', '.join(_named(values, self.one, self.other))}: {self._gap(values):.1%} of the spread"

    def _gap(self, values: Values) -> float:
        """Compute the difference of the two over the range of all methods."""
        known = [values[name].mean for name in self.among if math.isfinite(values[name].mean)]
        spread = max(known, default=0.0) - min(known, default=0.0)
        gap = abs(values[self.one].mean - values[self.other].mean)
        return gap / spread if spread > 0 and math.isfinite(gap) else math.inf


@dataclass(frozen=True)
class AtLeast:
    """The rule that every one of ``methods`` reaches a level."""

    methods: tuple[str, ...]
    level: float

    @property
    def needs(self) -> tuple[str, ...]:
        return self.methods

    def judge(self, values: Values) -> Answer:
        reached = all(values[name].mean >= self.level for name in self.methods)
        return Answer.AGREES if reached else Answer.DIFFERS

    def numbers(self, values: Values) -> str:
        return f"{', '.join(_named(values, *self.methods))}; asked {self.level:g}"


@dataclass(frozen=True)
class ImageClaim:
    """A sentence of the paper with the rule, metrics and datasets by which it is tested."""

    #: The claim in a few words.
    text: str
    #: Section or table in which the paper makes the claim.
    source: str
    #: Metrics on each of which it is tested.
    metrics: tuple[str, ...]
    #: Condition that has to hold.
    rule: Rule
    #: Datasets on each of which it is tested; empty for every dataset.
    datasets: tuple[str, ...] = ()
    #: Whether it is tested at every evaluation of the training instead of the last only.
    throughout: bool = False


def _sortable(value: float) -> float:
    """Replace nan by infinity: a diverged model is worse than any other."""
    return math.inf if math.isnan(value) else value


def _least(names: Sequence[str], values: Values) -> str:
    return min(names, key=lambda name: _sortable(values[name].mean))


def _named(values: Values, *names: str) -> list[str]:
    """Format the values of methods, such as ``K-M1 5.2 ± 0.1``."""

    def error(value: Estimate) -> str:
        return f" ± {value.error:.2g}" if math.isfinite(value.error) else ""

    return [f"{name} {values[name].mean:.4g}{error(values[name])}" for name in names]
