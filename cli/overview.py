"""Tables of several runs: means over models as cells and as CSV, and their order by a metric."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from .console import mean_and_error

T = TypeVar("T")

#: A mean over models and its standard error.
Mean = tuple[float | None, float | None]


def means(figures: Mapping[str, Sequence[float | None]], name: str) -> Mean:
    """Compute the mean of a metric over the models and its standard error; None if it is missing."""
    return mean_and_error(figures.get(name, ()))


def cell(mean: Mean) -> str:
    """Format a mean with its standard error."""
    value, error = mean
    return "-" if value is None else f"{value:.4g}" + (f" +- {error:.2g}" if error else "")


def sorted_by(
    name: str, items: Sequence[T], evaluations: Sequence[Mapping[str, Sequence[float | None]]]
) -> list[T]:
    """Sort items by the mean of a metric of their evaluations, the best first and missing ones last.

    Raises
    ------
    ConfigError
        If there is no such metric.
    """
    from vsmnp.metrics import metric
    from vsmnp.metrics.table import BestValue

    nearest = metric(name).best is BestValue.ZERO

    def key(place: int) -> float:
        value, _ = means(evaluations[place], name)
        return math.inf if value is None else abs(value) if nearest else value

    return [items[place] for place in sorted(range(len(items)), key=key)]


def csv_text(about: Mapping[str, Sequence[Any]], columns: Mapping[str, Sequence[Mean]]) -> str:
    """Format one line per run: what is known ``about`` it, then each metric and its standard error."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*about, *(name for metric in columns for name in (metric, f"{metric}_sem"))])
    for line, known in enumerate(zip(*about.values(), strict=True)):
        numbers = (number for cells in columns.values() for number in cells[line])
        writer.writerow([*known, *("" if number is None else repr(number) for number in numbers)])
    return text.getvalue()
