"""Estimate the time that the missing runs of a grid need, from a few steps of each kind of run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ....metrics import prior_estimate
from ....runs.session import Session
from ....sweeps.cells import Cell
from ....sweeps.cost import core_seconds
from ....types.progress import Progress, Stop
from ..reproduction import Result, Table
from .measured import read
from .plan import PlaneGridPlan

#: Test points, and share of the prior draws, of which the time of a measurement is taken.
_POINTS, _SHARE = 100, 0.1
#: Steps that are timed after a first one.
_STEPS = 3


def estimate(
    figure: str, grid: Sequence[Cell], plan: PlaneGridPlan, progress: Progress, stop: Stop
) -> Result:
    """Time a few steps and a part of a measurement for each (J, K), and add up what is left to do.

    Nothing is written. A run that is not finished counts as a whole one.
    """
    kinds: dict[tuple[int, int, bool], list[Cell]] = {}
    for cell in grid:  # a step of a published loss takes another time
        kind = cell.labels["encoder_steps"], cell.labels["bilevel_steps"], cell.settings.as_published
        kinds.setdefault(kind, []).append(cell)
    rows: list[tuple[int, int, str, int, int, int, float, float, float]] = []
    for index, ((encoder, bilevel, published), cells) in enumerate(kinds.items()):
        left = [cell for cell in cells if not _is_finished(plan.folder / cell.name, cell, plan)]
        steps, seconds, measured = _timed(cells[0], plan)
        hours = len(left) * (steps * seconds + measured) / 3600
        counts = len(cells), len(cells) - len(left), steps
        loss = "published" if published else "definition"
        rows.append((encoder, bilevel, loss, *counts, seconds, measured, hours))
        progress(index + 1, len(kinds))
        if stop():
            break
    header = ("J", "K", "loss", "runs", "finished", "steps", "s a step", "s to measure", "core hours left")
    table = Table(f"{figure}-cost", header, rows)
    total, done = sum(row[3] for row in rows), sum(row[4] for row in rows)
    hours = sum(row[-1] for row in rows)
    models = len(grid[0].settings.seeds)
    finding = (
        f"{figure}, {plan.budget.name}: {total} runs of {models} models, {done} of them finished; about "
        f"{hours:.3g} core hours are left on this machine."
    )
    return Result({"budget": plan.budget.name, "cost": table.records()}, (table,), (finding,), ())


def _is_finished(folder: Path, cell: Cell, plan: PlaneGridPlan) -> bool:
    known = read(folder, plan.budget)
    return known is not None and known.finished and known.settings.epochs >= cell.settings.epochs


def _timed(cell: Cell, plan: PlaneGridPlan) -> tuple[int, float, float]:
    """Return the steps of a run, the seconds of a step, and the seconds of the run's measurement."""
    with Session.new(cell.settings) as session:
        run, budget = session.run(session.state), plan.budget
        points, draws = min(_POINTS, budget.points), max(1, int(_SHARE * budget.draws))
        subject = run.vae.on(run.test_set[:points])
        prior_estimate(subject, 1)  # what is done once is not timed
        session.seconds_per_step(1)
        part = core_seconds(lambda: prior_estimate(subject, draws))
        measured = part * (budget.points / points) * (budget.draws / draws)
        step = core_seconds(lambda: session.seconds_per_step(_STEPS)) / (1 + _STEPS)
        return session.total_steps, step, measured
