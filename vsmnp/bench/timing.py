"""Time contenders in turn in one process, so that disturbances affect all of them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from ..types import Array
from ..types.progress import Stop

#: Least number of rounds that gives a meaningful spread.
LEAST_ROUNDS = 7
#: Seconds; a step that takes longer is warm after one call.
LONG = 0.5


class Timed(Protocol):
    """The protocol of what can be timed; return values are ignored.

    A contender that takes several steps in one call has their number as ``steps_per_call``.
    """

    def step(self) -> object:
        """Run one step of the contender, or ``steps_per_call``."""

    def wait(self) -> object:
        """Block until it is done."""


@dataclass(frozen=True)
class Call:
    """A function with the interface of a contender."""

    step: Callable[[], object]
    wait: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Pace:
    """Number of rounds and duration of a measurement."""

    #: Number of rounds; in each, every contender has one turn.
    rounds: int = LEAST_ROUNDS
    #: Approximate duration of a turn, which has at least one step.
    seconds: float = 0.1
    #: Returns whether to end the measurement after the round in progress.
    stop: Stop = field(default=lambda: False, compare=False)


@dataclass
class Clock:
    """Seconds of each part; time within a part that another part takes is the other's alone."""

    wait: Callable[[], object]
    seconds: dict[str, float] = field(default_factory=dict)
    _inner: list[float] = field(default_factory=list)

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, whose time is added to the part."""

        def call(*given: Any, **named: Any) -> Any:
            self.wait()
            start = perf_counter()
            self._inner.append(0.0)
            try:
                result = function(*given, **named)
                self.wait()
            finally:
                whole = perf_counter() - start
                self.seconds[part] = self.seconds.get(part, 0.0) + whole - self._inner.pop()
                if self._inner:
                    self._inner[-1] += whole
            return result

        return call

    def watch(self, owner: object, part: str, *methods: str) -> None:
        """Time these methods of one object, whose class stays as it is."""
        for method in methods:
            if hasattr(owner, method):
                object.__setattr__(owner, method, self.timed(part, getattr(owner, method)))


def interleaved(contenders: Sequence[Timed], pace: Pace) -> Array:
    """Measure seconds per step, ``(contenders, rounds)``; the first contender rotates with the rounds.

    After a request to stop there are fewer rounds, or none and a KeyboardInterrupt.
    """
    repeats = [_repeats(contender, pace.seconds) for contender in contenders]
    each = [getattr(contender, "steps_per_call", 1) for contender in contenders]
    times = np.empty((len(contenders), pace.rounds))
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for turn in range(pace.rounds):
            if pace.stop():
                if not turn:
                    raise KeyboardInterrupt
                return times[:, :turn]
            for place in range(len(contenders)):
                i = (place + turn) % len(contenders)
                times[i, turn] = _measure(contenders[i], repeats[i]) / (repeats[i] * each[i])
    finally:
        if collecting:
            gc.enable()
    return times


def _repeats(contender: Timed, seconds: float) -> int:
    """Count the calls of a turn, after a warm-up in which everything is compiled and allocated.

    There are three warm-up and three timed calls, but one of each if a single call takes long.
    """
    contender.step()
    once = _measure(contender, 1)
    if once < LONG:
        for _ in range(2):
            contender.step()
        once = min(_measure(contender, 1) for _ in range(3))
    return max(1, round(seconds / max(once, 1e-7)))


def _measure(contender: Timed, repeats: int) -> float:
    step = contender.step
    contender.wait()
    start = perf_counter()
    for _ in range(repeats):
        step()
    contender.wait()
    return perf_counter() - start


def median(times: Array) -> float:
    """Compute the median in milliseconds."""
    return 1e3 * float(np.median(times))


def spread(times: Array) -> float:
    """Compute the interquartile range in milliseconds."""
    low, high = np.quantile(times, (0.25, 0.75))
    return 1e3 * float(high - low)


def ratio(theirs: Array, mine: Array) -> float:
    """Compute the median over the rounds of their time over mine."""
    return float(np.median(theirs / mine))


def centre(values: Array) -> float:
    """Compute the median over the rounds."""
    return float(np.median(values))
