"""Train and measure the cells of a grid, one after another or in parallel processes.

A cell is an ordinary run on disk: one that is finished is not trained again, one that was killed is resumed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event

from ....errors import DeviceError, Interrupted
from ....kernels.cpu.allocator import keep_freed_memory
from ....runs.folder import CHECKPOINT
from ....runs.session import Run, Session
from ....settings.resolve import resolved
from ....storage import make_folder
from ....training.loop import Watch
from ..grid import Cell, check_same, finish_session, is_finished, open_cell
from ..reproduction import Progress
from .distances import judge
from .measured import measure, read
from .plan import Plan

#: Progress is reported in thousandths of a cell; its measurement is the last part.
_PARTS, _TRAINED = 1000, 900
#: Seconds between two checks of the processes.
_GLANCE = 0.2


def finish_all(
    cells: Sequence[Cell],
    plan: Plan,
    progress: Progress,
    stop: Callable[[], bool] = lambda: False,
    *,
    quality: bool = False,
) -> None:
    """Train (if the plan says so), evaluate and measure every cell.

    Parameters
    ----------
    cells : sequence of Cell
        Cells in the order in which they are trained.
    plan : Plan
        Folder of the runs, how they are evaluated, and how many are trained at a time.
    progress : callable
        Called with the thousandths of cells done and their total.
    stop : callable
        Called at intervals; returns true to save the current runs and stop.
    quality : bool
        Whether the FID and KID of samples are measured, too.

    Raises
    ------
    Interrupted
        If ``stop`` returned true.
    DeviceError
        If a process was ended from outside, for example for lack of memory.
    VsmnpError
        If training raises it.
    """
    make_folder(plan.folder)
    done = [0] * len(cells)

    def tell(index: int, parts: int) -> None:
        done[index] = parts
        progress(sum(done), _PARTS * len(cells))

    try:
        if plan.jobs == 1:
            for index, cell in enumerate(cells):
                finish(cell, plan, quality, partial(tell, index), stop)
        else:
            _in_processes(cells, partial(_finish_there, plan, quality), plan.jobs, tell, stop)
    except Interrupted as stopped:
        raise Interrupted(
            "Stopped; what was done is kept, and the same command goes on from there."
        ) from stopped


def finish(
    cell: Cell, plan: Plan, quality: bool, tell: Callable[[int], None], stop: Callable[[], bool]
) -> None:
    """Train and measure one cell as :func:`finish_all` does; ``tell`` is called with the thousandths done."""
    place = plan.folder / cell.name
    known, run = read(place), None
    if known is not None:
        check_same(known.settings, resolved(cell.settings), place)
    if plan.train and not (known and known.finished and known.settings.epochs >= cell.settings.epochs):
        with open_cell(cell, plan.folder) as session:
            total = max(session.total_steps, 1)
            finish_session(session, Watch(on_step=lambda step: tell(_TRAINED * step // total), stop=stop))
            run = _evaluated(session)
            known = measure(run, cell.labels, True)
    elif known is None and (place / CHECKPOINT).exists():
        session = Session.resumed(place, to_read=True)
        run = _evaluated(session)
        known = measure(run, cell.labels, is_finished(session))
    if quality and known is not None:
        judge(place, run, plan.features)
    tell(_PARTS)


def _evaluated(session: Session) -> Run:
    """Return the run in its present state, evaluating that state if necessary."""
    session.evaluations.add(session.trainer, session.state)
    return session.run(session.state)


# --- parallel processes -------------------------------------------------------------------------

#: State of a worker process: the queue of its progress, the id of its parent process, the event to stop.
_tidings: SimpleQueue[tuple[int, int]]
_employer: int
_enough: Event
#: Lock that is held while the process trains.
_working = threading.Lock()


def _in_processes(
    cells: Sequence[Cell],
    finish_one: Callable[[int, Cell], None],
    jobs: int,
    tell: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> None:
    """Train the cells in parallel processes; a failure or a stop ends the others at their next step."""
    context = multiprocessing.get_context("spawn")
    tidings: SimpleQueue[tuple[int, int]] = context.SimpleQueue()
    enough = context.Event()
    try:
        with ProcessPoolExecutor(jobs, context, _begin, (tidings, os.getpid(), enough)) as pool:
            waiting = {pool.submit(finish_one, index, cell) for index, cell in enumerate(cells)}
            while waiting:
                done, waiting = wait(waiting, _GLANCE, FIRST_EXCEPTION)
                while not tidings.empty():
                    tell(*tidings.get())
                failure = next((error for each in done if (error := each.exception())), None)
                if failure is not None or stop():
                    enough.set()
                    pool.shutdown(cancel_futures=True)
                    raise failure or Interrupted("Stopped.")
    except BrokenProcessPool as error:
        raise DeviceError(
            "A training process was ended from outside, perhaps for want of memory: the same command goes on "
            "from there, and fewer --jobs need less."
        ) from error


def _begin(tidings: SimpleQueue[tuple[int, int]], employer: int, enough: Event) -> None:
    """Initialise a worker process; Ctrl-C of the terminal is left to the parent process."""
    global _tidings, _employer, _enough
    _tidings, _employer, _enough = tidings, employer, enough
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    threading.Thread(target=_leave_with_employer, daemon=True).start()


def _leave_with_employer() -> None:
    """End this process if its parent was killed; otherwise an idle pool process would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    with _working:  # a cell in training stops and saves first
        os._exit(1)


def _finish_there(plan: Plan, quality: bool, index: int, cell: Cell) -> None:
    """Finish a cell in this process; stop when requested or when the parent process has ended."""
    told = -1

    def tell(parts: int) -> None:
        nonlocal told
        if parts > told:
            told = parts
            _tidings.put((index, parts))

    with _working:
        finish(cell, plan, quality, tell, lambda: _enough.is_set() or os.getppid() != _employer)
