"""Statements of the paper, the evidence of their checks, and the effort of a check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from .errata import ERRATA, Grade

#: Kind of argument that a check makes.
Kind: TypeAlias = Literal[
    "symbolic", "closed form", "quadrature", "finite differences", "search", "monte carlo"
]

#: A form of a statement as code: usually a function whose arguments are named as in the formula. The checks
#: of the statement evaluate it; they treat the printed, the true and the mutated claims alike.
Claim: TypeAlias = Any


@dataclass(frozen=True)
class Evidence:
    """The outcome of one check of one claim.

    Attributes
    ----------
    kind : str
        Kind of argument that the check makes.
    error : float
        Symbolic: 0 or 1. Monte Carlo: the distance in standard errors. Otherwise: the relative error.
    tolerance : float
        The claim holds if ``error <= tolerance``.
    detail : str
        Both sides with their numbers, so that a failure can be quoted as a counterexample.
    """

    kind: Kind
    error: float
    tolerance: float
    detail: str

    @property
    def holds(self) -> bool:
        """Whether the claim passed; a nan error counts as a failure."""
        return self.error <= self.tolerance


@dataclass(frozen=True)
class Effort:
    """The effort of the checks: a factor that tightens tolerances and enlarges samples.

    Attributes
    ----------
    tighten : int
        Factor by which errors are to be smaller: it divides tolerances, and its square multiplies samples.
    """

    tighten: int = 1

    def tolerance(self, usual: float) -> float:
        """Return the tolerance of a deterministic check."""
        return usual / self.tighten

    def samples(self, usual: int) -> int:
        """Return the number of samples of a Monte Carlo check."""
        return usual * self.tighten**2


#: One check: compares a claim with an independent computation, with the given effort.
Check: TypeAlias = Callable[[Claim, Effort], Evidence]


@dataclass(frozen=True)
class Form:
    """One way to write a statement.

    Attributes
    ----------
    latex : str
        The formula, in LaTeX without dollar signs.
    claim : Claim
        The same formula as code.
    literal : bool
        For a printed form: whether the paper prints it as a formula, or states it in words.
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
        Section of the paper, such as ``"A.2"``; ``"engine"``, unless given, for identities of the engine
        beyond the paper.
    title : str
        Title of a few words, without formula.
    assumptions : str
        Assumptions of the formula, in one sentence.
    latex : str
        The true formula, in LaTeX without dollar signs.
    claim : Claim
        The true formula as code.
    checks : sequence of Check
        At least two kinds where two apply.
    mutations : mapping of str to Claim
        Deliberate mutations (a sign, a factor, an index), named: each must be rejected by some check, and
        each check must reject some mutation.
    printed : Form or None
        The formula of the paper where it differs from the true one.
    error : str
        Name of the error that the printed form makes, of :data:`~.errata.ERRATA`; empty without a printed
        form.
    within : Callable or None
        For an error of the grade "wrong": evidence that the counterexample fulfils what the paper assumes.
    consequence : str
        Where the paper is wrong: what that changes for its argument, in a sentence or two.
    code : str
        The code that computes it, as ``"vsmnp.model.likelihood.precision"``: a dotted name that exists and
        that some check runs. Empty only where ``without_code`` says why.
    without_code : str
        Why no code computes it, in one sentence; empty where ``code`` names some.

    Raises
    ------
    ValueError
        If the statement has neither code nor a reason for having none, or both.
    """

    id: str
    title: str
    assumptions: str
    latex: str
    claim: Claim
    checks: Sequence[Check]
    mutations: Mapping[str, Claim]
    section: str = "engine"
    printed: Form | None = None
    error: str = ""
    within: Callable[[], Evidence] | None = None
    consequence: str = ""
    code: str = ""
    without_code: str = ""

    def __post_init__(self) -> None:
        if bool(self.code) == bool(self.without_code):
            raise ValueError(f"{self.id} needs either the name of its code or a reason for having none.")

    @property
    def form(self) -> Form:
        """The true formula and its code."""
        return Form(self.latex, self.claim)

    @property
    def wrong(self) -> dict[str, Claim]:
        """The mutations by their names, and as one more the printed form if it is not the true one."""
        printed = {"as printed": self.printed.claim} if self.printed is not None else {}
        return {**self.mutations, **printed}

    @property
    def grade(self) -> Grade | None:
        """The grade of the error, None for a statement that is right as printed."""
        return ERRATA[self.error].grade if self.error else None

    @property
    def in_paper(self) -> bool:
        """Whether the paper states this formula."""
        return self.section != "engine"
