"""Grade the errata: a closed table of grades, and one of the distinct errors in the paper's formulas.

One error can appear in several formulas: each statement names the error that its printed form makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol


class Grade(StrEnum):
    """The kind of an erratum: how much is known against the paper."""

    WRONG = "wrong"
    CONSTANT = "wrong constant"
    ASSUMPTION = "needs an assumption"
    MISPRINT = "misprint"
    TRANSCRIPT = "may be an artefact of the transcript"
    PEDANTIC = "pedantic"


#: The meaning of each grade, the strongest first.
MEANING: Mapping[Grade, str] = MappingProxyType({
    Grade.WRONG: "a counterexample within the assumptions that the paper states",
    Grade.CONSTANT: "right but for a constant factor, such as the 1/2 of definition (5)",
    Grade.ASSUMPTION: "right under an assumption that the paper does not state there",
    Grade.MISPRINT: "another symbol or word than the context needs",
    Grade.TRANSCRIPT: "a sign, a subscript, a square or a number that differs in the text used here; the "
    "published page, arXiv 2210.13390, decides",
    Grade.PEDANTIC: "loose notation or wording that misleads nobody",
})  # fmt: skip


@dataclass(frozen=True)
class Erratum:
    """One error in the paper's formulas.

    Attributes
    ----------
    grade : Grade
        Kind of the error.
    says : str
        What is printed and what would be right, in one sentence.
    """

    grade: Grade
    says: str


#: The distinct errors, by the name that the statements use.
ERRATA: Mapping[str, Erratum] = MappingProxyType({
    "log-volume": Erratum(Grade.WRONG, "(4) drops the sum of log s, which is not constant at the optimum."),
    "norm-for-variance": Erratum(
        Grade.WRONG, "L_2 has the mean squared norm of g where its variance belongs."
    ),
    "nested-l3": Erratum(
        Grade.WRONG, "Proposition A.1 averages over the data inside an h, and no function h makes it true."
    ),
    "zero-at-the-optimum": Erratum(
        Grade.WRONG, "The optimal Gaussian q is said to keep the Fisher divergence |mu|^2/2."
    ),
    "order-one": Erratum(
        Grade.WRONG, "A.4 drops terms of order |z - mu|^2 / gamma, which stay as gamma goes to zero."
    ),
    "ratio": Erratum(Grade.WRONG, "A.5.1 lost the factor s_1^2 + s_2^2 of the ratio of (31) to (29)."),
    "half-of-the-mean": Erratum(Grade.CONSTANT, "(4) has |mu|^2 where |mu|^2/2 belongs beside its h_K."),
    "half-of-fd": Erratum(Grade.CONSTANT, "A.4 and A.5.1 leave out the 1/2 of definition (5)."),
    "positive-b": Erratum(Grade.ASSUMPTION, "(22) needs b > 0, since gamma is a variance."),
    "fixed-q": Erratum(Grade.ASSUMPTION, "Propositions 4.1 and A.1 hold for a fixed q."),
    "finite-expectations": Erratum(Grade.ASSUMPTION, "(25) needs expectations that are finite."),
    "full-covariance": Erratum(
        Grade.ASSUMPTION, "The optimal precisions of FD and KL coincide for a q of full covariance."
    ),
    "score-of-one-sample": Erratum(
        Grade.ASSUMPTION, "Bao et al.'s objective is M_3 if its score is averaged over q."
    ),
    "theta-x": Erratum(Grade.MISPRINT, "The likelihood of Figure 1's model has the mean theta x."),
    "sum-to-d-z": Erratum(Grade.MISPRINT, "The variance of the reconstruction is summed to d_z, not to d_x."),
    "norm-of-the-mean": Erratum(
        Grade.MISPRINT, "The constant C_pi has the norm of the mean score, not the mean squared norm."
    ),
    "definition-of-j": Erratum(Grade.MISPRINT, "J in A.1 lacks its 1/2, and is squared once more."),
    "nabla-theta": Erratum(Grade.TRANSCRIPT, "(12) has nabla_theta where (13) has nabla_x."),
    "nabla-x": Erratum(Grade.TRANSCRIPT, "3.3.2 has one nabla_x between two gradients in z."),
    "ascent": Erratum(Grade.TRANSCRIPT, "Algorithm 1 lacks the sign of its updates."),
    "half-in-a-display": Erratum(Grade.TRANSCRIPT, "The last line of A.1's first display lacks a 1/2."),
    "square-of-the-norm": Erratum(Grade.TRANSCRIPT, "The first display of A.4 lacks the square of its norm."),
    "square-of-d": Erratum(Grade.TRANSCRIPT, "d(x) in A.5.1 lacks its square."),
    "little-o": Erratum(Grade.PEDANTIC, "A.4 writes o(z^2) for what it calls second or higher order."),
    "other-solutions": Erratum(Grade.PEDANTIC, "A.4 names one of the other stationary points, not all."),
})  # fmt: skip


class Graded(Protocol):
    """A statement or a slip in the words, with the error that it shows."""

    @property
    def error(self) -> str:
        """Name of the distinct error, empty for none."""

    @property
    def grade(self) -> Grade | None:
        """Grade of the error, None for what is right as printed."""


def count(entries: Iterable[Graded]) -> Mapping[Grade, int]:
    """Count the distinct errors among statements and slips, by grade, the strongest grade first."""
    grades = {entry.error: entry.grade for entry in entries if entry.error}
    return {grade: sum(each is grade for each in grades.values()) for grade in Grade}


def summary(statements: Iterable[Graded], slips: Iterable[Graded] = ()) -> str:
    """Write the numbers of distinct errors, and of each grade, in formulas and in words as sentences.

    An error in words is one of the slips, of which no formula can be evaluated.
    """
    found = [_counted("formulas", count(statements)), _counted("words", count(slips))]
    return " ".join(sentence for sentence in found if sentence)


def _counted(where: str, counts: Mapping[Grade, int]) -> str:
    parts = ", ".join(f"{number} {grade}" for grade, number in counts.items() if number)
    total = sum(counts.values())
    return f"{total} distinct error{'s' * (total > 1)} in {where}: {parts}." if total else ""
