"""Run the checks of the true form, of the printed form, and of every mutation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...types.progress import Progress
from .statement import Check, Claim, Effort, Statement, Verdict

#: Effort of ``vsmnp verify`` unless it is told to be thorough.
USUAL = Effort()


def judge(statement: Statement, effort: Effort = USUAL) -> Verdict:
    """Run every check on the true form and, where the paper prints another one, on that too."""
    evidence = [check(statement.form.claim, effort) for check in statement.checks]
    if statement.printed is None:
        return Verdict(statement, evidence)
    of_printed = [check(statement.printed.claim, effort) for check in statement.checks]
    within = statement.within() if statement.within is not None else None
    return Verdict(statement, evidence, [each for each in of_printed if not each.holds], within)


def judge_all(
    statements: Sequence[Statement], effort: Effort = USUAL, progress: Progress = lambda done, total: None
) -> Iterator[Verdict]:
    """Yield the verdict on each statement, in order, as soon as it is reached."""
    for done, statement in enumerate(statements, 1):
        yield judge(statement, effort)
        progress(done, len(statements))


class Weakness(NamedTuple):
    """The gaps in a statement's checks; both lists are empty for sufficient checks.

    Attributes
    ----------
    accepted : list of str
        Mutations that no check rejects, the printed form among them if it is wrong.
    idle : list of str
        Checks that reject none of the wrong claims, so that they could not fail.
    """

    accepted: list[str]
    idle: list[str]


def weakness(statement: Statement, effort: Effort = USUAL) -> Weakness:
    """Find the mutations that no check rejects and the checks that reject no mutation.

    Checks that have rejected nothing so far run on every mutation; the others only until one rejects it.
    """
    wrong: dict[str, Claim] = dict(statement.mutations)
    if statement.printed is not None:
        wrong["as printed"] = statement.printed.claim
    idle, proven, accepted = list(statement.checks), list[Check](), list[str]()
    for name, claim in wrong.items():
        rejecting = [check for check in idle if not check(claim, effort).holds]
        if not rejecting and all(check(claim, effort).holds for check in proven):
            accepted.append(name)
        idle = [check for check in idle if check not in rejecting]
        proven += rejecting
    return Weakness(accepted, [check.__name__ for check in idle])
