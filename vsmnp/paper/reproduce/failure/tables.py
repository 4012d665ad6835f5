"""Convert the rows of the controlled experiment to tables and files, and read them back."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ....data import load_data
from ....errors import DataError
from ..reproduction import Table
from .measures import METRICS

_LABELS = ("dataset", "inference", "objective", "encoder_steps", "activation", "batch_size", "models")
_COLUMNS = (*_LABELS, *(column for name in METRICS for column in (name, f"{name}_se", f"{name}_median")))
_VARIANCE = ("objective", "variance", "squared_mean", "ratio_to_m1")
_TEXTS = {"dataset", "inference", "objective", "activation"}
_COUNTS = {"encoder_steps", "batch_size", "models"}

Rows = Sequence[Mapping[str, Any]]


def narrow(rows: Rows) -> Table:
    """Make the table to print: medians over the models, and standard errors of the mean."""
    header = ["data", "q", "objective", "J", "N", "f", "nll", "+-", "sm loss", "+-", "gamma", "tr Cov g"]
    names = (*_LABELS[:4], "batch_size", "activation", "nll_median", "nll_se", "sm_loss_median", "sm_loss_se",
             "gamma_median", "reconstruction_variance_median")  # fmt: skip
    return Table("summary", header, [tuple(row[name] for name in names) for row in rows])


def full(rows: Rows) -> Table:
    """Make the table of all numbers."""
    return Table("failure", _COLUMNS, [tuple(row[name] for name in _COLUMNS) for row in rows])


def variance(rows: Rows) -> Table:
    """Make the table of the gradient variances."""
    return Table("gradient_variance", _VARIANCE, [tuple(row[name] for name in _VARIANCE) for row in rows])


def read(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Read the rows and the gradient variances that ``vsmnp reproduce failure`` wrote into a folder.

    Raises
    ------
    DataError
        If a file is missing or has other content.
    """
    return _read(folder / "failure.csv", _COLUMNS), _read(folder / "gradient_variance.csv", _VARIANCE)


def floors(rows: Rows) -> dict[str, dict[str, float | None]]:
    """Return the least possible negative log-likelihood and score-matching loss of each dataset."""
    bounds = {name: load_data(name).bounds for name in dict.fromkeys(row["dataset"] for row in rows)}
    return {name: {"nll": bound.nll, "sm_loss": bound.sm_loss} for name, bound in bounds.items()}


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            found = [{name: _value(name, text) for name, text in row.items()} for row in reader]
            if tuple(reader.fieldnames or ()) != tuple(columns):
                raise ValueError(f"its columns are {reader.fieldnames}")
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise DataError(
            f"{path} is not what 'vsmnp reproduce failure' writes ({error}): run that first, or name its "
            "folder."
        ) from error
    return found


def _value(name: str, text: str) -> Any:
    if name in _TEXTS:
        return text
    return int(text) if name in _COUNTS else float(text)
