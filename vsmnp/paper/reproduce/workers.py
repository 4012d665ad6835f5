"""Finish items of work in parallel processes, which end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from typing import TypeAlias, TypeVar

from ...errors import DeviceError, Interrupted
from ...kernels.cpu.allocator import keep_freed_memory
from ...types.progress import Stop

Item = TypeVar("Item")
#: Called with the parts of an item that are done.
Report: TypeAlias = Callable[[int], None]
#: The index of an item, and the parts of it that are done.
Count: TypeAlias = tuple[int, int]
#: Seconds between two checks of the processes.
_INTERVAL = 0.2

#: State of a worker process: the queue of its progress, the id of its parent process, the event to stop.
_progress: SimpleQueue[Count]
_parent: int
_stopped: Event
#: Lock that is held while the process works on an item.
_busy = threading.Lock()


def finish_in_processes(
    items: Sequence[Item], work: Callable[[Item, Report, Stop], None], jobs: int,
    report: Callable[[int, int], None], stop: Stop,
) -> None:  # fmt: skip
    """Call ``work(item, report, stop)`` in parallel processes; a failure or a stop ends the others.

    In this process, ``report`` is called with the index of an item and the parts of it that are done. The
    other parameters and the errors are those of :func:`~vsmnp.paper.reproduce.grid.finish_cells`.
    """
    context = multiprocessing.get_context("spawn")
    progress: SimpleQueue[Count] = context.SimpleQueue()
    stopped = context.Event()
    try:
        with ProcessPoolExecutor(jobs, context, _begin, (progress, os.getpid(), stopped)) as pool:
            waiting = {pool.submit(_finish, work, index, item) for index, item in enumerate(items)}
            while waiting:
                done, waiting = wait(waiting, _INTERVAL, FIRST_EXCEPTION)
                while not progress.empty():
                    report(*progress.get())
                failure = next((error for each in done if (error := each.exception())), None)
                if failure is not None or stop():
                    stopped.set()
                    pool.shutdown(cancel_futures=True)
                    raise failure or Interrupted("Stopped.")
    except BrokenProcessPool as error:
        raise DeviceError(
            "A training process was ended from outside, perhaps for want of memory: the same command goes on "
            "from there, and fewer --jobs need less."
        ) from error


def _begin(progress: SimpleQueue[Count], parent: int, stopped: Event) -> None:
    """Initialise a worker process; Ctrl-C of the terminal is left to the parent process."""
    global _progress, _parent, _stopped
    _progress, _parent, _stopped = progress, parent, stopped
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process if its parent was killed; otherwise an idle pool process would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    with _busy:  # work that is under way stops and saves first
        os._exit(1)


def _finish(work: Callable[[Item, Report, Stop], None], index: int, item: Item) -> None:
    """Finish an item in this process; stop when requested or when the parent process has ended."""
    reported = -1

    def report(parts: int) -> None:
        nonlocal reported
        if parts > reported:
            reported = parts
            _progress.put((index, parts))

    with _busy:
        work(item, report, lambda: _stopped.is_set() or os.getppid() != _parent)
