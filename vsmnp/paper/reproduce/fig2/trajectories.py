"""Save finished trajectories on disk, so that a long run that was stopped continues with the next one.

A file is CSV under one comment line, which holds the settings and the checksum of all that follows. A file
that is missing, damaged, or of other settings is ignored; its trajectory is computed anew and replaced.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ....storage import open_regular, write_whole
from ....training.optimizers import optimizer
from .ensembles import Divergence, Loss, Trajectory, TrajectoryPlan
from .problems import ToyProblem

#: Version of the files, raised whenever the same settings yield other numbers.
_FORMAT = 2
_HEADER = ("step", "start", "mean_1", "mean_2", "sd_1", "sd_2")


def settings(
    problem: ToyProblem, method: Divergence, loss: Loss, rule: str, plan: TrajectoryPlan
) -> dict[str, object]:
    """Collect the settings that the numbers of a trajectory depend on."""
    return {
        "format": _FORMAT,
        "problem": [problem.name, problem.x, problem.sd, repr(problem.decoder), problem.order],
        "objective": [method.name, loss],
        "optimizer": repr(optimizer(rule)),
        "step_size": plan.rates[rule],
        "steps": plan.steps,
        "grid": [plan.side, plan.reach],
    }


def trajectory_file(folder: Path, problem: ToyProblem, method: Divergence, loss: Loss, rule: str) -> Path:
    """Return the path of a trajectory's file in the folder, such as ``p_I-kl-definition-adam.csv``."""
    return folder / f"{problem.name.replace(' ', '_')}-{method.name}-{loss}-{rule}.csv"


def trajectories(
    folder: Path, problem: ToyProblem, method: Divergence, loss: Loss, plan: TrajectoryPlan,
    compute: Callable[[], Mapping[str, Trajectory]],
) -> dict[str, Trajectory]:  # fmt: skip
    """Read the trajectory of each optimiser from the folder, or compute and save them if one is missing.

    Numbers are rounded to nine digits in either case.

    Raises
    ------
    StorageError
        If a file cannot be written.
    """
    files = {
        rule: (
            trajectory_file(folder, problem, method, loss, rule),
            settings(problem, method, loss, rule, plan),
        )
        for rule in plan.rates
    }
    kept = {rule: _read(*file) for rule, file in files.items()}
    if not all(kept.values()):
        for rule, trajectory in compute().items():
            path, given = files[rule]
            write_whole(path, _dump(trajectory, given))
            kept[rule] = _read(path, given)
    return {rule: trajectory for rule, trajectory in kept.items() if trajectory is not None}


def _dump(trajectory: Trajectory, given: Mapping[str, object]) -> bytes:
    body = io.StringIO()
    writer = csv.writer(body, lineterminator="\n")
    writer.writerow(_HEADER)
    for time, row in zip(trajectory.times, trajectory.path, strict=True):
        writer.writerows([time, start, *(f"{v:.9g}" for v in q)] for start, q in enumerate(row))
    content = body.getvalue().encode()
    return _comment(given, content) + content


def _comment(given: Mapping[str, object], content: bytes) -> bytes:
    checksum = hashlib.sha256(content).hexdigest()
    return f"# {json.dumps({**given, 'sha256': checksum}, sort_keys=True)}\n".encode()


def _read(path: Path, given: Mapping[str, object]) -> Trajectory | None:
    try:
        with open_regular(path) as file:
            comment, _, content = file.read().partition(b"\n")
    except OSError:
        return None
    if comment + b"\n" != _comment(given, content):
        return None
    rows = np.loadtxt(io.BytesIO(content), delimiter=",", skiprows=1)
    times = np.unique(rows[:, 0]).astype(int)
    return Trajectory(times, rows[:, 2:].reshape(len(times), -1, 4))
