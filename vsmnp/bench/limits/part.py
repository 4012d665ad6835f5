"""Make rows of the limits of one core: its arithmetic peak, and the bandwidth of its caches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .. import timing
from ..bench import Bench
from ..case import Case
from ..row import BenchRow
from .caches import copies_within, working_sets
from .fma import multiply_adds


@dataclass(frozen=True)
class LimitsPart:
    """The fused multiply-adds of one core per second, and its copies within each level of the caches."""

    #: Case of which the dtype is used.
    on: Case

    @property
    def title(self) -> str:
        return f"limits/{self.on.dtype}"

    def rows(self, bench: Bench) -> Iterator[BenchRow]:
        call, flops = multiply_adds(self.on.dtype)
        (times,) = timing.interleaved([call], bench.pace)
        yield bench.row(
            f"fma/{self.on.dtype}", self.on, times, gflops=1e-9 * timing.centre(flops / times), tf32=False
        )
        for level, size in working_sets().items():
            copies, moved = copies_within(size)
            (times,) = timing.interleaved([copies], bench.pace)
            rate = 1e-9 * timing.centre(moved / times)
            yield bench.row(f"copy/{level}", self.on, times, bytes=moved, bandwidth=rate, tf32=False)
