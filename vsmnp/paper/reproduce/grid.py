"""Train a grid of runs, one folder each: finished runs are kept, interrupted runs are resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from ...errors import ConfigError, DivergenceError, Interrupted
from ...runs.folder import CHECKPOINT
from ...runs.session import Run, Session
from ...settings.resolve import as_decided, resolved
from ...settings.settings import FREE_TO_CHANGE, Settings
from ...training.loop import Watch
from ...types.progress import Progress, Stop
from .workers import Report, finish_in_processes

#: Progress within a cell is reported in thousandths.
WHOLE = 1000


@dataclass(frozen=True)
class Cell:
    """One run of a grid: its name, its settings, and what labels its rows."""

    #: Name of the run's folder.
    name: str
    #: Settings of the training.
    settings: Settings
    #: Position of the run in the grid.
    labels: Mapping[str, Any]

    @property
    def size(self) -> int:
        """The steps of all models if they are given as steps; else the number of models."""
        return max(self.settings.steps, 1) * len(self.settings.seeds)


Work: TypeAlias = Callable[[Cell, Report, Stop], None]


def open_cell(cell: Cell, folder: Path) -> Session:
    """Open the session of a cell's run: a new one, or the one resumed from its folder.

    A run that was trained for fewer epochs than the cell now asks for is continued.

    Raises
    ------
    ConfigError
        If the folder holds a run with other settings.
    VsmnpError
        As :class:`~vsmnp.runs.session.Session` does.
    """
    run_folder = folder / cell.name
    if not (run_folder / CHECKPOINT).exists():
        return Session.new(cell.settings, folder=run_folder)
    changes = {"evaluate_every": cell.settings.evaluate_every}
    if not cell.settings.steps:
        changes["epochs"] = cell.settings.epochs
    session = Session.resumed(run_folder, changes)
    with session.place.released_on_failure():
        check_same(session.trainer.settings, resolved(cell.settings), run_folder)
    return session


def is_finished(session: Session) -> bool:
    """Return whether all steps are done or all models have diverged."""
    alive = session.trainer.k.to_host(session.state.alive)
    return session.state.step >= session.total_steps or not alive.any()


def finish_session(session: Session, report: Report, stop: Stop = lambda: False, share: int = WHOLE) -> Run:
    """Train a session to its end and return its run; ``report`` is called with up to ``share`` thousandths.

    If all models diverge, the run is returned as it was when the last of them diverged.

    Raises
    ------
    Interrupted
        If ``stop`` returned true; the progress so far is saved.
    StorageError
        If a file could not be written.
    """
    if is_finished(session):
        report(share)
        return session.run(session.state)
    total = session.total_steps
    try:
        return session.train(Watch(on_step=lambda step: report(share * step // total), stop=stop))
    except DivergenceError:
        return session.run(session.state)


def finish_cells(
    cells: Sequence[Cell], work: Work, progress: Progress, stop: Stop = lambda: False, jobs: int = 1
) -> None:
    """Call ``work(cell, report, stop)`` for every cell, in this process or in several at a time.

    Parameters
    ----------
    cells : sequence of Cell
        Cells in the order in which they are started.
    work : callable
        Finishes a cell, calls ``report`` with the thousandths done and ends early if ``stop`` returns true.
        With several processes it is a function of a module, or a partial of one.
    progress : callable
        Called with the work done and the whole work, both weighted by the cells' sizes.
    stop : callable
        Called at intervals; returns true to save the current runs and stop.
    jobs : int
        Number of processes; one means this process.

    Raises
    ------
    Interrupted
        If ``stop`` returned true.
    DeviceError
        If a process was ended from outside, for example for lack of memory.
    VsmnpError
        If the work raises it.
    """
    done, whole = [0] * len(cells), WHOLE * sum(cell.size for cell in cells)

    def report(index: int, parts: int) -> None:
        done[index] = parts * cells[index].size
        progress(sum(done), whole)

    try:
        if jobs == 1:
            for index, cell in enumerate(cells):
                work(cell, partial(report, index), stop)
        else:
            finish_in_processes(cells, work, jobs, report, stop)
    except Interrupted as stopped:
        raise Interrupted(
            "Stopped; what was done is kept, and the same command goes on from there."
        ) from stopped


def check_same(found: Settings, wanted: Settings, folder: Path) -> None:
    """Check that a run's settings are as wanted, those that may change between calls excepted.

    A run may change how often it logs and how long it takes, its threads, device and kernels.

    Raises
    ------
    ConfigError
        If another setting differs.
    """
    free = (FREE_TO_CHANGE - {"steps"}) | {"threads", "device", "kernels"}
    for name, value in as_decided(wanted, found).to_mapping().items():
        there = found.to_mapping()[name]
        if name not in free and there != value:
            raise ConfigError(
                f"{folder} holds a run with {name} = {there}, not {value}: remove it, or choose another "
                "folder by --runs (for failure by --out)."
            )
