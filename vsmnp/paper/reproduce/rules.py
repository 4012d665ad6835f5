"""Make the rules of the paper's claims: conditions that hold together, of methods that have learned.

Lower metrics are better. A method that a rule calls better than another, or alike, has to have learned, and
so has one that it describes; a model that has not learned is worse than others, and says nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from .answers import Answer, conjunction
from .conditions import SMALL, Condition, MetricValues, Place, RuleOutcome, judge, methods_of
from .training_end import TrainingEnd

Conditions: TypeAlias = Callable[[MetricValues], tuple[Condition, ...]]


@dataclass(frozen=True)
class Rule:
    """Conditions that have to hold together, on the values of one metric by method."""

    #: The rule in words.
    words: str
    #: The methods whose values are compared, or make the scale.
    needs: tuple[Hashable, ...]
    #: The conditions; which methods they compare may depend on the values.
    conditions: Conditions
    #: Whether the metric describes methods and does not rate them, so that all have to have learned.
    describes: bool = False

    def learners(self, condition: Condition) -> tuple[Hashable, ...]:
        """Return the methods that a condition calls better or alike, or describes."""
        described = self.describes or condition.share < 0
        return (*methods_of(condition.below), *(methods_of(condition.above) if described else ()))


def worse(these: Sequence[Place], those: Sequence[Place], share: float = 0.0) -> Rule:
    """Make the rule that each of ``these`` exceeds each of ``those``, by more than a share of the scale."""
    margin = f" by more than {share:g} of the scale" if share else ""
    return _of_pairs(f"{each_of(these)} exceeds {each_of(those)}{margin}", [
        Condition(a, b, share) for a in these for b in those
    ])  # fmt: skip


def little_worse(these: Sequence[Place], those: Sequence[Place], share: float) -> Rule:
    """Make the rule that none of ``these`` exceeds one of ``those`` by a share of the scale."""
    return _of_pairs(
        f"{each_of(these)} exceeds {each_of(those)} by less than {share:g} of the scale, or not at all",
        [Condition(b, a, -share) for a in these for b in those],
    )


def alike(one: Place, other: Place, among: Sequence[Hashable] = ()) -> Rule:
    """Make the rule that two methods differ by less than a small share of the scale that ``among`` make."""
    return _of_pairs(
        f"{one} and {other} differ by less than {SMALL:g} of the scale",
        [Condition(one, other, -SMALL), Condition(other, one, -SMALL)], among,
    )  # fmt: skip


def together(*rules: Rule) -> Rule:
    """Make the rule that several rules hold together."""
    return Rule(
        "; ".join(rule.words for rule in rules),
        tuple(dict.fromkeys(place for rule in rules for place in rule.needs)),
        lambda case: tuple(each for rule in rules for each in rule.conditions(case)),
        any(rule.describes for rule in rules),
    )


def judge_rule(rule: Rule, case: MetricValues) -> RuleOutcome:
    """Test the conditions of a rule: agree if all hold, differ if any does not.

    A condition is undecided if a method that it calls better or alike, or describes, has not learned, and if
    it does not hold only because of one that has not. The numbers are those of the condition that decides:
    the first of the least favourable answer, before others one about a method that has not learned.
    """
    absent = [str(place) for place in rule.needs if not case.values.get(place)]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        return RuleOutcome(Answer.MISSING, f"no {absent[0]}{more}")
    conditions = rule.conditions(case)
    if not conditions:
        return RuleOutcome(Answer.MISSING, "only one J, or only one K")
    if not case.learned:
        return RuleOutcome(Answer.UNDECIDED, f"no method is shown to be {case.better}", asked=False)
    found = sorted((_judged(rule, each, case) for each in conditions), key=lambda each: each.asked)
    answer = conjunction([each.answer for each in found])
    first, *others = (each for each in found if each.answer is answer)
    more = f" (and {len(others)} more)" if others and answer is not Answer.AGREES else ""
    return RuleOutcome(answer, first.numbers + more, first.asked)


def at_the_end(rule: Rule, found: RuleOutcome, end: TrainingEnd) -> RuleOutcome:
    """Add how far the training is from its end; what describes methods is undecided before it.

    A difference between methods of equal training is one of this training; what a method is like is said of
    the trained method.
    """
    answer = Answer.UNDECIDED if rule.describes and not end.reached else found.answer
    return replace(found, answer=answer, numbers=f"{found.numbers}; {end.words}")


def _judged(rule: Rule, condition: Condition, case: MetricValues) -> RuleOutcome:
    """Test a condition, if the methods have learned that have to have learned."""
    found = judge(condition, case)
    needed = rule.learners(condition)
    if found.answer is Answer.DIFFERS:
        needed = (*needed, *methods_of(condition.above))
    for place in needed:
        if not case.has_learned(place):
            return RuleOutcome(Answer.UNDECIDED, case.not_learned(place), asked=False)
    return found


def each_of(places: Sequence[Place]) -> str:
    """Name one place, or each of several."""
    names = ["one Gaussian" if place is None else str(place) for place in places]
    return names[0] if len(names) == 1 else f"each of {', '.join(names)}"


def _of_pairs(words: str, pairs: Sequence[Condition], among: Sequence[Hashable] = ()) -> Rule:
    """Make a rule whose conditions do not depend on the values."""
    needs = dict.fromkeys([*(place for each in pairs for place in each.places), *among])
    return Rule(words, tuple(needs), lambda case: tuple(pairs))
