"""The part of a campaign that one process does, within a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass
class Share:
    """Every ``parts``-th trial from ``part`` on, or some of them, until the time is over.

    Attributes
    ----------
    part, parts : int
        Which of how many processes this is.
    trials : int
        How many trials of each list are done, at equal distances; 0: all.
    seconds : float
        When no more trials begin. What is left out is counted in ``left``.
    """

    part: int = 0
    parts: int = 1
    trials: int = 0
    seconds: float = float("inf")
    left: int = 0
    _begun: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        """The seconds since the begin."""
        return time.monotonic() - self._begun

    def of(self, trials: Sequence[T], fraction: float = 1.0) -> Iterator[T]:
        """Yield the trials of this share, until this fraction of the time is over.

        The order visits the whole list at growing density, so that what is done within the time is a sample
        of all of it.
        """
        mine = trials[self.part :: self.parts]
        wanted = self.trials or len(mine)
        chosen = mine[:: max(1, len(mine) // wanted)][:wanted]
        stride = next(each for each in (997, 991, 983, 977) if len(chosen) % each)
        for done in range(len(chosen)):
            if self.spent > fraction * self.seconds:
                self.left += len(mine) - done
                return
            yield chosen[done * stride % len(chosen)]
        self.left += len(mine) - len(chosen)
