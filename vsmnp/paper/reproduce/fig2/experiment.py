"""Reproduce Figure 2: inference by KL and by the Fisher divergence, from many starts on toy posteriors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ....kernels import load
from ....storage import make_folder
from ....types import Array
from ....types.progress import Progress
from ..reproduction import Result, Table
from .basins import classify, find_basins, share_of_mode
from .ensembles import LOSSES, METHODS, OPTIMIZERS, TrajectoryPlan
from .ensembles import run as run_ensemble
from .findings import findings
from .picture import picture
from .problems import PROBLEMS
from .rows import BasinRow, Panel
from .trajectories import trajectories

TITLE = "inference on two toy posteriors from a grid of starts, by KL and by the Fisher divergence"

#: The paper's settings, and quick ones that show the same basins in a few seconds.
FULL = TrajectoryPlan(1_000_000, {"sgd": 1e-4, "adam": 1e-4})
QUICK = TrajectoryPlan(20_000, {"sgd": 3e-4, "adam": 1e-3})


def reproduce(out: Path, quick: bool, progress: Progress) -> Result:
    """Run KL, reparametrised FD and FD with z fixed by SGD and Adam on every posterior of equation (11).

    Each is run with the loss by its definition and with that of the published script, at one step size. The
    likelihood p_II is run twice, as printed and as published code. Finished trajectories stay in
    ``out/fig2-courses`` and are used again by a later call with the same settings.

    Raises
    ------
    StorageError
        If a file cannot be written.
    """
    return report(out, QUICK if quick else FULL, progress)


def report(out: Path, plan: TrajectoryPlan, progress: Progress) -> Result:
    """Run Figure 2 with the given plan; see :func:`reproduce`."""
    folder = make_folder(out / "fig2-courses")
    kinds = [(method, loss) for method in METHODS for loss in LOSSES]
    runs = len(PROBLEMS) * len(kinds)
    rows = []
    for i, problem in enumerate(PROBLEMS):
        panels: list[Panel] = []
        basins = find_basins(problem)
        for j, (method, loss) in enumerate(kinds):
            before = (i * len(kinds) + j) * plan.steps

            def on_step(step: int, before: int = before) -> None:
                progress(before + step, runs * plan.steps)

            compute = partial(run_ensemble, load("cpu"), problem, method, loss, plan, on_step)
            for rule, trajectory in trajectories(folder, problem, method, loss, plan, compute).items():
                panels.append(Panel(method, loss, rule, trajectory, classify(basins, trajectory.end)))
        rows.append(BasinRow(problem, basins, panels))
    progress(1, 1)

    ends, summary, optima = _ends(rows, plan), _summary(rows), _optima(rows)
    image = out / "fig2.png"
    picture(rows, image, f"Inference from {plan.side**2} starts, {_in_words(plan)}, published loss")
    settings = {
        "steps": plan.steps, "step_sizes": dict(plan.rates), "samples": 1, "starts": plan.side**2,
        "grid_reach": plan.reach, "initial_sd": 1.0,
    }  # fmt: skip
    starts = [_with_pairs(row) for row in ends.records()]
    data = {"settings": settings, "rows": starts, "basins": summary.records(), "optima": optima.records()}
    sentences = [f"Settings: {_in_words(plan)}, S = 1, float64.", *findings(rows)]
    files = [image, *(table.write(out) for table in (ends, summary, optima))]
    return Result(data, [summary, optima], sentences, files)


def _in_words(plan: TrajectoryPlan) -> str:
    """Describe the plan, such as ``1,000,000 steps of 0.0001 (SGD) and 0.0001 (Adam)``."""
    rates = " and ".join(f"{rate:g} ({OPTIMIZERS[rule]})" for rule, rate in plan.rates.items())
    return f"{plan.steps:,} steps of {rates}"


def _ends(rows: list[BasinRow], plan: TrajectoryPlan) -> Table:
    """Make the table of end points, one row for each start."""
    header = (
        "likelihood", "method", "loss", "optimizer", "start_1", "start_2",
        "mean_1", "mean_2", "sd_1", "sd_2", "basin",
    )  # fmt: skip
    table = [
        (*_labels(row, panel), *map(float, start), *_numbers(end), name)
        for row in rows
        for panel in row.panels
        for start, end, name in zip(plan.starts(row.problem), panel.trajectory.end, panel.names, strict=True)
    ]
    return Table("fig2", header, table)


def _summary(rows: list[BasinRow]) -> Table:
    """Make a row for each basin or group of end points: the number of starts, their average mean and sd."""
    header = (
        "likelihood", "method", "loss", "optimizer", "basin", "starts", "mean_1", "mean_2", "sd_1", "sd_2",
    )  # fmt: skip
    table = [
        (*_labels(row, panel), name, len(end), *_numbers(end.mean(0)))
        for row in rows
        for panel in row.panels
        for name in row.colours
        if len(end := panel.ends_in(name))
    ]
    return Table("fig2-basins", header, table)


def _optima(rows: list[BasinRow]) -> Table:
    """Make the table of the exact optima of both divergences."""
    header = ("likelihood", "divergence", "nats", "mean_1", "mean_2", "sd_1", "sd_2", "share_of_mode")
    table = [
        (row.problem.name, name, best.value, *best.mean, *best.sd, share_of_mode(row.problem, best.mean))
        for row in rows
        for basin in row.basins
        for name, best in (("KL + log p(x)", basin.kl), ("FD", basin.fisher))
        if best is not None
    ]
    return Table("fig2-optima", header, table)


def _labels(row: BasinRow, panel: Panel) -> tuple[str, str, str, str]:
    return row.problem.name, panel.method.name, panel.loss, panel.rule


def _numbers(q: Array) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in q]


def _with_pairs(row: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a row of the table of end points to a mapping, with its pairs as lists."""
    pairs = {name: [row[f"{column}_1"], row[f"{column}_2"]]
             for name, column in (("start", "start"), ("end_mean", "mean"), ("end_sd", "sd"))}  # fmt: skip
    labels = {name: row[name] for name in ("likelihood", "method", "loss")}
    return {**labels, "optimiser": row["optimizer"], **pairs, "basin": row["basin"]}
