"""Run the checks: of the true form, of the printed one, and of every deliberate slip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from .statement import Claim, Effort, Statement, Verdict

#: What ``vsmnp verify`` does unless told to be thorough.
USUAL = Effort()


def judge(statement: Statement, effort: Effort = USUAL) -> Verdict:
    """Every check of the true form and, where the paper prints another one, of that too."""
    evidence = [check(statement.form.claim, effort) for check in statement.checks]
    if statement.printed is None:
        return Verdict(statement, evidence)
    of_printed = [check(statement.printed.claim, effort) for check in statement.checks]
    return Verdict(statement, evidence, [each for each in of_printed if not each.holds])


def judge_all(
    statements: Sequence[Statement],
    effort: Effort = USUAL,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Verdict]:
    """The verdict on each, in order, as it is reached."""
    for done, statement in enumerate(statements, 1):
        yield judge(statement, effort)
        progress(done, len(statements))


def rejections(statement: Statement, effort: Effort = USUAL) -> dict[str, list[bool]]:
    """For each deliberate slip, and the printed form if it is wrong, which of the checks reject it.

    A slip that no check rejects, or a check that rejects no slip, would be a check that cannot fail.
    """
    wrong: dict[str, Claim] = dict(statement.mutations)
    if statement.printed is not None:
        wrong["as printed"] = statement.printed.claim
    return {
        name: [not check(claim, effort).holds for check in statement.checks] for name, claim in wrong.items()
    }
