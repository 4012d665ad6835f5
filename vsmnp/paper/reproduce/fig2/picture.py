"""Draw Figure 2: a row for each posterior, a column for each method with each optimiser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....figures.canvas import drawing, labelled_grid, legend_line, text_inside
from ....figures.style import DATA, INK
from ....types import Array
from .basins import DIVERGED
from .problems import ToyProblem
from .rows import OF_FISHER, OF_KL, BasinRow, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

#: Half the side of a panel, and the number of points along it at which the posterior is computed.
_REACH, _FINE = 3.7, 241
#: Contour levels of the posterior, as shares of its greatest density.
_LEVELS = (0.003, 0.03, 0.1, 0.25, 0.5, 0.75, 1.001)


def picture(rows: Sequence[BasinRow], path: Path, title: str) -> None:
    """Draw the trajectories of the means, for the published loss, over the posteriors' contours, as PNG.

    Dots are initial means, crosses final ones; the colour shows the optimum at which a start ended, if any.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    columns = len(rows[0].of_loss("published"))
    with drawing(path, title, 0.5 + 2.02 * columns, 0.9 + 2.1 * len(rows)) as figure:
        labels = [f"{row.problem.formula}\n$z_2$" for row in rows]
        titles = [panel.title for panel in rows[0].of_loss("published")]
        grid = labelled_grid(figure, labels, titles, sharex=True, sharey=True)
        for line, row in zip(grid, rows, strict=True):
            density = _density(row.problem)
            for axes, panel in zip(line, row.of_loss("published"), strict=True):
                _contours(axes, density)
                _trajectories(axes, panel, row.colours)
        for axes in grid[-1]:
            axes.set_xlabel("$z_1$")
        _legend(figure)


def _density(problem: ToyProblem) -> Array:
    """Compute the posterior over its greatest value, on the grid of a panel."""
    line = np.linspace(-_REACH, _REACH, _FINE)
    log_density = problem.log_joint(np.stack(np.meshgrid(line, line), axis=-1))
    return np.asarray(np.exp(log_density - log_density.max()))


def _contours(axes: Axes, density: Array) -> None:
    line = np.linspace(-_REACH, _REACH, _FINE)
    greys = ["#f2f2f2", "#e4e4e4", "#d3d3d3", "#bfbfbf", "#aaaaaa", "#949494"]
    axes.contourf(line, line, density, levels=_LEVELS, colors=greys)
    axes.grid(visible=False)
    axes.set(xlim=(-_REACH, _REACH), ylim=(-_REACH, _REACH), box_aspect=1)
    axes.set(xticks=[-3, 0, 3], yticks=[-3, 0, 3])


def _trajectories(axes: Axes, panel: Panel, colours: Mapping[str, str]) -> None:
    for start, name in enumerate(panel.names):
        mean = panel.trajectory.path[:, start, :2]
        colour = colours[name]
        if name == DIVERGED:
            axes.plot(*mean[0], "o", markersize=3.2, color="white", markeredgecolor=INK, markeredgewidth=0.7)
            continue
        axes.plot(*mean.T, color=colour, linewidth=0.7, alpha=0.85)
        axes.plot(*mean[0], "o", markersize=3, color=colour, markeredgewidth=0)
    end = panel.trajectory.end[[name != DIVERGED for name in panel.names]]
    axes.plot(*end[:, :2].T, "x", markersize=4.5, color="black", markeredgewidth=0.9, zorder=5)
    counts = Counter(colours[name] for name in colours for _ in range(panel.count(name)))
    for place, (colour, count) in enumerate(counts.items()):
        across, look = 0.97 - 0.13 * (len(counts) - 1 - place), {"fontsize": 7.5, "fontweight": "bold"}
        text_inside(axes, across, 0.03, f"{count}", ha="right", color=colour, **look)


def _legend(figure: Figure) -> None:
    from matplotlib.legend_handler import HandlerTuple

    def dot(colour: str, **look: Any) -> Line2D:
        return legend_line(color=colour, marker="o", markersize=4, linewidth=0.9, **look)

    entries: dict[str, Any] = {
        "ends at an optimum of KL (and FD)": (dot(OF_KL[0]), dot(OF_KL[1])),
        "at an optimum of FD alone": (dot(OF_FISHER[0]), dot(OF_FISHER[1])),
        "at no optimum": dot(DATA),
        "diverged": dot(INK, linestyle="none", markerfacecolor="white"),
        "end": legend_line(color="black", marker="x", markersize=5, linestyle="none"),
    }
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=len(entries),
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0.4)}, handlelength=2.2,
    )  # fmt: skip
