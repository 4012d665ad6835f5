"""Draw panels of the first models of an ensemble, with one window or the same bins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..metrics import corrupted
from ..runs.session import Run
from ..types import Array
from .canvas import drawing, text_inside
from .labels import headline, model_names
from .style import DATA, INK, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Largest number of models of an ensemble with a panel each.
MOST_MODELS = 4
#: Inches: side of a square panel, gap between panels, space left of a row, space above and below it.
PANEL, _BETWEEN, _LEFT, _ABOVE_AND_BELOW = 2.3, 0.16, 0.55, 0.85
#: Two coordinates have one scale unless the range of one exceeds this multiple of the other.
_ONE_SCALE = 3.0
#: Share of points outside a window above which it is reported; of the data it is always smaller.
_MANY = 0.03


def row_size(panels: int) -> tuple[float, float]:
    """Return width and height in inches of a figure with square panels in a row."""
    return _LEFT + panels * (PANEL + _BETWEEN), _ABOVE_AND_BELOW + PANEL


def first_models(run: Run) -> Run:
    """Return the run with only the models that have a panel."""
    return replace(run, vae=run.vae.some(slice(MOST_MODELS)))


@contextmanager
def model_panels(
    run: Run, part: Run, path: str | Path | None, size: tuple[float, float], data: str = "",
    share: bool = True,
) -> Iterator[tuple[Figure, list[Axes]]]:  # fmt: skip
    """Yield a figure and its row of axes, one for each model of ``part``; write it if the block succeeds.

    ``part`` is the run with only the models that are shown (:func:`first_models`), ``size`` the picture's
    width and height in inches, ``data`` the title of an additional first panel. Panels may share their axes.
    Raises as :func:`~vsmnp.figures.canvas.drawing` does.
    """
    models = len(part.vae.seeds)
    titles = [*([data] if data else []), *model_names(part, models)]
    with drawing(path, headline(run, models), *size) as figure:
        (panels,) = figure.subplots(1, len(titles), sharex=share, sharey=share, squeeze=False)
        for axes, title in zip(panels, titles, strict=True):
            axes.set_title(title)
        yield figure, list(panels)


class PlaneWindow(NamedTuple):
    """A rectangle in the plane."""

    left: float
    right: float
    bottom: float
    top: float

    @classmethod
    def around(cls, x: Array, margin: float = 0.15) -> PlaneWindow:
        """Return the central 99 % of points ``(N, 2)`` per coordinate, with a margin; square if possible."""
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
        """Width and height of the window, ``(2,)``."""
        return np.array([self.right - self.left, self.top - self.bottom])

    def frame(self, axes: Axes) -> None:
        """Set square axes to show this window."""
        axes.set(xlim=(self.left, self.right), ylim=(self.bottom, self.top), box_aspect=1)
        axes.locator_params(nbins=6)

    def holds(self, x: Array) -> Array:
        """Return flags ``(N,)``: which points ``(N, 2)`` are in the window."""
        inside = (self.left <= x[:, 0]) & (x[:, 0] <= self.right)
        return np.asarray(inside & (self.bottom <= x[:, 1]) & (x[:, 1] <= self.top))

    def grid(self, size: int) -> Array:
        """Return the centres of ``size`` by ``size`` cells, ``(size^2, 2)``, first coordinate fastest."""
        cells = (np.arange(size) + 0.5) / size
        return self.corner + self.sides * np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)


def annotate_outside(axes: Axes, x: Array, window: PlaneWindow) -> None:
    """Write in the corner how many of the points ``(N, 2)`` are outside the window, if they are many."""
    outside = 1 - window.holds(x).mean()
    if outside >= _MANY:
        text = f"{outside:.0%} outside"
        text_inside(axes, 0.98, 0.02, text, ha="right", va="bottom", fontsize=7, color=DATA)


def histogram(x: Array, edges: Array) -> Array:
    """Compute the density of the values ``(N,)`` in each bin, normalised by all values, also outside bins."""
    return np.asarray(np.histogram(x, edges)[0] / (len(x) * np.diff(edges)))


def latent_histograms(
    axes: Axes, shares: Array, edges: Array, alpha: float, linewidth: float, mean_width: float
) -> None:
    """Draw the histograms ``shares (Z, B)`` of the latents as pale lines, and their average in black."""
    for j, share in enumerate(shares):
        colour, label = SERIES[j % len(SERIES)], None if j else "each latent"
        axes.stairs(share, edges, color=colour, alpha=alpha, linewidth=linewidth, label=label)
    axes.stairs(shares.mean(0), edges, color=INK, linewidth=mean_width, label="average over latents")


def test_points(run: Run) -> Array:
    """Return the test set, ``(N, D)``, with the noise of an evaluation."""
    return _noisy(run, run.test_set)


def training_points(run: Run) -> Array:
    """Return the training data of the first epoch, ``(N, D)``, with noise."""
    return _noisy(run, run.dataset.epoch(run.settings.data_seed, 0, np.dtype(run.settings.dtype)))


def _noisy(run: Run, x: Array) -> Array:
    preprocessing = run.vae.preprocessing  # the noise is in the model's units
    noisy = corrupted(run.vae.k, preprocessing.to_model(x), run.settings.noise)
    return preprocessing.to_data(noisy).astype(x.dtype, copy=False)
