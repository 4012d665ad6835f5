"""Make a figure about data in the plane: its runs, its pictures and its claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ....data import load_data
from ....storage import make_folder
from ....sweeps.cell_session import WHOLE
from ....sweeps.cells import Cell
from ....sweeps.engines.engine import Report
from ....types.progress import Progress, Stop
from ..answers import sentences
from ..grid import finish_cells
from ..measured_cells import check_any, finish_measured, gaps, unreadable
from ..reproduction import Result
from . import picture, records, verdicts
from .cells import cells
from .claims import PlaneClaim
from .cost import estimate
from .measured import MeasuredPlaneRun, measure, read
from .plan import PlaneGridPlan
from .variants import belongs, combinations


@dataclass(frozen=True)
class PlaneFigure:
    """A figure of the paper about data in the plane."""

    #: Name on the command line.
    name: str
    #: One line for the help page.
    title: str
    #: Datasets, in the figure's order.
    datasets: tuple[str, ...]
    #: Claims of the paper about these runs.
    claims: Sequence[PlaneClaim]

    def reproduce(
        self, out: Path, plan: PlaneGridPlan, progress: Progress, stop: Stop = lambda: False
    ) -> Result:
        """Train or resume the grid, draw the runs, and test what the paper says of them.

        Parameters
        ----------
        out : Path
            An existing folder for pictures and CSV files.
        plan : PlaneGridPlan
            Part of the grid to run, and how to run it.
        progress : callable
            Called with the work done and the whole work.
        stop : callable
            Returns true to save the current runs and stop.

        Returns
        -------
        Result
            ``data`` has ``budget``, the ``rows`` of the record, the ``summary`` over the seeds, the
            ``claims`` with their verdicts, the ``floors``, and the names of the runs that are ``missing``,
            ``unfinished`` or ``unreadable``. A dry run has the ``cost`` of :func:`.cost.estimate` instead.

        Raises
        ------
        DataError
            If there is no run at all, and none was to be trained.
        Interrupted
            If ``stop`` returned true.
        VsmnpError
            If training or drawing raises it.
        """
        grid = cells(plan, self.datasets)
        if plan.dry_run:
            return estimate(self.name, grid, plan, progress, stop)
        make_folder(plan.folder)
        finish_cells(grid, partial(finish, plan=plan), plan.folder, progress, stop, plan.engine)
        runs = _measured(grid, plan)
        lacking = [cell for cell in grid if cell.name not in runs]
        damaged = unreadable(lacking, plan.folder)
        check_any(runs, self.name, plan.folder, damaged)
        rows = [row for run in runs.values() for row in run.rows()]
        summary, points = records.summary(rows), plan.budget.points
        found = verdicts.verdicts(self.claims, rows, points)
        tables = [records.record(self.name, rows), records.summary_table(f"{self.name}-summary", summary),
                  verdicts.table(f"{self.name}-claims", found)]  # fmt: skip
        missing = [cell.name for cell in lacking if cell.name not in damaged]
        unfinished = [name for name, run in runs.items() if not run.finished]
        data = {
            "budget": plan.budget.name, "rows": rows, "summary": summary, "claims": tables[2].records(),
            "floors": _floors(rows, points), "missing": missing, "unfinished": unfinished,
            "unreadable": list(damaged),
        }  # fmt: skip
        files = [*self._draw(list(runs.values()), points, out), *(each.write(out) for each in tables)]
        findings = (*gaps(missing, unfinished, damaged), *sentences(found))
        return Result(data, (records.printed(summary), verdicts.narrow(found)), findings, files)

    def _draw(self, runs: Sequence[MeasuredPlaneRun], points: int, out: Path) -> Iterator[Path]:
        """Draw a picture for each optimisation and estimator, and yield the paths."""
        for optimizer, estimator in combinations([run.labels for run in runs]):
            group = [run for run in runs if belongs(run.labels, optimizer, estimator)]
            path = out / f"{self.name}-{optimizer}-{estimator}.png"
            title = f"{self.title}; optimisation: {optimizer}, M2 and M3: {estimator}"
            picture.draw(title, group, points, path)
            yield path


def finish(cell: Cell, report: Report, stop: Stop, plan: PlaneGridPlan) -> None:
    """Train (if the plan says so) and measure one cell."""
    known, measured = partial(read, budget=plan.budget), partial(measure, budget=plan.budget)
    finish_measured(cell, plan.folder, plan.train, known, measured, report, stop)
    report(WHOLE)


def _measured(grid: Sequence[Cell], plan: PlaneGridPlan) -> dict[str, MeasuredPlaneRun]:
    """Read the measured runs of the cells by name."""
    found = {cell.name: read(plan.folder / cell.name, plan.budget) for cell in grid}
    return {name: run for name, run in found.items() if run is not None}


def _floors(rows: Sequence[Mapping[str, Any]], points: int) -> dict[str, dict[str, Any]]:
    """Return for each dataset the lower bounds that are known, and the metrics of one Gaussian."""
    datasets = dict.fromkeys(row["dataset"] for row in rows)
    bounds = {name: load_data(name).bounds for name in datasets}
    return {
        name: {"nll": bound.nll, "sm_loss": bound.sm_loss, "one_gaussian": verdicts.references(name, points)}
        for name, bound in bounds.items()
    }
