"""Draw Figure 1: the recovered parameter, and the two joint densities at one solution of each divergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....figures.canvas import drawing, text_inside
from ....figures.style import DATA, FLOOR, INK, MODEL
from ....types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours of the joint KL and of the joint Fisher divergence.
KL_COLOUR, FISHER_COLOUR = MODEL, FLOOR
#: Mahalanobis radii of the contours, which enclose 12, 39, 68 and 86 % of the mass.
_RADII = (0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class Curve:
    """Estimates over theta_*: those of a formula on a fine grid, and optionally the engine's."""

    name: str
    colour: str
    theta_star: Array
    theta_hat: Array
    engine: tuple[Array, Array] | None = None


@dataclass(frozen=True)
class Solution:
    """Covariances ``(2, 2)`` of (z, x) under both joints at one minimum, with a title and a remark."""

    title: str
    remark: str
    colour: str
    q: Array
    p: Array


def draw(
    path: Path, curves: Sequence[Curve], control: Curve, shown: float, collapse: float,
    solutions: Sequence[Solution],
) -> None:  # fmt: skip
    """Draw the recovery of the parameter and one panel for each solution, as PNG.

    The ``curves`` are of mismatched posteriors, ``control`` is of the exact one and drawn faintly beneath.
    The solutions are those at theta_* = ``shown``; up to ``collapse`` the joint Fisher divergence's is 0.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    title = "Minimising the joint Fisher divergence does not recover the parameter"
    with drawing(path, title, 9.6, 3.55) as figure:
        left, *others = figure.subplots(1, 1 + len(solutions))
        _recovery(left, curves, control, shown, collapse)
        for axes, solution in zip(others, solutions, strict=True):
            _joints(axes, solution)
        others[0].set(ylabel="$x$")


def _recovery(axes: Axes, curves: Sequence[Curve], control: Curve, shown: float, collapse: float) -> None:
    axes.plot(
        control.theta_star, control.theta_hat, color=control.colour, linewidth=6, alpha=0.25,
        label=control.name,
    )  # fmt: skip
    axes.axvline(shown, ymax=0.65, color=DATA, linewidth=0.8, linestyle=(0, (2, 3)))
    for curve in curves:
        axes.plot(curve.theta_star, curve.theta_hat, color=curve.colour, label=curve.name)
        if curve.engine is not None:
            axes.plot(
                *curve.engine, "o", markersize=3.8, markeredgewidth=0.7, markeredgecolor="white",
                color=curve.colour, clip_on=False, zorder=3,
            )  # fmt: skip
    axes.plot([], [], "o", markersize=3.8, color=DATA, label="the engine's descent")
    axes.annotate(
        rf"$\hat\theta = 0$ up to $\theta^* = {collapse:.3f}$", (collapse, 0), (0.5, 0.11), fontsize=7,
        color=DATA, va="center",
        arrowprops={"arrowstyle": "-", "color": DATA, "linewidth": 0.6, "relpos": (0, 0.5)},
    )  # fmt: skip
    end = float(control.theta_star[-1])
    axes.set(
        title="Recovery of the parameter", xlabel=r"true $\theta^*$", ylabel=r"estimate $\hat\theta$",
        xlim=(-0.04 * end, 1.04 * end), ylim=(-0.04 * end, 1.04 * end), box_aspect=1,
    )  # fmt: skip
    axes.legend(loc="upper left", borderaxespad=0.2, labelspacing=0.35)


def _joints(axes: Axes, solution: Solution) -> None:
    """Draw ellipses of equal density: ``q(z|x) pi(x)`` filled, ``p(z, x)`` as lines."""
    for radius in reversed(_RADII):
        axes.fill(
            *_ellipse(solution.q, radius), facecolor=solution.colour, edgecolor=solution.colour,
            alpha=0.22, linewidth=0.8, label=r"$q(z|x)\,\pi(x)$" if radius == _RADII[1] else None,
        )  # fmt: skip
    for radius in _RADII:
        axes.plot(
            *_ellipse(solution.p, radius), color=INK, linewidth=1.0,
            label=r"$p_{\hat\theta}(z, x)$" if radius == _RADII[0] else None,
        )  # fmt: skip
    text_inside(axes, 0.98, 0.03, solution.remark, ha="right", va="bottom", fontsize=7.5, color=INK)
    axes.set(title=solution.title, xlabel="$z$", xlim=(-3, 3), ylim=(-5, 5), box_aspect=1)
    axes.legend(loc="upper left", borderaxespad=0.2, labelspacing=0.35)


def _ellipse(covariance: Array, radius: float) -> Array:
    """Compute points ``(2, n)`` at a Mahalanobis distance from the origin."""
    angle = np.linspace(0, 2 * np.pi, 181)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    return np.asarray(radius * np.linalg.cholesky(covariance) @ circle)
