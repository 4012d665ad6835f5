"""Draw samples of the model next to the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from ..runs.session import Run
from .corner import Cloud, corner
from .labels import coordinates, headline, model_names
from .mosaic import SIDE, mosaic
from .panels import (
    PlaneWindow,
    annotate_outside,
    first_models,
    histogram,
    model_panels,
    row_size,
    test_points,
)
from .style import DATA, MODEL, SERIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def samples(run: Run, path: str | Path | None = None, n: int = 2000) -> Figure:
    """Draw test data and samples of the model side by side.

    Points in a plane are drawn as scatter plots, with a single coordinate as histograms, with up to six
    as a corner plot of all pairs, which for more shows the first four principal components of the data;
    images are arranged in grids of 64, and their samples are the decoder's mean,
    without the likelihood's noise. An ensemble has a panel for each of its first four models.

    Other parameters and errors are those of :class:`~vsmnp.figures.catalogue.FigureOfRun`.

    Parameters
    ----------
    n : int
        Number of points of the data, and of samples of each model; ignored for images.

    Raises
    ------
    ConfigError
        If there is no point to draw, or the shape of the samples is not that of a picture.
    """
    if n < 1:
        raise ConfigError(f"A figure of samples needs at least one of them, not {n}.")
    part = first_models(run)
    if run.dataset.is_image:
        return _images(run, part, path)
    if run.dataset.dim == 1:
        return _histograms(run, part, path, n)
    if run.dataset.dim > 2:
        return _pairs(run, part, path, n)
    return _points(run, part, path, n)


def _pairs(run: Run, part: Run, path: str | Path | None, n: int) -> Figure:
    names = model_names(part, len(part.vae.seeds))
    clouds = [Cloud("Data", test_points(part)[:n], DATA)]
    clouds += [Cloud(*each) for each in zip(names, part.vae.sample(n), SERIES, strict=False)]
    return corner(headline(run, len(names)), clouds, coordinates(run), path)


def _points(run: Run, part: Run, path: str | Path | None, n: int) -> Figure:
    data = test_points(part)
    window = PlaneWindow.around(data)
    drawn = [data[:n], *part.vae.sample(n)]
    with model_panels(run, part, path, row_size(len(drawn)), "Data") as (figure, panels):
        for axes, x in zip(panels, drawn, strict=True):
            colour = DATA if axes is panels[0] else MODEL
            axes.scatter(x[:, 0], x[:, 1], s=5, color=colour, alpha=0.35, linewidths=0)
            window.frame(axes)
            annotate_outside(axes, x, window)
        across, up = coordinates(run)
        panels[0].set(ylabel=up)
        for axes in panels:
            axes.set(xlabel=across)
    return figure


def _histograms(run: Run, part: Run, path: str | Path | None, n: int) -> Figure:
    data = test_points(part)[:, 0]
    low, high = np.quantile(data, (0.005, 0.995)).astype(float)
    margin = 0.15 * (high - low) or 1.0
    edges = np.linspace(low - margin, high + margin, 61)
    drawn = part.vae.sample(n)[..., 0]
    with model_panels(run, part, path, (3.4 * len(drawn), 3)) as (figure, panels):
        for axes, x in zip(panels, drawn, strict=True):
            axes.stairs(histogram(data, edges), edges, fill=True, color=DATA, alpha=0.35, label="Data")
            axes.stairs(histogram(x, edges), edges, color=MODEL, linewidth=1.3, label="Model")
            axes.set(xlabel=coordinates(run)[0], xlim=(edges[0], edges[-1]))
        panels[0].set(ylabel="density (1/x)")
        panels[0].legend()
    return figure


def _images(run: Run, part: Run, path: str | Path | None) -> Figure:
    count, shape = SIDE**2, run.dataset.shape
    data = run.test_set[:count]
    grids = [mosaic(data, shape), *(mosaic(x, shape) for x in part.vae.sample(count, noise=False))]
    low, high = min(0.0, float(data.min())), max(1.0, float(data.max()))
    with model_panels(run, part, path, row_size(len(grids)), "Data", share=False) as (figure, panels):
        for axes, grid in zip(panels, grids, strict=True):
            axes.imshow(((grid - low) / (high - low)).clip(0, 1), cmap="gray", vmin=0, vmax=1)
            axes.set_axis_off()
    return figure
