"""Work in this process, or in several processes of this machine, which end with the one that started them.

The processes are those of the standard library, one pool for each: a process that the system ends takes its
own item with it and no other, and the plain installation needs no further library.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import reduction
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from typing import Any, TypeAlias

from ...settings.thread_variables import LINEAR_ALGEBRA, NUMBA
from .cards import VISIBLE
from .engine import Order, Pool, Work, check_stop
from .explained import explained

#: The index of an item, and the parts of it that are done.
Count: TypeAlias = tuple[int, int]

#: State of a worker process: the queue of its progress, the id of its parent process, the event to stop.
_progress: SimpleQueue[Count]
_parent: int
_stopped: Event
#: Lock that is held while the process works on an item.
_busy = threading.Lock()


@dataclass(frozen=True)
class ThisProcess:
    """The engine that works in the process of its user, on one item after another."""

    workers: int = 1

    @contextmanager
    def started(self, order: Order) -> Iterator[Pool]:
        """Yield a pool whose items are worked on when they are submitted."""
        yield _OneByOne(order)


#: The engine of this process.
THIS_PROCESS = ThisProcess()


class _OneByOne(Pool):
    """Items are worked on at once, in this process."""

    capacity = 1

    def __init__(self, order: Order) -> None:
        self._order = order

    def submit(self, work: Work[Any, Any], index: int, item: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(explained(work, item, partial(self._order.report, index), self._order.stop))
        except Exception as error:  # as an executor of the standard library does
            future.set_exception(error)
        return future

    def poll(self) -> None:
        """Do nothing: the progress is reported at once."""

    def stop(self) -> None:
        """Do nothing: no item is in work while another function of this process is."""

    def is_loss(self, error: BaseException) -> bool:
        return False


@dataclass(frozen=True)
class LocalProcesses:
    """The engine of ``workers`` processes of this machine.

    Attributes
    ----------
    workers : int
        The number of processes.
    threads : int
        The threads of the linear algebra in each; 0: as the environment says.
    cards : tuple of str
        GPUs by their numbers or names, of which each process gets one by ``CUDA_VISIBLE_DEVICES``; without
        them the environment decides.
    """

    workers: int
    threads: int = 0
    cards: tuple[str, ...] = ()

    @contextmanager
    def started(self, order: Order) -> Iterator[Pool]:
        """Yield a pool of processes, which have ended when the block ends."""
        pool = _Processes(self, order)
        try:
            yield pool
        finally:
            pool.close()


class _Processes(Pool):
    """A pool of one process for each item that is worked on at a time."""

    def __init__(self, engine: LocalProcesses, order: Order) -> None:
        self._engine, self._order = engine, order
        self._context = multiprocessing.get_context("spawn")
        self._counts: SimpleQueue[Count] = self._context.SimpleQueue()
        self._stopped = self._context.Event()
        self._pools: list[ProcessPoolExecutor | None] = [None] * engine.workers
        self._futures: list[Future[Any] | None] = [None] * engine.workers

    @property
    def capacity(self) -> int:
        return self._engine.workers

    def submit(self, work: Work[Any, Any], index: int, item: Any) -> Future[Any]:
        place = next(i for i, future in enumerate(self._futures) if future is None or future.done())
        pool = self._pools[place]
        ended = self._futures[place]
        if pool is not None and ended is not None and isinstance(ended.exception(), BrokenProcessPool):
            pool.shutdown()
            pool = None
        if pool is None:
            arguments = self._counts, os.getpid(), self._stopped, InheritedFile(self._order.lock)
            pool = self._pools[place] = ProcessPoolExecutor(1, self._context, _begin, arguments)
        with _spawning(self._environment(place)):
            future = self._futures[place] = pool.submit(_finish, work, index, item)
        return future

    def _environment(self, place: int) -> Mapping[str, str]:
        """Return the variables of a process: its threads and its card, where the engine decides them."""
        threads, cards = self._engine.threads, self._engine.cards
        variables = dict.fromkeys((*LINEAR_ALGEBRA, NUMBA), str(threads)) if threads else {}
        return {**variables, VISIBLE: cards[place % len(cards)]} if cards else variables

    def poll(self) -> None:
        while not self._counts.empty():
            self._order.report(*self._counts.get())

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        """Stop and end the processes."""
        self.stop()
        for pool in self._pools:
            if pool is not None:
                pool.shutdown(cancel_futures=True)

    def is_loss(self, error: BaseException) -> bool:
        return isinstance(error, BrokenProcessPool)


@dataclass
class InheritedFile:
    """An open file that a process inherits when it is started with this object as an argument, or none.

    A lock of the file holds until all of these processes have closed it, which they do when they end.
    """

    descriptor: int | None = None

    def __getstate__(self) -> Any:
        if self.descriptor is None or os.name != "posix":
            return None
        return reduction.DupFd(self.descriptor)

    def __setstate__(self, copy: Any) -> None:
        self.descriptor = copy.detach()


@contextmanager
def _spawning(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the processes that start in the block, and do not run the user's script in them.

    A process would run it to find functions that the script defines; the work is a function of a module.
    """
    before = {name: os.environ.get(name) for name in variables}
    main = sys.modules["__main__"]
    of_script = "__file__", "__spec__"
    hidden: dict[str, Any] = {name: vars(main)[name] for name in of_script if name in vars(main)}
    os.environ.update(variables)
    vars(main).update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        vars(main).update(hidden)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin(progress: SimpleQueue[Count], parent: int, stopped: Event, lock: InheritedFile) -> None:
    """Initialise a worker process, which keeps ``lock`` open until it ends.

    Ctrl-C of the terminal is left to the parent process.
    """
    global _progress, _parent, _stopped
    _progress, _parent, _stopped = progress, parent, stopped
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # help pages, which name the engines, load no NumPy
    from ...kernels.cpu.allocator import keep_freed_memory

    keep_freed_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process if its parent was killed; otherwise an idle pool process would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    with _busy:  # work that is under way stops and saves first
        os._exit(1)


def _finish(work: Work[Any, Any], index: int, item: Any) -> Any:
    """Finish an item in this process; stop when requested or when the parent process has ended."""
    reported = -1

    def report(parts: int) -> None:
        nonlocal reported
        if parts > reported:
            reported = parts
            _progress.put((index, parts))

    def stop() -> bool:
        return _stopped.is_set() or os.getppid() != _parent

    with _busy:
        check_stop(stop)  # it may have been requested while this process started
        return explained(work, item, report, stop)
