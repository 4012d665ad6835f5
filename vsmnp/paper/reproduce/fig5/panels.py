"""Draw Figure 5: a panel for each run and posterior, the exact density dashed under the fitted one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....figures.canvas import drawing, legend_line, text_inside
from ....figures.style import DATA, INK, MODEL
from ....types import Array
from .quadrature import Fits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Half the side of the displayed square.
_WINDOW = 3.2
#: Sizes in inches: a panel's side, the gap between panels, the space above a row, and the picture's margin,
#: head and foot.
_PANEL, _GAP, _ABOVE, _EDGE, _HEAD, _FOOT = 1.17, 0.06, 0.33, 0.12, 0.2, 0.22
#: Least width of the picture in inches, enough for the heading of a row with few runs.
_LEAST_WIDTH = 6.4
#: The contours of both densities are at the heights above which these shares of the exact posterior lie.
_SHARES = (0.9, 0.5)
_SHADES = ("#f1f1f1", "#dfdfdf")
_DASHES = (0, (3.0, 2.0))


def draw(path: Path, rows: Sequence[Fits], seeds: Sequence[int]) -> None:
    """Draw all runs on all posteriors as PNG.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    width = max(2 * _EDGE + len(seeds) * (_PANEL + _GAP) - _GAP, _LEAST_WIDTH)
    height = _HEAD + len(rows) * (_ABOVE + _PANEL) + _FOOT
    with drawing(path, "Gaussian mixtures fitted by the Fisher divergence", width, height) as figure:
        figure.set_layout_engine("none")  # all positions are set by hand
        bottom = height - _HEAD
        for row in rows:
            bottom -= _ABOVE + _PANEL
            figure.text(_EDGE / width, (bottom + _PANEL + 0.07) / height, _heading(row), fontsize=8.5)
            for r in range(len(seeds)):
                left = _EDGE + r * (_PANEL + _GAP)
                place = (left / width, bottom / height, _PANEL / width, _PANEL / height)
                axes = figure.add_axes(place)
                _panel(axes, row, r)
                if row is rows[-1]:
                    axes.set_xlabel(f"run {seeds[r]}", labelpad=3)
        _legend(figure, width)


def _heading(row: Fits) -> str:
    """Write a row's heading, such as ``p_I: N(2; z1 z2, 0.5^2)`` and the meaning of the percentages.

    The letters after the underscore are set as a subscript.
    """
    target = row.exact.target
    symbol, _, rest = target.problem.name.partition(" ")
    low = symbol.removeprefix("p_")
    name = f"$p_{{\\mathrm{{{low}}}}}$ {rest}".strip()
    return (
        f"{name}: {target.problem.formula}      percentages: mass where {target.side_formula}, "
        f"exactly {row.exact.mass:.0%}"
    )


def _legend(figure: Figure, width: float) -> None:
    exact = "exact posterior, its 50 % and 90 % regions"
    lines = [
        legend_line(color=INK, linewidth=0.8, linestyle=_DASHES, label=exact),
        legend_line(color=MODEL, linewidth=1.3, label="fit at the same heights"),
    ]
    figure.legend(handles=lines, loc="upper right", bbox_to_anchor=(1 - _EDGE / width, 1.0), ncols=2,
                  handlelength=2.4, borderaxespad=0.25)  # fmt: skip


def _panel(axes: Axes, row: Fits, r: int) -> None:
    """Draw one run: the exact posterior shaded and dashed, the fit in solid lines at the same heights."""
    grid = row.exact.grid
    exact = np.exp(row.exact.log_prob).reshape(grid.cells, grid.cells)
    heights = contour_heights(exact)
    x = grid.axis
    axes.contourf(x, x, exact, [*heights, exact.max()], colors=_SHADES)
    axes.contour(x, x, row.density[r], heights, colors=MODEL, linewidths=1.1)
    axes.contour(x, x, exact, heights, colors=INK, linewidths=0.7, linestyles=[_DASHES])
    axes.set(xlim=(-_WINDOW, _WINDOW), ylim=(-_WINDOW, _WINDOW), xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color="#d0d0d0")
    for place, text, side in ((0.04, f"FD {row.end.fd[r]:#.2g}", "left"),
                              (0.96, f"{row.end.mass[r]:.0%}", "right")):  # fmt: skip
        text_inside(axes, place, 0.03, text, ha=side, va="bottom", fontsize=6.5, color=DATA)


def contour_heights(density: Array) -> Array:
    """Return the heights above which equal cells hold each of the shares of a density, ascending."""
    ordered = np.sort(density, axis=None)[::-1]
    return np.asarray(ordered[np.searchsorted(np.cumsum(ordered), np.asarray(_SHARES) * ordered.sum())])
