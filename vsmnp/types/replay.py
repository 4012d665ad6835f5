"""Words for work that a device notes once and repeats: a recorder, and the step counter that it moves on.

A launch that is repeated takes the same arguments each time. What must change from one training step to the
next is therefore kept on the device: a counter of replays, and kernels that take their step of the randomness
as a number that grows with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from .arrays import Array

T = TypeVar("T")


class ReplayedInt(int):
    """An integer of a recorded step: ``value + rate * ticks[0]`` when it is replayed.

    Sums and products with integers are ticks again, so that code which computes with the number of a step
    needs not know that it is recorded.

    Parameters
    ----------
    value : int
        At the recording.
    rate : int
        What each replay adds.
    ticks : Array
        ``(1,)``, the replays done, on the device.
    """

    rate: int
    ticks: Any

    def __new__(cls, value: int, rate: int, ticks: Any) -> ReplayedInt:
        tick = super().__new__(cls, value)
        tick.rate, tick.ticks = rate, ticks
        return tick

    def __add__(self, other: int) -> ReplayedInt:
        return ReplayedInt(int(self) + int(other), self.rate + getattr(other, "rate", 0), self.ticks)

    __radd__ = __add__

    def __mul__(self, other: int) -> ReplayedInt:
        if isinstance(other, ReplayedInt):
            raise TypeError("A product of two ticks does not grow evenly.")
        return ReplayedInt(int(self) * other, self.rate * other, self.ticks)

    __rmul__ = __mul__


class Recorder(Protocol):
    """Notes what work starts on a device, and starts it again by one call.

    Work takes all that differs between two repetitions from arrays of the device that stay where they are.
    """

    @property
    def ticks(self) -> Array:
        """``(1,)``, replays since the recording."""

    def rehearse(self, work: Callable[[], T]) -> T:
        """Do the work now, on the stream and in the memory of a recording, which it prepares."""

    def record(self, work: Callable[[], T]) -> T:
        """Note the work without doing it; the arrays that it returns are filled by each replay."""

    def replay(self) -> None:
        """Do what was noted."""
