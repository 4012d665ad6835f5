"""Define the protocol of a recorder of device work, and an integer that grows with each replay.

A recorded launch has the same arguments in every replay. Values that change from one training step to the
next are therefore kept on the device: a counter of replays, and kernels whose step of the random stream is
computed from that counter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from .arrays import Array

T = TypeVar("T")


class ReplayedInt(int):
    """An integer of a recorded step, equal to ``value + rate * ticks[0]`` in a replay.

    Sums and products with integers are of this type again, so that code which computes with the step
    number needs no change to be recorded.

    Parameters
    ----------
    value : int
        Value during the recording.
    rate : int
        Increment per replay.
    ticks : Array
        ``(1,)``, the number of replays so far, on the device.
    """

    rate: int
    ticks: Any

    def __new__(cls, value: int, rate: int, ticks: Any) -> ReplayedInt:
        number = super().__new__(cls, value)
        number.rate, number.ticks = rate, ticks
        return number

    def __add__(self, other: int) -> ReplayedInt:
        return ReplayedInt(int(self) + int(other), self.rate + getattr(other, "rate", 0), self.ticks)

    __radd__ = __add__

    def __mul__(self, other: int) -> ReplayedInt:
        if isinstance(other, ReplayedInt):
            raise TypeError("A product of two ReplayedInts does not grow evenly: multiply one by an int.")
        return ReplayedInt(int(self) * other, self.rate * other, self.ticks)

    __rmul__ = __mul__


class Recorder(Protocol):
    """Record the work that a function launches on a device, and launch it again by one call.

    All that differs between two replays is read from device arrays with fixed addresses.
    """

    @property
    def ticks(self) -> Array:
        """Number of replays since the recording, ``(1,)``."""

    def rehearse(self, work: Callable[[], T]) -> T:
        """Run the work once on the stream and memory of a recording, to prepare the recording."""

    def record(self, work: Callable[[], T]) -> T:
        """Record the work without running it; each replay fills the arrays that it returns."""

    def replay(self) -> None:
        """Launch the recorded work again."""
