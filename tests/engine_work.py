"""Work that the tests of engines give to other processes, which import it from here."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from vsmnp.errors import ConfigError, Interrupted
from vsmnp.sweeps.engines.engine import Report
from vsmnp.types.progress import Stop


def double(item: int, report: Report, stop: Stop) -> int:
    report(1000)
    return 2 * item


def fail(item: int, report: Report, stop: Stop) -> int:
    raise ConfigError(f"Item {item} fails.")


def end_once(item: tuple[int, Path], report: Report, stop: Stop) -> int:
    """End the process of the first call for an odd number, as the system does where memory is short."""
    number, folder = item
    mark = folder / f"{number}"
    if number % 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def end_always(item: int, report: Report, stop: Stop) -> int:
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def end_late(item: Path, report: Report, stop: Stop) -> None:
    """Write a file at the begin, and another a while after a stop was requested."""
    (item / "begun").touch()
    while not stop():
        time.sleep(0.02)
    time.sleep(2)
    (item / "ended").touch()


def wait_for_stop(item: int, report: Report, stop: Stop) -> int:
    while not stop():
        report(1)
        time.sleep(0.05)
    raise Interrupted("Stopped.")


def fault(item: int, report: Report, stop: Stop) -> int:
    """Raise what a fault of vsmnp or a missing module raises."""
    if item == 1:
        raise KeyError("steps")
    if item == 2:
        import a_module_that_is_missing  # type: ignore[import-not-found]  # noqa: F401
    return item


def exhaust(item: int, report: Report, stop: Stop) -> int:
    """Raise what an array that is too large raises."""
    raise MemoryError


def card(item: tuple[int, Path], report: Report, stop: Stop) -> tuple[int, str]:
    """Return the process with the GPU that it sees; the first process that has item 2 is lost."""
    number, folder = item
    mark = folder / "lost"
    if number == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)  # every process works on some items
    return os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"]
