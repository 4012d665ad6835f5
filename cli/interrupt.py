"""Ctrl-C and SIGTERM ask a run to stop and save; a second Ctrl-C stops at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """False until a signal came."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self) -> bool:
        return self.came


@contextmanager
def catch_signals() -> Iterator[StopRequest]:
    """While this lasts, SIGINT and SIGTERM set the request that it yields."""
    request = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:
        if request.came and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.came = True

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
