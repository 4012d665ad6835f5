"""Convert the rows of the controlled experiment to tables and files, and read them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ....data import load_data
from ..reproduction import Table, read_records
from .measures import METRICS

#: The columns of both files, each with the function that reads a value.
_COLUMNS: Mapping[str, Callable[[str], Any]] = {
    "dataset": str, "inference": str, "objective": str, "encoder_steps": int, "activation": str,
    "batch_size": int, "models": int,
    **{column: float for name in METRICS for column in (name, f"{name}_se", f"{name}_median")},
}  # fmt: skip
_VARIANCE: Mapping[str, Callable[[str], Any]] = {
    "objective": str, "variance": float, "squared_mean": float, "ratio_to_m1": float,
}  # fmt: skip

#: The columns of the printed table, each with its header: medians over the models, errors of the mean.
_PRINTED = {
    "dataset": "data", "inference": "q", "objective": "objective", "encoder_steps": "J", "batch_size": "N",
    "activation": "f", "nll_median": "nll", "nll_se": "+-", "sm_loss_median": "sm loss", "sm_loss_se": "+-",
    "gamma_median": "gamma", "reconstruction_variance_median": "tr Cov g",
}  # fmt: skip

Rows = Sequence[Mapping[str, Any]]


def narrow(rows: Rows) -> Table:
    """Make the table to print: medians over the models, and standard errors of the mean."""
    return replace(Table.of("summary", _PRINTED, rows), header=tuple(_PRINTED.values()))


def full(rows: Rows) -> Table:
    """Make the table of all numbers."""
    return Table.of("failure", _COLUMNS, rows)


def variance(rows: Rows) -> Table:
    """Make the table of the gradient variances."""
    return Table.of("gradient_variance", _VARIANCE, rows)


def read(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
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
    )
    rows = reading(folder / "failure.csv", _COLUMNS)
    return rows, reading(folder / "gradient_variance.csv", _VARIANCE)


def floors(rows: Rows) -> dict[str, dict[str, float | None]]:
    """Return the least possible negative log-likelihood and score-matching loss of each dataset."""
    bounds = {name: load_data(name).bounds for name in dict.fromkeys(row["dataset"] for row in rows)}
    return {name: {"nll": bound.nll, "sm_loss": bound.sm_loss} for name, bound in bounds.items()}
