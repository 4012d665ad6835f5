"""Make the rules of claims about all methods: that some are best or worst, or worse on average."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from ..conditions import Condition, Level, Mean, MetricValues
from ..methods import NAMES
from ..rules import Rule, each_of, worse


def highest(methods: Sequence[str], among: Sequence[str] = NAMES) -> Rule:
    """Make the rule that ``methods`` are the worst of all."""
    return worse(methods, [name for name in among if name not in methods])


def best(these: Sequence[str], among: Sequence[str] = NAMES) -> Rule:
    """Make the rule that one of ``these``, the one with the smallest median, is below all others."""
    others = [name for name in among if name not in these]

    def conditions(case: MetricValues) -> tuple[Condition, ...]:
        one = min(these, key=lambda name: _median(case, name))
        return tuple(Condition(other, one) for other in others)

    one_of = these[0] if len(these) == 1 else f"the smallest of {', '.join(these)}"
    words = f"{one_of} is below {each_of(others)}"
    return Rule(words, tuple(among), conditions)


def worse_on_average(these: Sequence[str], those: Sequence[str]) -> Rule:
    """Make the rule that the mean of ``these`` is larger than that of ``those``."""
    return worse((Mean(tuple(these)),), (Mean(tuple(those)),))


def at_least(methods: Sequence[str], level: float) -> Rule:
    """Make the rule that every one of ``methods``, which it describes, exceeds a level."""
    return replace(worse(methods, (Level(level),)), describes=True)


def _median(case: MetricValues, name: str) -> float:
    """Return the median over the seeds; a method that diverged is the last."""
    values = case.values.get(name, {}).values()
    found = statistics.median(values) if values else math.inf
    return math.inf if math.isnan(found) else found
