"""Score fields as arrows at data points, thinned to one per cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..types import Array
from .panels import Window

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Cells along one side of the window; a cell has at most one arrow.
_CELLS = 18
#: The longest arrow, in sides of a cell.
_LONGEST = 1.4


def one_a_cell(points: Array, window: Window) -> Array:
    """Select the first of the points ``(N, 2)`` in each cell of a coarse grid over the window, ``(n, 2)``."""
    inside = points[window.holds(points)]
    column, row = ((inside - window.corner) / window.sides * _CELLS).astype(int).T
    return inside[np.unique(row * (_CELLS + 1) + column, return_index=True)[1]]


@dataclass(frozen=True)
class Arrows:
    """Arrows at ``at (N, 2)``; the arrow of a vector of norm ``unit`` has half the greatest length."""

    at: Array
    window: Window
    unit: float

    def draw(self, axes: Axes, vectors: Array, colour: str) -> None:
        """Draw ``vectors (N, 2)`` with their directions, and lengths that saturate."""
        norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
        shrink = 1 / (norm + self.unit + np.finfo(float).tiny)
        x, y = (vectors * shrink * _LONGEST * self.window.sides / _CELLS).T
        axes.quiver(
            *self.at.T, x, y, color=colour, angles="xy", scale_units="xy", scale=1,
            width=0.006, headwidth=4, headlength=4, headaxislength=3.6,
        )  # fmt: skip
