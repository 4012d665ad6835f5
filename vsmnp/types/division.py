"""Define how a minibatch is divided into parts, and how the processes that share them communicate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .arrays import Array


@dataclass(frozen=True)
class RowRange:
    """Rows ``first .. first + count`` of a minibatch of ``total`` rows."""

    first: int
    count: int
    total: int


class Communicator(Protocol):
    """The ranks ``0 .. size`` of one training, each of which is a process; ``size`` is a power of two."""

    @property
    def rank(self) -> int:
        """Index of this process among those of the training, from 0."""

    @property
    def size(self) -> int:
        """Number of processes, a power of two."""

    def exchange(self, partner: int, x: Array) -> Array:
        """Send x to a rank that calls this too, and return the array of the same shape that it sends.

        Raises
        ------
        RankError
            If another rank has failed.
        """

    def close(self) -> None:
        """End the communication when all ranks have called this; they go on as processes of their own."""

    def fail(self, error: BaseException) -> None:
        """Tell all ranks that this one fails; return in rank 0, and leave the process in the others."""


class Division(Protocol):
    """The division of minibatches into P parts of equal size, of which this process computes some.

    A sum over the minibatch is computed part by part, and the parts are summed by one binary tree, so that
    the result is the same for any number of processes.
    """

    @property
    def parts(self) -> int:
        """P, number of parts, a power of two."""

    @property
    def own(self) -> range:
        """The parts of this process, in order."""

    @property
    def threads(self) -> int:
        """Number of parts of this process that are computed at the same time."""

    def means(self, own: Sequence[Sequence[Array]]) -> tuple[Array, ...]:
        """Average arrays over all parts, given those of each own part; arrays of a part have one type."""

    def moments(self, own: Sequence[Array]) -> Array:
        """Combine means and variances ``(2, ...)`` of each own part to those of all parts together."""
