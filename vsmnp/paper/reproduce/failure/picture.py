"""Draw the controlled experiment: one row of panels for each dataset, one line for each objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....figures.canvas import drawing, legend_line
from ....figures.style import DATA, FLOOR, SERIES
from ....metrics import metric
from .cells import OBJECTIVES
from .findings import in_main_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLES = {
    **{name: metric(name).heading for name in ("nll", "sm_loss", "gamma")},
    "reconstruction_variance": "Reconstruction variance tr Cov$_q[g]$ (x\N{SUPERSCRIPT TWO})",
}
_NAMES = {
    "elbo": "ELBO", "m1": "M1", "m2-biased": "M2, biased", "m2-unbiased": "M2, unbiased",
    "m3-biased": "M3, biased", "m3-unbiased": "M3, unbiased", "m2-as-published": "M2 as published",
    "m3-as-published": "M3 as published",
}  # fmt: skip
_COLOURS = {"kl": SERIES[0], "fisher": SERIES[1]}
#: Values farther from the best than this multiple of the median's distance do not set the scale.
_MOST = 6.0


def draw(rows: Sequence[Mapping[str, Any]], floors: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw the main comparison as PNG: medians over the models, bars one standard error of the mean.

    The rows are those of :func:`.measures.summary`, the floors those of :func:`.tables.floors`.
    """
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    title = "The same VAE trained by each objective"
    with drawing(path, title, 2.0 + 2.55 * len(_TITLES), 0.8 + 2.6 * len(datasets)) as figure:
        grid = figure.subplots(len(datasets), len(_TITLES), sharey=True, squeeze=False)
        for line, dataset in zip(grid, datasets, strict=True):
            shown = [row for row in rows if row["dataset"] == dataset and in_main_grid(row)]
            for axes, name in zip(line, _TITLES, strict=True):
                _panel(axes, name, shown, floors[dataset].get(name))
                axes.set_title(f"{dataset}: {_TITLES[name]}", fontsize=7.5)
        labels = list(_NAMES.values())
        grid[0][0].set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.5, -0.5))
        handles = [
            legend_line(color=_COLOURS[name], marker="o", linestyle="", markersize=4, label=text)
            for name, text in (("kl", "KL inference"), ("fisher", "Fisher inference"))
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=2)
        note = "median over seeds ± s.e.m.; filled J = 2, hollow J = 5 (arrows: right and left); dashed: best"
        figure.supxlabel(note, fontsize=7.5, color=DATA)


def _panel(axes: Axes, name: str, rows: Sequence[Mapping[str, Any]], floor: float | None) -> None:
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    places = {objective: i for i, objective in enumerate(OBJECTIVES)}
    values = np.array([row[f"{name}_median"] for row in rows])
    low = float(np.nanmin(values)) if floor is None else floor
    high = np.inf if floor is None else low + _MOST * (float(np.nanmedian(values)) - low)
    inside = values[np.isfinite(values) & (values <= high)]
    axes.set_xlim(low - 0.06 * (inside.max() - low), inside.max() + 0.12 * (inside.max() - low))
    for row, value in zip(rows, values, strict=True):
        few, colour = row["encoder_steps"] == 2, _COLOURS[row["inference"]]
        shift = (-0.18 if row["inference"] == "kl" else 0.18) + (-0.07 if few else 0.07)
        place = places[row["objective"]] + shift
        if not value <= high:
            _off_scale(axes, 0.99 if few else 0.66, place, value, colour)
            continue
        error = row[f"{name}_se"]
        axes.errorbar(
            value, place, xerr=error if np.isfinite(error) else None, fmt="o", color=colour,
            markerfacecolor=colour if few else "white", markersize=3.5, elinewidth=0.9,
        )  # fmt: skip
    if floor is not None:
        axes.axvline(floor, color=FLOOR, linewidth=1, linestyle=(0, (4, 2)))
    axes.locator_params(axis="x", nbins=5)


def _off_scale(axes: Axes, across: float, place: float, value: float, colour: str) -> None:
    """Draw an arrow near the right border, with the number that would lie beyond it."""
    border = axes.get_yaxis_transform()
    label = f"{value:.3g} \N{BLACK RIGHT-POINTING SMALL TRIANGLE}" if np.isfinite(value) else "none"
    axes.text(across, place, label, transform=border, ha="right", va="center", fontsize=6, color=colour)
