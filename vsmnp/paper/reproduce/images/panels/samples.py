"""Draw test data and the samples of every method, one picture for each dataset: Figures 12 to 17."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .....figures.canvas import drawing
from .....figures.mosaic import mosaic
from .....types import Array
from ..measured import MeasuredImageRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Number of panels in a row.
_ACROSS = 4


def draw(title: str, runs: Sequence[MeasuredImageRun], path: Path) -> None:
    """Draw the data, and for each run the decoder's means at draws from the prior; see ``figure.Draw``."""
    down = -(-(1 + len(runs)) // _ACROSS)
    with drawing(path, title, 0.2 + 1.9 * _ACROSS, 0.45 + 2.1 * down) as figure:
        grid = figure.subplots(down, _ACROSS, squeeze=False).ravel()
        for axes in grid:
            axes.set_axis_off()
        show(grid[0], runs[0].data, runs[0].shape, "data")
        for axes, run in zip(grid[1:], runs, strict=False):
            show(axes, run.samples, run.shape, run.labels["method"])


def show(axes: Axes, x: Array, shape: tuple[int, ...], title: str) -> None:
    """Draw images ``(64, D)`` in a grid, black at 0 and white at 1."""
    axes.imshow(mosaic(x, shape).clip(0, 1), cmap="gray", vmin=0, vmax=1)
    axes.set_title(title)
