"""Draw the density and score of models in the plane, next to those of the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError
from ..runs.session import Run
from ..types import Array
from .canvas import drawing
from .labels import coordinates, headline, model_names
from .panels import PANEL, PlaneWindow, first_models, row_size, test_points, training_points
from .style import COLOUR_MAP, DATA, MODEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

#: Cells along one side of the heat map of a formula, and of a histogram.
_FINE, _COARSE = 100, 50
#: Cells along one side of the window, with at most one arrow each; the longest arrow in sides of a cell.
_ARROWS, _LONGEST = 18, 1.4


def density(run: Run, path: str | Path | None = None, draws: int = 20_000) -> Figure:
    """Draw heat maps of log density, and below them the scores at test points.

    Density and score of the data are exact if their formula is known and no noise was added; otherwise a
    histogram of an epoch of training data replaces the density, and points replace the score. An arrow
    has the direction of the score; its length grows with the score and saturates.

    An ensemble has a column for each of its first four models. Other parameters and errors are those of
    :class:`~vsmnp.figures.catalogue.FigureOfRun`.

    Parameters
    ----------
    draws : int
        Draws from the prior for log p(x) and its gradient.

    Raises
    ------
    ConfigError
        If the data are not two-dimensional.
    """
    if run.dataset.is_image or run.dataset.dim != 2:
        raise ConfigError(
            f"A figure of the density needs data in the plane, but a sample of {run.dataset.name} has the "
            f"shape {run.dataset.shape}: draw samples, curves, latent or posterior-sds instead."
        )
    part = first_models(run)
    models = len(part.vae.seeds)
    points, (across, up) = test_points(part), coordinates(run)
    window = PlaneWindow.around(points)
    width, height = row_size(1 + models)
    with drawing(path, headline(run, models), width + 0.75, height + PANEL + 0.3) as figure:
        panels = figure.subplots(2, 1 + models, sharex=True, sharey=True)
        picture = _densities(panels[0], part, points, window, draws)
        _scores(panels[1], part, points, window, draws)
        place: dict[str, Any] = {"shrink": 0.44, "anchor": (0, 1), "pad": 0.12 / width}
        bar = figure.colorbar(picture, ax=panels, label="log density (nats)", extend="both", **place)
        bar.ax.tick_params(length=0)
        for axes in panels.flat:
            window.frame(axes)
        for axes in panels[1]:
            axes.set(xlabel=across)
        for axes in panels[:, 0]:
            axes.set(ylabel=up)
    return figure


@dataclass(frozen=True)
class _Map:
    """Log density over the cells of a window, ``(rows, columns)``, and its colour range."""

    name: str
    log_density: Array
    limits: tuple[float, float]

    def draw(self, axes: Axes, window: PlaneWindow) -> AxesImage:
        """Draw the heat map; cells without a finite logarithm have the lowest colour."""
        low, high = self.limits
        axes.set_title(self.name)
        axes.grid(visible=False)
        shown = np.where(np.isfinite(self.log_density), self.log_density, low)
        return axes.imshow(
            shown, cmap=COLOUR_MAP, vmin=low, vmax=high, origin="lower", extent=window, aspect="auto"
        )


def _densities(row: Array, part: Run, points: Array, window: PlaneWindow, draws: int) -> AxesImage:
    """Draw the upper row: the data's density, then each model's, in the same colours."""
    grid = window.grid(_FINE)
    truth = _exact(part, points, grid) or _histogram(training_points(part), window)
    picture = truth.draw(row[0], window)
    names = model_names(part, len(part.vae.seeds))
    for axes, log_p, name in zip(row[1:], part.vae.log_prob(grid, draws), names, strict=True):
        _Map(name, log_p.reshape(_FINE, _FINE), truth.limits).draw(axes, window)
    return picture


def _exact(part: Run, points: Array, grid: Array) -> _Map | None:
    """Evaluate the formula of the data; return None if there is none or noise was added to the data."""
    log_density, at_points = part.dataset.log_density(grid), part.dataset.log_density(points)
    if log_density is None or at_points is None or part.settings.noise > 0:
        return None
    return _Map("Data, exact", log_density.reshape(_FINE, _FINE), _limits(at_points))


def _histogram(x: Array, window: PlaneWindow) -> _Map:
    """Estimate the density of the points ``(N, 2)`` by a histogram."""
    counts = np.histogram2d(x[:, 0], x[:, 1], _COARSE, [window[:2], window[2:]])[0].T
    log_density = np.full(counts.shape, -np.inf)
    np.log(counts / (len(x) * window.sides.prod() / _COARSE**2), out=log_density, where=counts > 0)
    return _Map("Data, histogram", log_density, _limits(log_density))


def _limits(log_density: Array) -> tuple[float, float]:
    """Return the colour range, from the rare to the dense data."""
    finite = log_density[np.isfinite(log_density)]
    if not finite.size:
        return -1.0, 0.0
    low, high = np.quantile(finite, (0.005, 0.995)).astype(float)
    return low - 1, max(high, low + 1)


def _scores(row: Array, part: Run, points: Array, window: PlaneWindow, draws: int) -> None:
    """Draw the lower row: the data's score, then each model's, at the same points and scale."""
    at = first_in_each_cell(points, window)
    learned = part.vae.score(at, draws)
    exact = part.dataset.score(at) if part.settings.noise == 0 else None
    norms = np.linalg.norm(learned if exact is None else exact, axis=-1)
    arrows = Arrows(at, window, unit=float(np.median(norms)))
    if exact is None:
        row[0].set_title("Test points")
        row[0].scatter(points[:, 0], points[:, 1], s=3, color=DATA, alpha=0.3, linewidths=0)
    else:
        row[0].set_title("Score of the data, exact")
        arrows.draw(row[0], exact, DATA)
    for axes, score, seed in zip(row[1:], learned, part.vae.seeds, strict=True):
        axes.set_title(f"Score of the model, seed {seed}")
        arrows.draw(axes, score, MODEL)


def first_in_each_cell(points: Array, window: PlaneWindow) -> Array:
    """Select the first of the points ``(N, 2)`` in each cell of a coarse grid over the window, ``(n, 2)``."""
    inside = points[window.holds(points)]
    column, row = ((inside - window.corner) / window.sides * _ARROWS).astype(int).T
    return inside[np.unique(row * (_ARROWS + 1) + column, return_index=True)[1]]


@dataclass(frozen=True)
class Arrows:
    """Arrows at ``at (N, 2)``; the arrow of a vector of norm ``unit`` has half the greatest length."""

    at: Array
    window: PlaneWindow
    unit: float

    def draw(self, axes: Axes, vectors: Array, colour: str) -> None:
        """Draw ``vectors (N, 2)`` with their directions, and lengths that saturate."""
        norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
        shrink = 1 / (norm + self.unit + np.finfo(float).tiny)
        x, y = (vectors * shrink * _LONGEST * self.window.sides / _ARROWS).T
        axes.quiver(
            *self.at.T, x, y, color=colour, angles="xy", scale_units="xy", scale=1,
            width=0.006, headwidth=4, headlength=4, headaxislength=3.6,
        )  # fmt: skip
