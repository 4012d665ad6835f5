"""The record of the controlled experiment: one row for each run, with one number for each seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ....data import load_data
from ....training.state import FORMER_FLAGS
from ....types import Array
from ..reproduction import Table, read_records
from .factors import Factors
from .measures import METRICS


@dataclass(frozen=True)
class MeasuredRun:
    """A run with its measurements, and where they were made."""

    factors: Factors
    steps: int
    #: Number of test points on which the run was measured.
    points: int
    #: Measurements by name, one value for each seed: ``METRICS`` and ``nll_early``.
    figures: Mapping[str, tuple[float, ...]]
    command: str
    machine: str


_LISTS = (*METRICS, "nll_early")


#: Significant digits of a measurement; it is rounded at once, so that the record is what is judged.
_DIGITS = 7


def rounded(values: Iterable[float]) -> tuple[float, ...]:
    """Limit measurements to the digits of the record."""
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split())


_FACTORS: Mapping[str, Callable[[str], Any]] = {
    spec.name: type(spec.default) if isinstance(spec.default, int | float) else str
    for spec in fields(Factors)
}  # fmt: skip
_COLUMNS: Mapping[str, Callable[[str], Any]] = {
    **_FACTORS, "steps": int, "points": int, **dict.fromkeys(_LISTS, _numbers),
    "command": str, "machine": str,
}  # fmt: skip
_VARIANCE: Mapping[str, Callable[[str], Any]] = {
    "objective": str, "variance": float, "squared_mean": float, "ratio_to_m1": float,
}  # fmt: skip


def full(rows: Iterable[MeasuredRun]) -> Table:
    """Make the table of the record; the numbers of the seeds are separated by blanks."""
    records = [
        {
            **asdict(row.factors), "steps": row.steps, "points": row.points,
            **{name: " ".join(f"{value:.{_DIGITS}g}" for value in row.figures[name]) for name in _LISTS},
            "command": row.command, "machine": row.machine,
        }
        for row in rows
    ]  # fmt: skip
    return Table.of("failure", _COLUMNS, records)


def variance(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Make the table of the gradient variances."""
    return Table.of("gradient_variance", _VARIANCE, rows)


def read(folder: Path) -> tuple[list[MeasuredRun], list[dict[str, Any]]]:
    """Read the rows and the gradient variances that ``vsmnp reproduce failure`` wrote into a folder.

    Raises
    ------
    DataError
        If a file is missing or has other content.
    """
    reading = partial(
        read_records,
        fault="is not what 'vsmnp reproduce failure' writes",
        remedy="run that first, or name its folder",
        former=FORMER_FLAGS,
    )
    rows = [_row(record) for record in reading(folder / "failure.csv", _COLUMNS)]
    return rows, reading(folder / "gradient_variance.csv", _VARIANCE)


def _row(record: Mapping[str, Any]) -> MeasuredRun:
    factors = Factors(**{name: record[name] for name in _FACTORS})
    figures = {name: record[name] for name in _LISTS}
    return MeasuredRun(
        factors, record["steps"], record["points"], figures, record["command"], record["machine"]
    )


@dataclass(frozen=True)
class Floors:
    """Losses of a data set to compare with, on given test points; None where the density is unknown."""

    #: Negative log-likelihood and score-matching loss of the data's own density.
    nll: float | None
    sm_loss: float | None
    #: Negative log-likelihood of the Gaussian with the mean and the covariance of the data.
    gaussian: float


@cache
def floors(dataset: str, points: int) -> Floors:
    """Compute the losses of the density of the data and of a Gaussian on the first test points."""
    data = load_data(dataset)
    x = data.test(0, np.float32)[:points].astype(float)
    log_density, score = data.log_density(x), data.score(x)
    nll = None if log_density is None else float(-log_density.mean())
    sm_loss = None if score is None else float(-0.5 * (score**2).sum(1).mean())
    return Floors(nll, sm_loss, _gaussian(data.epoch(0, 0, np.float32).astype(float), x))


def _gaussian(train: Array, x: Array) -> float:
    """Compute the negative log-likelihood of x under the Gaussian with the moments of ``train``, in nats."""
    centred, covariance = x - train.mean(0), np.cov(train.T)
    square = (centred * np.linalg.solve(covariance, centred.T).T).sum(1).mean()
    return float(0.5 * (square + np.linalg.slogdet(2 * np.pi * covariance)[1]))
