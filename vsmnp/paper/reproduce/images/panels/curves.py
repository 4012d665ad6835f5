"""Draw test metrics over the training, a row of panels for each dataset: Figures 4 and 8 of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .....figures.canvas import drawing, labelled_grid, legend_line, note
from .....figures.style import SERIES
from .....metrics import metric
from .....types import Array
from ...methods import FISHER, NAMES
from ..measured import MeasuredImageRun
from ..records import Row, mean_over_seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A colour for each learning objective, dashes for Fisher inference.
_COLOURS = {"ELBO": "#9a9a9a", "M1": SERIES[0], "M2": SERIES[1], "M3": SERIES[2]}
_DASHES: Mapping[str, Any] = {"K": "-", "F": (0, (2.5, 1.5))}

#: Arguments of a line by the name of its method; the ELBO's is wide, to be visible beneath another line.
LINES: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    f"{inference}-{objective}": {
        "color": colour, "linestyle": dash, "linewidth": 2.6 if objective == "ELBO" else 1.2,
    }
    for objective, colour in _COLOURS.items()
    for inference, dash in _DASHES.items()
})  # fmt: skip

#: Titles of the metrics on axes.
TITLES: Mapping[str, str] = MappingProxyType({
    name: metric(name).heading for name in ("neg_elbo", "mse", "mmd", "posterior_fd")
})  # fmt: skip

#: The axis ends a little above the quantile at this share of the drawn values, so that one diverging method
#: does not set the scale.
_SHOWN, _MARGIN = 0.85, 0.25
#: An axis is logarithmic from this ratio of the largest to the smallest value on.
_WIDE = 20.0


def draw(title: str, runs: Sequence[MeasuredImageRun], path: Path) -> None:
    """Draw the evaluations of all runs; see ``figure.Draw``."""
    draw_rows(title, [row for run in runs for row in run.rows], path)


def draw_rows(title: str, rows: Sequence[Row], path: Path) -> None:
    """Draw means over the seeds of rows of :mod:`.records`, with a band of one standard error, if any."""
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    with drawing(path, title, 0.6 + 2.5 * len(TITLES), 0.85 + 2.0 * len(datasets)) as figure:
        grid = labelled_grid(figure, datasets, list(TITLES.values()), sharex="row")
        for axes, (dataset, metric) in zip(grid.flat, product(datasets, TITLES), strict=True):
            _panel(axes, [row for row in rows if row["dataset"] == dataset], metric)
        for axes in grid[-1]:
            axes.set(xlabel="epoch")
        shown = [name for name in NAMES if any(row["method"] == name for row in rows)]
        handles = [legend_line(label=name, **LINES[name]) for name in shown]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(shown))


def _panel(axes: Axes, rows: Sequence[Row], metric: str) -> None:
    means = {}
    for name in NAMES:
        epochs, mean, error = _means([row for row in rows if row["method"] == name], metric)
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


def _means(rows: Sequence[Row], metric: str) -> tuple[Array, Array, Array]:
    """Compute epochs, means over the seeds and their standard errors of the evaluations with the metric."""
    epochs = sorted({row["epoch"] for row in rows if row.get(metric) is not None})
    found = [mean_over_seeds([row for row in rows if row["epoch"] == epoch], metric) for epoch in epochs]
    mean = np.array([value.mean for value in found if value is not None])
    error = np.array([value.error for value in found if value is not None])
    return np.array(epochs), np.where(np.isfinite(mean), mean, np.nan), error


def _scale(axes: Axes, values: Array) -> None:
    """Scale the axis to show most values; logarithmically if they are positive and span a wide range."""
    low, high = float(values.min()), float(np.quantile(values, _SHOWN))
    if low > 0 and values.max() > _WIDE * low:
        axes.set_yscale("log")
        return
    margin = _MARGIN * (high - low)
    if margin > 0 and values.max() > high + margin:
        axes.set_ylim(low - 0.2 * margin, high + margin)
