"""Name the outcomes of testing claims of the paper against numbers, and count them in sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Protocol


class Answer(StrEnum):
    """The outcome of testing a claim against numbers."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNDECIDED = "undecided"
    MISSING = "missing"


def conjunction(answers: Collection[Answer]) -> Answer:
    """Combine answers that have to hold together: differ if any differs, agree only if all agree."""
    least_favourable_first = (Answer.DIFFERS, Answer.MISSING, Answer.UNDECIDED)
    return next((each for each in least_favourable_first if each in answers), Answer.AGREES)


class Asked(Protocol):
    """The text and the source of a claim of the paper, as the sentences quote it."""

    @property
    def text(self) -> str:
        """The claim in a few words."""

    @property
    def source(self) -> str:
        """Section or table in which the paper makes the claim."""


class Judged(Protocol):
    """The answer to a claim, for one metric on one dataset."""

    @property
    def claim(self) -> Asked:
        """The claim that was tested."""

    @property
    def dataset(self) -> str:
        """The dataset, and what else distinguishes the runs."""

    @property
    def metric(self) -> str:
        """The metric that was compared."""

    @property
    def answer(self) -> Answer:
        """The outcome of the test."""

    @property
    def numbers(self) -> str:
        """The numbers that decide it."""


def sentences(found: Sequence[Judged]) -> Iterator[str]:
    """Yield for each claim how often the numbers agree; claims without numbers are left out."""
    for claim in dict.fromkeys(verdict.claim for verdict in found):
        asked = [v for v in found if v.claim is claim and v.answer is not Answer.MISSING]
        if not asked:
            continue
        yes = sum(v.answer is Answer.AGREES for v in asked)
        open_ = sum(v.answer is Answer.UNDECIDED for v in asked)
        no = [f"{v.dataset}, {v.metric}: {v.numbers}" for v in asked if v.answer is Answer.DIFFERS]
        undecided = f" ({open_} undecided)" if open_ else ""
        against = f"; against it {'; '.join(no)}" if no else ""
        yield f"{claim.text} ({claim.source}): this run agrees in {yes} of {len(asked)}{undecided}{against}."
