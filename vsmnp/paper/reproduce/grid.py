"""Finish the cells of a grid, on an engine: finished runs are kept, interrupted runs are resumed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from ...errors import Interrupted
from ...sweeps.cell_session import WHOLE
from ...sweeps.cells import Cell
from ...sweeps.engines.completed import completed
from ...sweeps.engines.engine import Order, Work, WorkEngine, WorkFailedError
from ...sweeps.engines.local import THIS_PROCESS
from ...types.progress import Progress, Stop


def finish_cells(
    cells: Sequence[Cell], work: Work[Cell, None], folder: Path, progress: Progress,
    stop: Stop = lambda: False, engine: WorkEngine = THIS_PROCESS,
) -> None:  # fmt: skip
    """Call ``work(cell, report, stop)`` for every cell, on an engine; the first failure ends the others.

    Parameters
    ----------
    cells : sequence of Cell
        Cells in the order in which they are started.
    work : callable
        Finishes a cell, calls ``report`` with the thousandths done and ends early if ``stop`` returns true.
        For other engines than this process it is a function of a module, or a partial of one.
    folder : Path
        The folder of the runs, which the workers of the engine share.
    progress : callable
        Called with the work done and the whole work, both weighted by the cells' sizes.
    stop : callable
        Called at intervals; returns true to save the current runs and stop.
    engine : WorkEngine
        Where the work is done; by default in this process.

    Raises
    ------
    Interrupted
        If ``stop`` returned true.
    DeviceError
        If a worker was ended from outside several times in a row, for example for lack of memory.
    WorkFailedError
        If the work ended with an error that is none of vsmnp's; the sentence names the cell.
    VsmnpError
        If the work or the engine raises it.
    """
    done, whole = [0] * len(cells), WHOLE * sum(cell.size for cell in cells)

    def report(index: int, parts: int) -> None:
        done[index] = parts * cells[index].size
        progress(sum(done), whole)

    try:
        with closing(completed(cells, work, engine, Order(folder, report, stop))) as results:
            for index, result in results:
                if isinstance(result, WorkFailedError):
                    raise WorkFailedError(f"{cells[index].name}: {result}") from result
                if isinstance(result, Exception):
                    raise result
                report(index, WHOLE)
    except Interrupted as stopped:
        raise Interrupted(
            "Stopped; what was done is kept, and the same command goes on from there."
        ) from stopped
