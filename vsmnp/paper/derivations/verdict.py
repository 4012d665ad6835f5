"""Hold the outcome of all checks of a statement, of its mutations and of the steps of its derivation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .proof import Step
from .statement import Evidence, Statement


@dataclass(frozen=True)
class StepVerdict:
    """A step of a derivation with the outcome of its check, None for a step without one."""

    step: Step
    evidence: Evidence | None


@dataclass(frozen=True)
class Verdict:
    """The outcome of all checks of one statement.

    Attributes
    ----------
    statement : Statement
        The statement that was checked.
    evidence : sequence of Evidence
        Outcomes of the checks of the true form.
    counterexamples : sequence of Evidence
        Outcomes of the checks that the printed form fails.
    within : Evidence or None
        Evidence that the counterexample fulfils what the paper assumes, where an error is called wrong.
    rejections : mapping of str to tuple of int
        For each mutation, and for the printed form if it is wrong, the places of the checks that reject it.
    steps : sequence of StepVerdict
        The derivation.
    """

    statement: Statement
    evidence: Sequence[Evidence]
    counterexamples: Sequence[Evidence] = field(default=())
    within: Evidence | None = None
    rejections: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    steps: Sequence[StepVerdict] = ()

    @property
    def holds(self) -> bool:
        """Whether the true form passed every check, and so did every step of its derivation."""
        of_steps = (each.evidence for each in self.steps if each.evidence is not None)
        return all(each.holds for each in (*self.evidence, *of_steps))

    @property
    def accepted(self) -> list[str]:
        """Mutations that no check rejects: empty for sufficient checks."""
        return [name for name, places in self.rejections.items() if not places]

    @property
    def idle(self) -> list[int]:
        """Places of the checks that reject no mutation, so that they could not fail."""
        useful = {place for places in self.rejections.values() for place in places}
        return [place for place in range(len(self.evidence)) if place not in useful]

    @property
    def as_printed(self) -> str:
        """Return ``holds``, ``fails``, or ``none`` for what the paper does not state."""
        if not self.statement.in_paper:
            return "none"
        if self.statement.printed is None:
            return "holds" if self.holds else "fails"
        return "fails" if self.counterexamples else "holds"

    @property
    def corrected(self) -> str:
        """Return ``holds`` or ``fails`` where the true form is not the printed one, else ``none``."""
        if self.statement.in_paper and self.statement.printed is None:
            return "none"
        return "holds" if self.holds else "fails"
