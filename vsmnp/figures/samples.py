"""Samples of the model next to the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from ..runs.session import Run
from ..types import Array
from .canvas import drawing
from .labels import headline, model_names
from .mosaic import SIDE, mosaic
from .panels import Window, first_models, histogram, row_size, tell_outside, test_points
from .style import DATA, MODEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def samples(run: Run, path: str | Path, n: int = 2000) -> None:
    """Draw test data and samples of the model side by side, as PNG.

    Points in a plane are drawn as scatter plots, with more than two coordinates the first two, with a
    single one as histograms; images are arranged in grids of 64, and their samples are the decoder's mean,
    without the likelihood's noise. An ensemble has a panel for each of its first four models.

    Parameters
    ----------
    run : Run
        The run to draw.
    path : path
        The PNG file.
    n : int
        Number of points of the data, and of samples of each model; ignored for images.

    Raises
    ------
    ConfigError
        If the path does not end in .png, there is no point to draw, or the shape of the samples is not
        that of a picture.
    StorageError
        If the file cannot be written.
    """
    if n < 1:
        raise ConfigError(f"A figure of samples needs at least one of them, not {n}.")
    part = first_models(run)
    if run.dataset.is_image:
        _images(run, part, path)
    elif run.dataset.dim == 1:
        _histograms(run, part, path, n)
    else:
        _points(run, part, path, n)


def _points(run: Run, part: Run, path: str | Path, n: int) -> None:
    models = len(part.vae.seeds)
    data = test_points(part)[:, :2]
    window = Window.around(data)
    with drawing(path, headline(run, models), *row_size(1 + models)) as figure:
        panels = figure.subplots(1, 1 + models, sharex=True, sharey=True)
        _scatter(panels[0], data[:n], window, "Data", DATA)
        drawn = part.vae.sample(n)[..., :2]
        for axes, x, name in zip(panels[1:], drawn, model_names(part, models), strict=True):
            _scatter(axes, x, window, name, MODEL)
        panels[0].set(ylabel="$x_2$")
        for axes in panels:
            axes.set(xlabel="$x_1$")


def _scatter(axes: Axes, x: Array, window: Window, name: str, colour: str) -> None:
    axes.scatter(x[:, 0], x[:, 1], s=5, color=colour, alpha=0.35, linewidths=0)
    axes.set_title(name)
    window.frame(axes)
    tell_outside(axes, x, window)


def _histograms(run: Run, part: Run, path: str | Path, n: int) -> None:
    models = len(part.vae.seeds)
    data = test_points(part)[:, 0]
    low, high = np.quantile(data, (0.005, 0.995)).astype(float)
    margin = 0.15 * (high - low) or 1.0
    edges = np.linspace(low - margin, high + margin, 61)
    with drawing(path, headline(run, models), 3.4 * models, 3) as figure:
        panels = figure.subplots(1, models, sharex=True, sharey=True, squeeze=False)[0]
        drawn = part.vae.sample(n)[..., 0]
        for axes, x, name in zip(panels, drawn, model_names(part, models), strict=True):
            axes.stairs(histogram(data, edges), edges, fill=True, color=DATA, alpha=0.35, label="Data")
            axes.stairs(histogram(x, edges), edges, color=MODEL, linewidth=1.3, label="Model")
            axes.set(title=name, xlabel="$x$", xlim=(edges[0], edges[-1]))
        panels[0].set(ylabel="density")
        panels[0].legend()


def _images(run: Run, part: Run, path: str | Path) -> None:
    models, count = len(part.vae.seeds), SIDE**2
    shape = run.dataset.shape
    data = run.test_set[:count]
    grids = [mosaic(data, shape), *(mosaic(x, shape) for x in part.vae.sample(count, noise=False))]
    names = ["Data", *model_names(part, models)]
    low, high = min(0.0, float(data.min())), max(1.0, float(data.max()))
    with drawing(path, headline(run, models), *row_size(1 + models)) as figure:
        for axes, grid, name in zip(figure.subplots(1, 1 + models), grids, names, strict=True):
            axes.imshow(((grid - low) / (high - low)).clip(0, 1), cmap="gray", vmin=0, vmax=1)
            axes.set_title(name)
            axes.set_axis_off()
