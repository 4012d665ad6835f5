"""Draw posterior means of the data in latent space, with the prior."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..runs.session import Run
from ..types import Array
from .canvas import text_inside
from .corner import Cloud, corner
from .labels import headline, model_names
from .panels import (
    PlaneWindow,
    annotate_outside,
    first_models,
    histogram,
    model_panels,
    row_size,
    test_points,
)
from .style import DATA, INK, MODEL, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Largest number of test points that are drawn.
_MOST_POINTS = 5000


def latent(run: Run, path: str | Path | None = None) -> Figure:
    """Draw the posterior means of the test points in latent space.

    Up to six real latents are drawn pair by pair in a corner plot with draws from the prior, of more the
    first four principal components of all posterior means; of binary latents the first two.

    The circles show the prior at one and two standard deviations; of binary latents, whose means lie in the
    unit square, the corners are marked. A model of a single latent has a histogram, with the prior's density
    if it has one. An ensemble has a panel for each of its first four models.

    Parameters and errors are those of :class:`~vsmnp.figures.catalogue.FigureOfRun`.
    """
    part = first_models(run)
    mean, _ = part.vae.encode(test_points(part)[:_MOST_POINTS])
    if part.vae.model.posterior.has_density and mean.shape[-1] > 2:
        return _pairs(run, part, mean, path)
    real, reach = part.vae.model.posterior.has_density, _reach(mean[..., :2])
    with model_panels(run, part, path, row_size(len(mean))) as (figure, panels):
        for axes, mu in zip(panels, mean, strict=True):
            axes.set(xlabel="posterior mean, $z_1$")
            if mu.shape[1] == 1:
                _line(axes, mu[:, 0], *((-reach, reach) if real else (0.0, 1.0)), real)
            elif real:
                _plane(axes, mu[:, :2], reach)
            else:
                _square(axes, mu[:, :2])
        panels[0].set(ylabel="density" if mean.shape[-1] == 1 else "posterior mean, $z_2$")
        if mean.shape[-1] == 1:
            panels[0].legend()
    return figure


def _pairs(run: Run, part: Run, mean: Array, path: str | Path | None) -> Figure:
    """Draw the means ``(R, N, Z)`` over draws from the prior, in principal components if Z is large."""
    size, names = mean.shape[-1], model_names(part, len(mean))
    prior = np.random.default_rng(0).standard_normal((mean.shape[1], size))
    clouds = [Cloud("prior", prior, DATA)]
    clouds += [Cloud(*each) for each in zip(names, mean, SERIES, strict=False)]
    labels = [f"$z_{{{j + 1}}}$" for j in range(size)]
    return corner(headline(run, len(names)), clouds, labels, path, of=mean.reshape(-1, size))


def _reach(mean: Array) -> float:
    """Return half the side of a window with the prior's two-sigma circle and nearly all means."""
    size = np.abs(mean[np.isfinite(mean)])
    return max(2.6, 1.1 * float(np.quantile(size, 0.998))) if size.size else 2.6


def _square(axes: Axes, mu: Array) -> None:
    window = PlaneWindow(-0.1, 1.1, -0.1, 1.1)
    corners = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    axes.scatter(
        corners[:, 0], corners[:, 1], s=40, marker="s", facecolors="none", edgecolors=INK, linewidths=0.8
    )
    axes.scatter(mu[:, 0], mu[:, 1], s=4, color=MODEL, alpha=0.3, linewidths=0)
    window.frame(axes)
    annotate_outside(axes, mu, window)


def _plane(axes: Axes, mu: Array, reach: float) -> None:
    window = PlaneWindow(-reach, reach, -reach, reach)
    axes.scatter(mu[:, 0], mu[:, 1], s=4, color=MODEL, alpha=0.3, linewidths=0)
    angle = np.linspace(0, 2 * np.pi, 200)
    for radius in (1, 2):
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color=INK, linewidth=0.8)
        axes.annotate(
            f"${radius}\\sigma$", (radius * np.sqrt(0.5),) * 2, (1, 1), textcoords="offset points", fontsize=7
        )
    window.frame(axes)
    text_inside(axes, 0.98, 0.98, "circles: prior", ha="right", va="top", fontsize=7, color=DATA)
    annotate_outside(axes, mu, window)


def _line(axes: Axes, mu: Array, low: float, high: float, normal: bool) -> None:
    if normal:
        z = np.linspace(low, high, 201)
        axes.plot(z, np.exp(-z * z / 2) / np.sqrt(2 * np.pi), color=DATA, linewidth=0.9, label="prior")
    edges = np.linspace(low, high, 61)
    axes.stairs(histogram(mu, edges), edges, color=MODEL, label="posterior means")
