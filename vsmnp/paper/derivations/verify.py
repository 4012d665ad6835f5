"""Run the checks of the true form, of the printed form, of every mutation and of every step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...types.progress import Progress
from .proof import proof_of
from .statement import Check, Claim, Effort, Evidence, Statement
from .verdict import StepVerdict, Verdict

#: Effort of ``vsmnp verify`` unless it is told to be thorough.
USUAL = Effort()


def judge(statement: Statement, effort: Effort = USUAL) -> Verdict:
    """Run every check on the true form, the printed form and the mutations, and check each step."""
    evidence = [check(statement.form.claim, effort) for check in statement.checks]
    steps = [StepVerdict(step, step.check()) for step in proof_of(statement.id)]
    against: list[Evidence] = []
    if statement.printed is not None:
        of_printed = [check(statement.printed.claim, effort) for check in statement.checks]
        against = [each for each in of_printed if not each.holds]
    within = statement.within() if statement.within is not None else None
    return Verdict(statement, evidence, against, within, _rejections(statement), steps)


def judge_all(
    statements: Sequence[Statement], effort: Effort = USUAL, progress: Progress = lambda done, total: None
) -> Iterator[Verdict]:
    """Yield the verdict on each statement, in order, as soon as it is reached."""
    for done, statement in enumerate(statements, 1):
        yield judge(statement, effort)
        progress(done, len(statements))


def _rejections(statement: Statement) -> dict[str, tuple[int, ...]]:
    """Run every check on every mutation, with the usual effort, and return the places of those that fail."""
    return {
        name: tuple(place for place, check in enumerate(statement.checks) if _rejects(check, claim))
        for name, claim in statement.wrong.items()
    }


def _rejects(check: Check, claim: Claim) -> bool:
    """Return whether a check fails for a claim, or the shapes in the claim do not fit at all."""
    try:
        return not check(claim, USUAL).holds
    except ValueError:
        return True
