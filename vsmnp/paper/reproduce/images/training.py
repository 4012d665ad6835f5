"""Train and measure the cells of a grid, one after another or in parallel processes.

A cell is an ordinary run on disk: one that is finished is not trained again, one that was killed is resumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ....runs.session import Run, Session
from ....storage import make_folder
from ....sweeps.cell_session import WHOLE
from ....sweeps.cells import Cell
from ....sweeps.engines.engine import Report
from ....types.progress import Progress, Stop
from ..grid import finish_cells
from ..measured_cells import finish_measured
from .distances import measure_distances
from .measured import MeasuredImageRun, measure, read
from .plan import ImageGridPlan


def finish_all(
    cells: Sequence[Cell], plan: ImageGridPlan, progress: Progress, stop: Stop = lambda: False, *,
    quality: bool = False,
) -> None:  # fmt: skip
    """Train (if the plan says so), evaluate and measure every cell, and FID and KID if ``quality`` is asked.

    The other parameters and the errors are those of :func:`~vsmnp.paper.reproduce.grid.finish_cells`.
    """
    make_folder(plan.folder)
    finish_cells(cells, partial(finish, plan=plan, quality=quality), plan.folder, progress, stop, plan.engine)


def finish(cell: Cell, report: Report, stop: Stop, plan: ImageGridPlan, quality: bool) -> None:
    """Train and measure one cell as :func:`finish_all` does."""
    known, run = finish_measured(cell, plan.folder, plan.train, read, _measured, report, stop)
    if quality and known is not None:
        measure_distances(plan.folder / cell.name, run, plan.features)
    report(WHOLE)


def _measured(session: Session, labels: Mapping[str, Any], finished: bool) -> tuple[MeasuredImageRun, Run]:
    run = _evaluated(session)
    return measure(run, labels, finished), run


def _evaluated(session: Session) -> Run:
    """Return the run in its present state, evaluating that state if necessary."""
    session.evaluations.add(session.trainer, session.state)
    return session.run(session.state)
