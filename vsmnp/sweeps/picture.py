"""Draw a metric of a sweep over one of its axes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError
from ..figures.canvas import drawing
from ..figures.style import SERIES
from .cells import name_of
from .table import SweepTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Ratio of the largest to the least value of an axis from which it is logarithmic.
_DECADES = 20.0
#: Most lines of a picture; further groups of cells are left out.
_LINES = 12


def draw_axis(table: SweepTable, axis: str, metric: str, path: str | Path | None = None) -> Figure:
    """Draw the mean of a metric over the seeds, with its standard error, against the values of an axis.

    Cells that differ in another axis than this one and the seed have a line each. Cells without a finite
    value are left out.

    Parameters
    ----------
    table : SweepTable
        The result of a sweep.
    axis : str
        A label of its cells.
    metric : str
        A column of its rows, such as ``learning.loss``.
    path : path, optional
        A file that ends in .png, .pdf or .svg.

    Raises
    ------
    ConfigError
        If there is no such axis or column, or no cell has a finite value of both.
    LibraryError
        If Matplotlib is not installed.
    StorageError
        If the file cannot be written.
    """
    values = table.column(metric)
    table.column(axis)
    lines: dict[str, dict[Any, list[float]]] = {}
    for row, value in zip(table.rows, values, strict=True):
        if axis in row and isinstance(value, int | float) and np.isfinite(value):
            labels = table.cells[0].labels
            others = {name: row[name] for name in labels if name in row and name not in (axis, "seed")}
            lines.setdefault(name_of(others), {}).setdefault(_position(row[axis]), []).append(float(value))
    if not lines:
        raise ConfigError(f"No cell of the sweep has a finite {metric}: name another column by --metric.")
    return _draw(lines, axis, metric, path)


def _position(value: Any) -> Any:
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else value


def _draw(
    lines: Mapping[str, Mapping[Any, list[float]]], axis: str, metric: str, path: str | Path | None
) -> Figure:
    """Draw a line with error bars for each group of cells."""
    places = list(dict.fromkeys(place for line in lines.values() for place in line))
    numbers = all(isinstance(place, int | float) and not isinstance(place, bool) for place in places)
    with drawing(path, f"{metric} over {axis}", 6.0, 4.2) as figure:
        axes = figure.subplots()
        for (name, line), colour in zip(list(lines.items())[:_LINES], cycle(SERIES), strict=False):
            order = sorted(line) if numbers else [place for place in places if place in line]
            x = np.array(order, float) if numbers else np.array([places.index(place) for place in order])
            mean = [float(np.mean(line[place])) for place in order]
            error = [
                float(np.std(line[place], ddof=1) / len(line[place]) ** 0.5) if len(line[place]) > 1 else 0.0
                for place in order
            ]
            axes.errorbar(x, mean, error, color=colour, marker="o", markersize=3.5, label=name, capsize=2)
        if not numbers:
            axes.set_xticks(range(len(places)), [str(place) for place in places])
        elif min(places) > 0 and max(places) > _DECADES * min(places):
            axes.set_xscale("log")
        axes.set(xlabel=axis, ylabel=metric)
        if len(lines) > 1:
            axes.legend()
    return figure
