"""The process of a training run: its number of threads, its memory, and the signals that stop it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vsmnp.errors import Interrupted
from vsmnp.settings.thread_variables import LINEAR_ALGEBRA, NUMBA


def prepare_process(threads: int, parts: int = 1) -> None:
    """Set the number of threads, whatever the environment says, and keep freed memory.

    The parts of a minibatch that are computed at the same time share the threads of the linear algebra. The
    environment must be set before it is loaded, so no command imports it earlier.
    """
    os.environ[NUMBA] = str(threads)
    for name in LINEAR_ALGEBRA:
        os.environ[name] = str(threads // min(threads, max(parts, 1)))
    from vsmnp.kernels.cpu.allocator import keep_freed_memory

    keep_freed_memory()


class StopRequest:
    """A callable that returns whether a signal has arrived."""

    def __init__(self) -> None:
        self.arrived = False

    def __call__(self) -> bool:
        return self.arrived


class _Interrupts:
    """The number of SIGINTs that were to end the command, of which the second ends the process at once."""

    came = 0


def _end() -> None:
    """Raise KeyboardInterrupt the first time, and then end the process: it may be within its clean-up."""
    _Interrupts.came += 1
    if _Interrupts.came > 1:
        os._exit(Interrupted.exit_code)
    raise KeyboardInterrupt


@contextmanager
def interrupts_without_traceback() -> Iterator[None]:
    """Let the first SIGINT raise KeyboardInterrupt, and each later one end the process without a word.

    Files are whole at every instant, so that nothing is lost. Once one came, the handler stays: Python would
    print a traceback of one that comes while the process ends.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous, hook = signal.signal(signal.SIGINT, lambda number, frame: _end()), sys.unraisablehook

    def unraisable(found: sys.UnraisableHookArgs) -> None:
        if found.exc_type is KeyboardInterrupt:  # raised where Python can only print it
            os._exit(Interrupted.exit_code)
        hook(found)

    sys.unraisablehook = unraisable
    _Interrupts.came = 0
    try:
        yield
    finally:
        if not _Interrupts.came:
            signal.signal(signal.SIGINT, previous)
        sys.unraisablehook = hook


@contextmanager
def catch_signals() -> Iterator[StopRequest]:
    """Yield a request to stop and save, which SIGINT and SIGTERM set.

    A second SIGINT aborts the command, and a third ends the process at once.
    """
    request = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:
        if request.arrived and number == signal.SIGINT:
            _end()
        request.arrived = True

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
