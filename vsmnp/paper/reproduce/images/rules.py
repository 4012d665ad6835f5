"""Make the rules that test the paper's claims about the methods on images, where lower metrics are better."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..conditions import SMALL, Condition, Level, Mean, MetricValues
from ..methods import NAMES

Conditions: TypeAlias = Callable[[MetricValues], tuple[Condition, ...]]


@dataclass(frozen=True)
class Rule:
    """Conditions that have to hold together, on the values of one metric by method."""

    #: The rule in words.
    words: str
    #: The methods whose values are compared.
    needs: tuple[str, ...]
    #: The conditions; which methods they compare may depend on the values.
    conditions: Conditions

    def learners(self, case: MetricValues) -> tuple[Hashable, ...]:
        """Return the methods that have to have learned: those called better or alike, or described.

        A model that has not learned is worse than others, and says nothing else.
        """
        found: dict[Hashable, None] = {}
        for each in self.conditions(case):
            if each.share < 0 or isinstance(each.below, Level):
                found.setdefault(each.above)
            if isinstance(each.below, Mean):
                found.update(dict.fromkeys(each.below.of))
            elif isinstance(each.below, str):
                found.setdefault(each.below)
        return tuple(found)


def worse(these: Sequence[str], those: Sequence[str]) -> Rule:
    """Make the rule that every one of ``these`` is larger than every one of ``those``."""
    return Rule(
        f"each of {', '.join(these)} exceeds each of {', '.join(those)}", (*these, *those),
        lambda case: tuple(Condition(a, b) for a in these for b in those),
    )  # fmt: skip


def highest(methods: Sequence[str], among: Sequence[str] = NAMES) -> Rule:
    """Make the rule that ``methods`` are the worst of all."""
    return worse(methods, [name for name in among if name not in methods])


def best(these: Sequence[str], among: Sequence[str] = NAMES) -> Rule:
    """Make the rule that one of ``these``, the one with the smallest median, is below all others."""
    others = [name for name in among if name not in these]

    def conditions(case: MetricValues) -> tuple[Condition, ...]:
        one = min(these, key=lambda name: _median(case, name))
        return tuple(Condition(other, one) for other in others)

    words = f"the smallest of {', '.join(these)} is below each of {', '.join(others)}"
    return Rule(words, tuple(among), conditions)


def worse_on_average(these: Sequence[str], those: Sequence[str]) -> Rule:
    """Make the rule that the mean of ``these`` is larger than that of ``those``."""
    return Rule(
        f"the mean of {', '.join(these)} exceeds that of {', '.join(those)}", (*these, *those),
        lambda case: (Condition(Mean(tuple(these)), Mean(tuple(those))),),
    )  # fmt: skip


def alike(one: str, other: str, among: Sequence[str] = NAMES) -> Rule:
    """Make the rule that two methods differ by less than a small share of the scale."""
    return Rule(
        f"{one} and {other} differ by less than {SMALL:g} of the scale", tuple(among),
        lambda case: (Condition(one, other, -SMALL), Condition(other, one, -SMALL)),
    )  # fmt: skip


def at_least(methods: Sequence[str], level: float) -> Rule:
    """Make the rule that every one of ``methods`` exceeds a level."""
    return Rule(
        f"each of {', '.join(methods)} exceeds {level:g}", tuple(methods),
        lambda case: tuple(Condition(name, Level(level)) for name in methods),
    )  # fmt: skip


def _median(case: MetricValues, name: str) -> float:
    """Return the median over the seeds; a method that diverged is the last."""
    values = case.values.get(name, {}).values()
    found = statistics.median(values) if values else math.inf
    return math.inf if math.isnan(found) else found
