"""Draw test metrics over the training, a row of panels for each dataset: Figures 4 and 8 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .....figures.canvas import drawing, note
from .....types import Array
from ..measured import Measured
from ..methods import FISHER, NAMES
from ..records import Row, estimate
from .style import LINES, TITLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The axis ends a little above the quantile at this share of the drawn values, so that one diverging method
#: does not set the scale.
_SHOWN, _ROOM = 0.85, 0.25
#: An axis is logarithmic from this ratio of the largest to the smallest value on.
_WIDE = 20.0


def draw(title: str, runs: Sequence[Measured], path: Path) -> None:
    """Draw the evaluations of all runs; see :func:`draw_rows`."""
    draw_rows(title, [row for run in runs for row in run.rows], path)


def draw_rows(title: str, rows: Sequence[Row], path: Path) -> None:
    """Draw means over the seeds, with a band of one standard error where there are several.

    Parameters
    ----------
    title : str
        Title of the picture.
    rows : sequence of mapping
        Rows of one architecture, in the form of :mod:`.records`; at least one.
    path : Path
        Path of the PNG file.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    with drawing(path, title, 0.6 + 2.35 * len(TITLES), 0.85 + 2.0 * len(datasets)) as figure:
        grid = figure.subplots(len(datasets), len(TITLES), sharex="row", squeeze=False)
        for line, dataset in zip(grid, datasets, strict=True):
            here = [row for row in rows if row["dataset"] == dataset]
            for axes, metric in zip(line, TITLES, strict=True):
                _panel(axes, here, metric)
            line[0].set(ylabel=dataset)
        for axes, metric in zip(grid[0], TITLES, strict=True):
            axes.set_title(TITLES[metric])
        for axes in grid[-1]:
            axes.set(xlabel="epoch")
        shown = [name for name in NAMES if any(row["method"] == name for row in rows)]
        figure.legend(handles=[_handle(name) for name in shown], loc="outside upper right", ncols=len(shown))


def _handle(name: str) -> object:
    from matplotlib.lines import Line2D

    return Line2D([], [], label=name, **LINES[name])


def _panel(axes: Axes, rows: Sequence[Row], metric: str) -> None:
    means = {}
    for name in NAMES:
        epochs, mean, error = _course([row for row in rows if row["method"] == name], metric)
        if not len(epochs):
            continue
        means[name] = mean[np.isfinite(mean)]
        dot = "o" if len(epochs) == 1 else None
        fill = "none" if name in FISHER else "full"
        axes.plot(epochs, mean, marker=dot, fillstyle=fill, markersize=4, **LINES[name])
        if np.isfinite(error).any():
            colour = LINES[name]["color"]
            axes.fill_between(epochs, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
    values = np.concatenate([*means.values(), np.empty(0)])
    if not values.size:
        note(axes, "no finite values")
        return
    _scale(axes, values)


def _course(rows: Sequence[Row], metric: str) -> tuple[Array, Array, Array]:
    """Compute epochs, means over the seeds and their standard errors of the evaluations with the metric."""
    epochs = sorted({row["epoch"] for row in rows if row.get(metric) is not None})
    found = [estimate([row for row in rows if row["epoch"] == epoch], metric) for epoch in epochs]
    mean = np.array([value.mean for value in found if value is not None])
    error = np.array([value.error for value in found if value is not None])
    return np.array(epochs), np.where(np.isfinite(mean), mean, np.nan), error


def _scale(axes: Axes, values: Array) -> None:
    """Scale the axis to show most values; logarithmically if they are positive and span a wide range."""
    low, high = float(values.min()), float(np.quantile(values, _SHOWN))
    if low > 0 and values.max() > _WIDE * low:
        axes.set_yscale("log")
        return
    room = _ROOM * (high - low)
    if room > 0 and values.max() > high + room:
        axes.set_ylim(low - 0.2 * room, high + room)
