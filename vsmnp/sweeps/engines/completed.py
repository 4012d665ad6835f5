"""Work on items by an engine and yield each result; an item whose worker is lost is given to another."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import Any

from ...errors import Interrupted, VsmnpError
from .engine import (
    Completed,
    Item,
    Order,
    Pool,
    Result,
    Work,
    WorkEngine,
    WorkerLostError,
    WorkFailedError,
    check_stop,
)

#: Seconds between two checks of progress and of requests to stop.
_INTERVAL = 0.2
#: Workers that an item may lose before it counts as their cause.
LOSSES = 3


def completed(
    items: Iterable[Item], work: Work[Item, Result], engine: WorkEngine, order: Order
) -> Completed[Result]:
    """Call ``work(item, report, stop)`` for every item, and yield index and result or error as they end.

    Items are taken one by one, so that no more of them are in memory than the engine has in work. When the
    generator is closed, workers save what they work on and stop.

    Raises
    ------
    Interrupted
        If ``order.stop`` returned true; what workers did until then is saved.
    DeviceError, ConfigError, LibraryError
        If the engine cannot start, or is lost.
    """
    with engine.started(order) as pool:
        try:
            yield from _completed(iter(enumerate(items)), work, pool, order)
        finally:
            pool.stop()
            pool.poll()


def _completed(
    items: Iterator[tuple[int, Item]], work: Work[Item, Result], pool: Pool, order: Order
) -> Completed[Result]:
    """Keep the pool busy as :func:`completed` does."""
    again: deque[tuple[int, Item]] = deque()
    losses: dict[int, int] = {}
    waiting: dict[Future[Any], tuple[int, Item]] = {}
    while True:
        while len(waiting) < pool.capacity and not order.stop():
            given = again.popleft() if again else next(items, None)
            if given is None:
                break
            waiting[pool.submit(work, *given)] = given
        check_stop(order.stop)
        if not waiting:
            return
        done, _ = wait(waiting, _INTERVAL, FIRST_COMPLETED)
        pool.poll()
        for future in done:
            index, item = waiting.pop(future)
            error = CancelledError() if future.cancelled() else future.exception()
            if error is None:
                yield index, future.result()
            elif isinstance(error, Interrupted):
                raise error
            elif not pool.is_loss(error):
                assert isinstance(error, Exception)
                yield index, error
            elif (lost := losses.get(index, 0) + 1) < LOSSES:
                losses[index] = lost
                again.append((index, item))
            else:
                yield index, error if isinstance(error, WorkFailedError) else _lost(error)


def _lost(error: BaseException) -> WorkerLostError:
    """Return the error of an item that lost its workers, with the sentence of the last one if it has one."""
    found = (
        WorkerLostError.relayed(error)
        if isinstance(error, VsmnpError)
        else WorkerLostError(
            f"A training process was ended from outside {LOSSES} times in a row, perhaps for want of memory: "
            "the same command goes on from there, and fewer --jobs need less."
        )
    )
    found.__cause__ = error
    return found
