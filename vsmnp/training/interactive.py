"""Train interactively: show a progress bar, and let an interrupt keep what is trained."""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

from .history import History
from .loop import Watch
from .state import State

#: Seconds before a bar is shown: a short training shows none.
_DELAY = 1.0


def is_watched() -> bool:
    """Return whether Python is used interactively: in a notebook, or at a prompt."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive)


class Interrupt:
    """A request to stop, by Ctrl-C or by the interrupt of a notebook."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self) -> bool:
        return self.came


@contextmanager
def catch_interrupt() -> Iterator[Interrupt]:
    """Yield a request that the first SIGINT sets; the second raises KeyboardInterrupt at once.

    Outside the main thread, and where the program handles SIGINT itself, nothing is caught.
    """
    request = Interrupt()
    own = threading.current_thread() is threading.main_thread()
    previous = signal.getsignal(signal.SIGINT) if own else None
    if previous is not signal.default_int_handler:
        yield request
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if request.came:
            raise KeyboardInterrupt
        request.came = True

    signal.signal(signal.SIGINT, handle)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def watched(watch: Watch, stop: Interrupt, total: int, start: int, progress: bool | None) -> Iterator[Watch]:
    """Yield a watch that calls the given one, ends on request, and shows a bar.

    Parameters
    ----------
    watch : Watch
        The user's callbacks.
    stop : Interrupt
        The request of :func:`catch_interrupt`.
    total, start : int
        Steps of the whole run, and those made before.
    progress : bool, optional
        Whether there is a bar; by default where :func:`is_watched`.
    """
    shown = is_watched() if progress is None else progress
    bar = _bar(total, start, 0.0 if progress else _DELAY) if shown else None

    def on_step(step: int) -> None:
        watch.on_step(step)
        if bar is not None:
            bar.update(step - bar.n)

    def on_row(state: State, history: History) -> None:
        watch.on_row(state, history)
        if bar is not None and history.steps:
            loss, gamma = (history.column(name)[-1].mean() for name in ("learning.loss", "gamma"))
            bar.set_postfix_str(f"loss {loss:.4g}, gamma {gamma:.3g}", refresh=False)

    try:
        yield replace(watch, on_step=on_step, on_row=on_row, stop=lambda: stop() or watch.stop())
    finally:
        if bar is not None:
            bar.close()


def _bar(total: int, start: int, delay: float) -> Any:
    """Make a bar of tqdm, as the notebook or the terminal shows it; None if tqdm is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a notebook without widgets has a bar of text
            from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=total, initial=start, desc="Training", leave=False, delay=delay)
