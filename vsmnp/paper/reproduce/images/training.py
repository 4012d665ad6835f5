"""Train and measure the cells of a grid, one after another or in parallel processes.

A cell is an ordinary run on disk: one that is finished is not trained again, one that was killed is resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ....runs.folder import CHECKPOINT
from ....runs.session import Run, Session
from ....settings.resolve import resolved
from ....storage import make_folder
from ..grid import WHOLE, Cell, check_same, finish_cells, finish_session, is_finished, open_cell
from ..reproduction import Progress
from ..workers import Report, Stop
from .distances import measure_distances
from .measured import measure, read
from .plan import Plan

#: Thousandths of a cell's progress that its training makes; the rest is its measurement.
_TRAINED = 900


def finish_all(
    cells: Sequence[Cell],
    plan: Plan,
    progress: Progress,
    stop: Stop = lambda: False,
    *,
    quality: bool = False,
) -> None:
    """Train (if the plan says so), evaluate and measure every cell, and FID and KID if ``quality`` is asked.

    The other parameters and the errors are those of :func:`~vsmnp.paper.reproduce.grid.finish_cells`.
    """
    make_folder(plan.folder)
    finish_cells(cells, partial(finish, plan=plan, quality=quality), progress, stop, plan.jobs)


def finish(cell: Cell, report: Report, stop: Stop, plan: Plan, quality: bool) -> None:
    """Train and measure one cell as :func:`finish_all` does."""
    path = plan.folder / cell.name
    known, run = read(path), None
    if known is not None:
        check_same(known.settings, resolved(cell.settings), path)
    if plan.train and not (known and known.finished and known.settings.epochs >= cell.settings.epochs):
        with open_cell(cell, plan.folder) as session:
            finish_session(session, report, stop, _TRAINED)
            run = _evaluated(session)
            known = measure(run, cell.labels, True)
    elif known is None and (path / CHECKPOINT).exists():
        session = Session.resumed(path, to_read=True)
        run = _evaluated(session)
        known = measure(run, cell.labels, is_finished(session))
    if quality and known is not None:
        measure_distances(path, run, plan.features)
    report(WHOLE)


def _evaluated(session: Session) -> Run:
    """Return the run in its present state, evaluating that state if necessary."""
    session.evaluations.add(session.trainer, session.state)
    return session.run(session.state)
