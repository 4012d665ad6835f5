"""Times of contenders that run by turns in one process, so that a slow moment hits them all."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..types import Array

#: Fewer rounds say too little about their spread.
LEAST_ROUNDS = 7
#: A step that takes so many seconds is warm after one.
LONG = 0.5


class Timed(Protocol):
    """What can be timed; what its methods return is not looked at."""

    def step(self) -> object:
        """Do it once."""

    def wait(self) -> object:
        """Until it is done."""


@dataclass(frozen=True)
class Call:
    """A function as something to be timed."""

    step: Callable[[], object]
    wait: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Pace:
    """How long to measure.

    Attributes
    ----------
    rounds : int
        Rounds; in each, every contender has one turn.
    seconds : float
        A turn repeats its contender for about so long, or at least once.
    """

    rounds: int = LEAST_ROUNDS
    seconds: float = 0.1


def interleaved(contenders: Sequence[Timed], pace: Pace) -> Array:
    """Seconds a step, ``(contenders, rounds)``; who begins changes from round to round."""
    repeats = [_repeats(contender, pace.seconds) for contender in contenders]
    times = np.empty((len(contenders), pace.rounds))
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for turn in range(pace.rounds):
            for place in range(len(contenders)):
                i = (place + turn) % len(contenders)
                times[i, turn] = _measure(contenders[i], repeats[i]) / repeats[i]
    finally:
        if collecting:
            gc.enable()
    return times


def _repeats(contender: Timed, seconds: float) -> int:
    """How many steps fill a turn, after a warm-up in which everything is compiled and allocated.

    Three steps of warm-up and three to look at, but one of each where a step alone takes long.
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
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    contender.wait()
    return time.perf_counter() - start


def median(times: Array) -> float:
    """In milliseconds."""
    return 1e3 * float(np.median(times))


def spread(times: Array) -> float:
    """Interquartile range in milliseconds."""
    low, high = np.quantile(times, (0.25, 0.75))
    return 1e3 * float(high - low)


def ratio(theirs: Array, mine: Array) -> float:
    """Median over the rounds of their time over mine."""
    return float(np.median(theirs / mine))


def centre(values: Array) -> float:
    """Median over the rounds."""
    return float(np.median(values))
