"""Measure the time of a call on a GPU and on its host: medians over rounds of at least twenty calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import cupy

#: Number of calls between two events, and number of rounds of the median.
CALLS, ROUNDS = 20, 7


def on_device(work: Callable[[], object], calls: int = CALLS) -> float:
    """Return the median microseconds of a call between two events on the default stream.

    The default stream synchronises with all others, so work on a separate stream is included. If a call
    takes less time on the card than on the host, this is the host's time.
    """
    work()
    times = []
    for _ in range(ROUNDS):
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        for _ in range(calls):
            work()
        end.record()
        end.synchronize()
        times.append(1e3 * cupy.cuda.get_elapsed_time(start, end) / calls)
    return float(statistics.median(times))


def on_host(work: Callable[[], object], calls: int = 200) -> float:
    """Return the median microseconds that the host needs for one call, without waiting for the GPU."""
    work()
    times = []
    for _ in range(ROUNDS):
        cupy.cuda.Device().synchronize()
        start = time.perf_counter()
        for _ in range(calls):
            work()
        times.append(1e6 * (time.perf_counter() - start) / calls)
    cupy.cuda.Device().synchronize()
    return statistics.median(times)
