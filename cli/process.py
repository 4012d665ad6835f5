"""The process of a training run: its number of threads, its memory, and the signals that stop it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vsmnp.settings.thread_variables import LINEAR_ALGEBRA, NUMBA


def prepare_process(threads: int) -> None:
    """Set the number of threads, whatever the environment says, and keep freed memory.

    The environment must be set before the linear algebra is loaded, so no command imports it earlier.
    """
    for name in (*LINEAR_ALGEBRA, NUMBA):
        os.environ[name] = str(threads)
    from vsmnp.kernels.cpu.allocator import keep_freed_memory

    keep_freed_memory()


class StopRequest:
    """A callable that returns whether a signal has arrived."""

    def __init__(self) -> None:
        self.arrived = False

    def __call__(self) -> bool:
        return self.arrived


@contextmanager
def catch_signals() -> Iterator[StopRequest]:
    """Yield a request to stop and save, which SIGINT and SIGTERM set; a second SIGINT aborts the process."""
    request = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:
        if request.arrived and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.arrived = True

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
