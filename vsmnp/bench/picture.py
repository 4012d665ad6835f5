"""Draw rows as a picture: log-log lines over varied values, bars of ratios."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..figures.canvas import drawing
from ..figures.style import DATA, MODEL, SERIES
from ..storage import ELSEWHERE
from .row import BenchRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_MEANING = {
    "N": "batch size N", "S": "posterior samples S", "H": "width H", "R": "models R",
    "depth": "hidden layers",
}  # fmt: skip


#: With more values than this, every second one has a tick.
_MOST_TICKS = 6


def draw(rows: Sequence[BenchRow], path: str | Path, remedy: str = ELSEWHERE) -> None:
    """Draw the rows as a picture: a panel for each axis that was varied, and one for all ratios.

    ``remedy`` ends the message if the file cannot be written.

    Raises
    ------
    ConfigError
        If the path does not end in .png, or there is nothing to draw.
    StorageError
        If the file cannot be written.
    """
    axes_names = list(dict.fromkeys(row.axis for row in rows if row.axis is not None and row.ms is not None))
    compared = [row for row in rows if row.axis is None and row.ratio is not None]
    alone = [row for row in rows if row.axis is None and row.ms is not None] if not compared else []
    panels = len(axes_names) + bool(compared or alone)
    if not panels:
        raise ConfigError(
            "There is nothing to draw, as no row has a time: measure another suite than memory."
        )
    height = max(3.4, 0.16 * len(compared or alone) + 1.2)
    with drawing(path, f"vsmnp bench: {rows[0].device}", max(6.4, 3.2 * panels), height, remedy) as figure:
        places = figure.subplots(1, panels, squeeze=False)[0]
        for name, axes in zip(axes_names, places, strict=False):
            _lines(axes, [row for row in rows if row.axis == name], name)
        if compared:
            labels = [f"{row.case} / {row.peer}" for row in compared]
            _bars(places[-1], labels, [row.ratio for row in compared], height=0.7)
            places[-1].axvline(1.0, color=DATA, linewidth=1)
            places[-1].set(xlabel="peer over vsmnp, larger is faster")
        elif alone:
            _bars(places[-1], [row.case for row in alone], [row.ms for row in alone])
            places[-1].set(xlabel="ms")


def _lines(axes: Axes, rows: Sequence[BenchRow], name: str) -> None:
    """Plot milliseconds over the varied value, one line per contender, both axes logarithmic."""
    mine = {row.value: row.ms for row in rows if row.value is not None}
    series = {"vsmnp": mine}
    for row in rows:
        if row.peer is not None and row.value is not None and row.peer_ms is not None:
            series.setdefault(row.peer, {})[row.value] = row.peer_ms
    for (who, points), colour in zip(series.items(), cycle(SERIES), strict=False):
        axes.loglog([*points], [*points.values()], "o-", color=colour, label=who, markersize=3)
    shown = [*mine][:: 2 if len(mine) > _MOST_TICKS else 1]
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.set_xticks([], minor=True)
    _plain(axes.yaxis)
    axes.set(xlabel=_MEANING[name], ylabel="ms a step", title=rows[0].case.split("/")[0])
    axes.legend()


def _bars(axes: Axes, labels: Sequence[str], values: Sequence[float | None], height: float = 0.8) -> None:
    """Draw a bar for each label, from top to bottom, on a logarithmic axis."""
    axes.barh(labels[::-1], [value or 0.0 for value in values[::-1]], color=MODEL, height=height)
    axes.set(xscale="log")
    _plain(axes.xaxis)
    axes.tick_params(axis="y", labelsize=6)


def _plain(axis: Axis) -> None:
    """Label a logarithmic axis at 1, 2 and 5 with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
