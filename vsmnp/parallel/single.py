"""The communicator of a process that trains alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..types import Array


@dataclass(frozen=True)
class SingleRank:
    """One process, which has no partner; every method costs nothing."""

    rank: ClassVar[int] = 0
    size: ClassVar[int] = 1

    def exchange(self, partner: int, x: Array) -> Array:
        """Raise a ValueError: there is no partner."""
        raise ValueError(f"There is no rank {partner} beside the only one.")

    def close(self) -> None:
        """Do nothing: no rank has to be met."""

    def fail(self, error: BaseException) -> None:
        """Do nothing: no other rank has to be told."""


#: The communicator of every training that is not started by ``mpiexec``.
ALONE = SingleRank()
