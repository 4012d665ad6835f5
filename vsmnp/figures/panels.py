"""Side by side: the first models of an ensemble, and the window or the bins that they share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..runs.session import Run
from ..types import Array
from .style import DATA

if TYPE_CHECKING:
    from matplotlib.axes import Axes
from ..metrics import corrupted
from ..metrics.report import TEST_NOISE

#: Models of an ensemble that get a panel of their own.
MOST_MODELS = 4
#: Inches of a square panel, between two of them, and of everything left of, and above and below, a row.
PANEL, _BETWEEN, _LEFT, _ABOVE_AND_BELOW = 2.3, 0.16, 0.55, 0.85
#: Two coordinates are drawn to one scale unless one of them spans this much more than the other.
_ONE_SCALE = 3.0
#: Share of points outside a window that deserves a word; of the data it is always less.
_MANY = 0.03


def row_size(panels: int) -> tuple[float, float]:
    """Width and height in inches of a figure with square panels in a row."""
    return _LEFT + panels * (PANEL + _BETWEEN), _ABOVE_AND_BELOW + PANEL


def first_models(run: Run) -> Run:
    """The run with only the models that get a panel."""
    vae, most = run.vae, MOST_MODELS
    vae = replace(vae, phi=vae.phi[:most], theta=vae.theta[:most], seeds=vae.seeds[:most])
    return replace(run, vae=vae)


class Window(NamedTuple):
    """A rectangle in the plane."""

    left: float
    right: float
    bottom: float
    top: float

    @classmethod
    def around(cls, x: Array, margin: float = 0.15) -> Window:
        """The central 99 % of points ``(N, 2)`` in each coordinate, with a margin; square if possible."""
        low, high = np.quantile(x, (0.005, 0.995), axis=0).astype(float)
        centre, half = (low + high) / 2, (high - low) / 2
        half = np.where(half > 0, half, 1.0)
        if half.max() < _ONE_SCALE * half.min():
            half[:] = half.max()
        half *= 1 + margin
        return cls(centre[0] - half[0], centre[0] + half[0], centre[1] - half[1], centre[1] + half[1])

    @property
    def corner(self) -> Array:
        """The lower left corner, ``(2,)``."""
        return np.array([self.left, self.bottom])

    @property
    def sides(self) -> Array:
        """Width and height, ``(2,)``."""
        return np.array([self.right - self.left, self.top - self.bottom])

    def frame(self, axes: Axes) -> None:
        """Make square axes show this window."""
        axes.set(xlim=(self.left, self.right), ylim=(self.bottom, self.top), box_aspect=1)
        axes.locator_params(nbins=6)

    def holds(self, x: Array) -> Array:
        """Flags ``(N,)``: which points ``(N, 2)`` lie in the window."""
        inside = (self.left <= x[:, 0]) & (x[:, 0] <= self.right)
        return np.asarray(inside & (self.bottom <= x[:, 1]) & (x[:, 1] <= self.top))

    def grid(self, size: int) -> Array:
        """Centres of ``size`` by ``size`` cells, ``(size^2, 2)``, the first coordinate running fastest."""
        cells = (np.arange(size) + 0.5) / size
        return self.corner + self.sides * np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)


def tell_outside(axes: Axes, x: Array, window: Window) -> None:
    """Say in the corner how many of the points ``(N, 2)`` the window cannot show, if they are many."""
    outside = 1 - window.holds(x).mean()
    if outside >= _MANY:
        text = f"{outside:.0%} outside"
        axes.text(0.98, 0.02, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=7, color=DATA)


def histogram(x: Array, edges: Array) -> Array:
    """Density of the values ``(N,)`` in each bin; what lies beyond the edges is part of the whole."""
    return np.asarray(np.histogram(x, edges)[0] / (len(x) * np.diff(edges)))


def test_points(run: Run) -> Array:
    """The test set, ``(N, D)``, as an evaluation sees it."""
    return _noisy(run, run.dataset.test(run.settings.data_seed, np.dtype(run.settings.dtype)))


def training_points(run: Run) -> Array:
    """The training data of the first epoch, ``(N, D)``."""
    return _noisy(run, run.dataset.epoch(run.settings.data_seed, 0, np.dtype(run.settings.dtype)))


def _noisy(run: Run, x: Array) -> Array:
    return corrupted(run.vae.k, x, run.settings.noise, TEST_NOISE)
