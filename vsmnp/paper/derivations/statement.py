"""What a statement of the paper is, what counts as evidence for it, and how much of it is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

#: What kind of argument a check makes.
Kind: TypeAlias = Literal[
    "symbolic", "closed form", "quadrature", "finite differences", "search", "monte carlo"
]

#: What a form of a statement says, as code: usually a function with the names of the formula. The checks
#: of the statement know how to read it, and they read the printed, the true and the mutated ones alike.
Claim: TypeAlias = Any


@dataclass(frozen=True)
class Evidence:
    """The outcome of one check of one claim.

    Attributes
    ----------
    kind : str
        What kind of argument it is.
    error : float
        Symbolic: 0 or 1. Monte Carlo: the distance in standard errors. Otherwise: the relative error.
    tolerance : float
        The claim holds if ``error <= tolerance``.
    detail : str
        Both sides with their numbers, so that a failure is a counterexample that can be quoted.
    """

    kind: Kind
    error: float
    tolerance: float
    detail: str

    @property
    def holds(self) -> bool:
        """Whether the claim passed; an error that is not a number did not."""
        return self.error <= self.tolerance


@dataclass(frozen=True)
class Effort:
    """How hard the checks try.

    Attributes
    ----------
    tighten : int
        Errors are to be this many times smaller: tolerances divide by it, samples grow by its square.
    """

    tighten: int = 1

    def tolerance(self, usual: float) -> float:
        """The tolerance of a deterministic check."""
        return usual / self.tighten

    def samples(self, usual: int) -> int:
        """The samples of a Monte Carlo check."""
        return usual * self.tighten**2


#: One check: how well a claim stands, with so much effort.
Check: TypeAlias = Callable[[Claim, Effort], Evidence]


@dataclass(frozen=True)
class Form:
    """One way to write a statement.

    Attributes
    ----------
    latex : str
        The formula, in LaTeX without dollar signs.
    claim : Claim
        The same as code.
    literal : bool
        For a printed form: whether it stands there as a formula, or is what the words say.
    """

    latex: str
    claim: Claim
    literal: bool = True


@dataclass(frozen=True)
class Statement:
    r"""One equation, proposition, step or identity, with everything that decides whether it is true.

    Attributes
    ----------
    id : str
        ``"15"`` for equation (15), else ``"prop-4.1"``, ``"A.5.1-ratios"``, ``"engine-dense"``.
    section : str
        Of the paper, such as ``"A.2"``; ``"engine"`` for what the engine rests on beyond the paper.
    title : str
        A few words, no formula.
    assumptions : str
        What must be granted, a sentence.
    form : Form
        The true formula.
    checks : sequence of Check
        At least two kinds where two apply.
    mutations : mapping of str to Claim
        Deliberate slips (a sign, a factor, an index), named: each must be rejected by some check, and
        each check must reject some slip.
    printed : Form or None
        The formula of the paper where that is another one.
    consequence : str
        Where the paper is wrong: what that changes for its argument, a sentence or two.
    code : str
        Where the engine uses it, as ``"vsmnp.model.likelihood.precision"``; a dotted name that exists.
    """

    id: str
    section: str
    title: str
    assumptions: str
    form: Form
    checks: Sequence[Check]
    mutations: Mapping[str, Claim]
    printed: Form | None = None
    consequence: str = ""
    code: str = ""

    @property
    def in_paper(self) -> bool:
        """Whether the paper states it."""
        return self.section != "engine"


@dataclass(frozen=True)
class Verdict:
    """What the checks said of one statement.

    Attributes
    ----------
    statement : Statement
        The statement.
    evidence : sequence of Evidence
        For the true form.
    counterexamples : sequence of Evidence
        The checks that the printed form fails.
    """

    statement: Statement
    evidence: Sequence[Evidence]
    counterexamples: Sequence[Evidence] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether the form that we call true passed every check."""
        return all(each.holds for each in self.evidence)

    @property
    def as_printed(self) -> str:
        """``holds``, ``fails``, or ``none`` for what the paper does not state."""
        if not self.statement.in_paper:
            return "none"
        if self.statement.printed is None:
            return "holds" if self.holds else "fails"
        return "fails" if self.counterexamples else "holds"

    @property
    def corrected(self) -> str:
        """``holds`` or ``fails`` where the true form is not the printed one, else ``none``."""
        if self.statement.in_paper and self.statement.printed is None:
            return "none"
        return "holds" if self.holds else "fails"
