"""Record a grid: one row for each evaluation of a run, in memory and as a CSV file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from ..conditions import Estimate
from ..reproduction import Table, read_records

Row: TypeAlias = Mapping[str, Any]

LABELS = ("dataset", "architecture", "method", "seed")
#: Metrics on the test set during training; below, those of generated samples after it and of the latents.
METRICS = ("neg_elbo", "mse", "mmd", "posterior_fd", "gamma")
#: The negative ELBO of the best constant decoder on the same test set; that of a trained model is lower.
REFERENCE = "gaussian_neg_elbo"
QUALITY = ("fid", "kid")
#: Shares of the posterior standard deviations, or of binary latents; see :func:`.latents.latents`.
SDS, MEANS = ("decided_sds", "sds_near_0", "sds_near_1"), ("idle_means",)
COLUMNS = (*LABELS, "epoch", "step", *METRICS, REFERENCE, *QUALITY, *SDS, *MEANS)


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
    kinds: dict[str, type] = {**dict.fromkeys(LABELS, str), "seed": int, "step": int}
    converters = {name: partial(_optional, kinds.get(name, float)) for name in COLUMNS}
    return read_records(path, converters, "is no record of image runs", "run 'vsmnp reproduce' first")


def _optional(kind: type, text: str) -> Any:
    return text if kind is str else kind(text) if text else None


def last(rows: Iterable[Row]) -> list[Row]:
    """Return the latest row of every run."""
    latest: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(row[label] for label in LABELS)
        if key not in latest or row["epoch"] >= latest[key]["epoch"]:
            latest[key] = row
    return list(latest.values())


def mean_over_seeds(rows: Sequence[Row], metric: str) -> Estimate | None:
    """Compute mean and standard error over runs of the values that are present; None without any."""
    values = [float(row[metric]) for row in rows if row.get(metric) is not None]
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Estimate(mean)
    deviations = [value - mean for value in values]
    variance = math.fsum(d * d for d in deviations) / (len(values) - 1)  # a power would raise on overflow
    return Estimate(mean, math.sqrt(variance / len(values)), len(values) - 1)
