"""Draw every pair of coordinates of points in several dimensions: a corner plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..types import Array
from .canvas import drawing
from .panels import PlaneWindow, histogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Largest number of dimensions that are drawn themselves; of more, this many principal components are drawn.
MOST_DIMENSIONS, COMPONENTS = 6, 4
#: Inches: side of a panel, space for the labels and the legend.
_PANEL, _AROUND = 1.35, 1.2
_BINS = 40
#: Fewer points are drawn larger and less transparent, so that they are seen among many others.
_FEW = 500


class Cloud(NamedTuple):
    """Points ``(N, D)`` with their name in the legend and their colour."""

    name: str
    points: Array
    colour: str


def corner(
    title: str, clouds: Sequence[Cloud], labels: Sequence[str], path: str | Path | None,
    of: Array | None = None,
) -> Figure:  # fmt: skip
    """Draw histograms of each coordinate, and below them a scatter plot of each pair.

    Parameters
    ----------
    clouds : sequence of Cloud
        The points, the first below the others, and many points below few.
    labels : sequence of str
        Labels of the D coordinates.
    of : Array, optional
        ``(N, D)``, whose ranges and principal components are drawn; by default those of the first cloud.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, written if there is a path.
    """
    of = clouds[0].points if of is None else of
    if len(labels) > MOST_DIMENSIONS:
        clouds, labels, of = _principal(clouds, of)
    size, drawn = len(labels), sorted(clouds, key=lambda cloud: len(cloud.points), reverse=True)
    side = _AROUND + _PANEL * size
    with drawing(path, title, side, side) as figure:
        grid = figure.subplots(size, size, sharex="col", squeeze=False)
        for row in range(size):
            for column in range(size):
                axes = grid[row, column]
                if column > row:
                    axes.remove()
                    continue
                window = PlaneWindow.around(of[:, [column, row]])
                for cloud in drawn:
                    if column == row:
                        edges = np.linspace(window.left, window.right, _BINS + 1)
                        axes.stairs(histogram(cloud.points[:, row], edges), edges, color=cloud.colour)
                    else:
                        x, y = cloud.points[:, column], cloud.points[:, row]
                        s, alpha = (6, 0.7) if len(x) < _FEW else (2, 0.25)
                        axes.scatter(x, y, s=s, color=cloud.colour, alpha=alpha, linewidths=0)
                axes.set(xlim=(window.left, window.right), box_aspect=1)
                axes.locator_params(nbins=4)
                if column == row:
                    axes.set(yticks=[])
                else:
                    axes.set(ylim=(window.bottom, window.top))
                    axes.tick_params(labelleft=column == 0)
                if row == size - 1:
                    axes.set(xlabel=labels[column])
                if column == 0 and row > 0:
                    axes.set(ylabel=labels[row])
        for cloud in clouds:
            grid[0, 0].scatter([], [], s=12, color=cloud.colour, label=cloud.name)
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="upper right", bbox_to_anchor=(0.99, 0.93))
    return figure


def _principal(clouds: Sequence[Cloud], of: Array) -> tuple[list[Cloud], list[str], Array]:
    """Project all clouds on the first principal components of the points ``of``, and name these."""
    reference = of.astype(np.float64)
    mean = reference.mean(0)
    _, sizes, directions = np.linalg.svd(reference - mean, full_matrices=False)
    axes = directions[:COMPONENTS]
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]  # a sign of its own
    shares = sizes**2 / max(float((sizes**2).sum()), np.finfo(float).tiny)
    projected = [cloud._replace(points=(cloud.points - mean) @ axes.T) for cloud in clouds]
    labels = [f"component {j + 1} ({share:.0%})" for j, share in enumerate(shares[: len(axes)])]
    return projected, labels, (reference - mean) @ axes.T
