"""Record the grid in the plane: a row for each model, and a summary over the seeds of each run."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ..reproduction import Table, read_records
from .measured import METRICS

Row: TypeAlias = Mapping[str, Any]

LABELS: Mapping[str, Callable[[str], Any]] = {
    "dataset": str, "method": str, "encoder_steps": int, "bilevel_steps": int, "optimizer": str,
    "estimator": str,
}  # fmt: skip
#: Change in the last quarter of the training, :attr:`.measured.MeasuredPlaneRun.drift`; records of earlier
#: versions lack it.
DRIFT = "drift"
COLUMNS: Mapping[str, Callable[[str], Any]] = {
    **LABELS, "seed": int, "step": int, **dict.fromkeys(METRICS, float), DRIFT: float,
}  # fmt: skip
#: Headers of the printed summary; each metric has its mean, standard error and median.
_PRINTED = {
    "dataset": "data", "method": "method", "encoder_steps": "J", "bilevel_steps": "K",
    "optimizer": "optimizer", "estimator": "estimator", "models": "R",
    "nll": "nll", "nll_se": "+-", "nll_median": "median",
    "sm_loss": "sm loss", "sm_loss_se": "+-", "sm_loss_median": "median", "gamma_median": "gamma",
}  # fmt: skip


def record(name: str, rows: Iterable[Row]) -> Table:
    """Make the table of all numbers, for a CSV file."""
    return Table.of(name, COLUMNS, rows)


def read(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a file that :func:`record` made.

    Raises
    ------
    DataError
        If the file is missing or has other content.
    """
    return read_records(
        path, COLUMNS, "is no record of runs in the plane", "run 'vsmnp reproduce fig3' first", (DRIFT,)
    )


def summary(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Make a row for each run: its labels, and each metric's mean, standard error and median over seeds."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[label] for label in LABELS), []).append(row)
    return [
        {
            **dict(zip(LABELS, key, strict=True)), "models": len(group),
            **{
                name + part: value
                for name in METRICS
                for part, value in _statistics([row[name] for row in group]).items()
            },
        }
        for key, group in groups.items()
    ]  # fmt: skip


def summary_table(name: str, summaries: Sequence[Row]) -> Table:
    """Make the table of a summary, for a CSV file."""
    parts = [f"{metric}{part}" for metric in METRICS for part in ("", "_se", "_median")]
    return Table.of(name, (*LABELS, "models", *parts), summaries)


def printed(summaries: Sequence[Row]) -> Table:
    """Make the table to print of a summary."""
    return Table("summary", tuple(_PRINTED.values()), [[row[name] for name in _PRINTED] for row in summaries])


def _statistics(values: Sequence[float]) -> dict[str, float]:
    """Compute the mean, its standard error and the median; without finite values there is no error."""
    error = math.nan
    if len(values) > 1 and all(map(math.isfinite, values)):
        error = statistics.stdev(values) / math.sqrt(len(values))
    return {"": math.fsum(values) / len(values), "_se": error, "_median": statistics.median(values)}
