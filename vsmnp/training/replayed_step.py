"""Training steps recorded by a device: one runs unrecorded, one is recorded, all others are replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..errors import DeviceError
from ..types import Array
from ..types.replay import Recorder, ReplayedInt
from .state import State

T = TypeVar("T")


@dataclass
class ReplayedStep(Generic[T]):
    """A training step that is recorded once and replayed, over minibatches at fixed addresses.

    Parameters
    ----------
    recorder : Recorder
        Recorder of the device.
    work : callable
        ``work(state, t, xs)`` runs step t in place; it reads no host data that changes between steps.

    Attributes
    ----------
    obstacle : str or None
        Why recording failed on this device, if it did; steps are then run without a recording.
    """

    recorder: Recorder
    work: Callable[[State, int, Sequence[Array]], T]
    obstacle: str | None = None
    _xs: list[Array] = field(default_factory=list, init=False)
    _state: State | None = field(default=None, init=False)
    _next: int = field(default=-1, init=False)
    _result: T | None = field(default=None, init=False)

    def __call__(self, state: State, xs: Sequence[Array]) -> T:
        """Run step ``state.step``; the next call overwrites the returned arrays."""
        t = state.step
        if self.obstacle is not None:
            return self.work(state, t, xs)
        self._place(xs)
        known = state is self._state and t == self._next
        self._state, self._next = state, t + 1
        if not known:  # other arrays, or another step of the run
            self._result = None
            return self.recorder.rehearse(lambda: self.work(state, t, self._xs))
        if self._result is None:
            try:
                tick = ReplayedInt(t, 1, self.recorder.ticks)
                self._result = self.recorder.record(lambda: self.work(state, tick, self._xs))
            except (RuntimeError, MemoryError, DeviceError) as error:
                self.obstacle = f"{type(error).__name__}: {error}"
                return self.work(state, t, xs)
        self.recorder.replay()
        return self._result

    def _place(self, xs: Sequence[Array]) -> None:
        """Copy the minibatches to the arrays that the recording reads."""
        if not self._xs:
            self._xs = [x.copy() for x in xs]
            return
        for place, x in zip(self._xs, xs, strict=True):
            place[...] = x
