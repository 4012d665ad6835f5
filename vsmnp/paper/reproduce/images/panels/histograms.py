"""Draw histograms of posterior standard deviations (Figures 9 and 10) and means of binary latents (11)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from .....figures.canvas import drawing, labelled_grid, note
from .....figures.panels import latent_histograms
from .....figures.style import DATA
from ...methods import NAMES
from ..measured import MeasuredImageRun
from .samples import show

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_sds(title: str, runs: Sequence[MeasuredImageRun], path: Path) -> None:
    """Draw the first run of each method on each dataset; see ``figure.Draw``."""
    datasets = list(dict.fromkeys(run.labels["dataset"] for run in runs))
    names = [name for name in NAMES if any(run.labels["method"] == name for run in runs)]
    with drawing(path, title, 0.7 + 1.35 * len(names), 0.8 + 1.45 * len(datasets)) as figure:
        grid = labelled_grid(figure, datasets, names, sharex=True)
        for axes, (dataset, name) in zip(grid.flat, product(datasets, names), strict=True):
            labels = {"dataset": dataset, "method": name}
            run = next((run for run in runs if labels.items() <= run.labels.items()), None)
            if run is None:
                note(axes, "not run")
                continue
            axes.axvline(1, color=DATA, linewidth=0.7, linestyle=(0, (4, 2)))
            _histograms(axes, run)
            axes.set(xlim=(0, max(1.2, float(run.edges[-1]))))
        figure.supxlabel("posterior standard deviation; dashed: the prior's", fontsize=7.5, color=DATA)


def draw_binary(title: str, runs: Sequence[MeasuredImageRun], path: Path) -> None:
    """Draw two panels for each run, its samples and its posterior means; see ``figure.Draw``."""
    with drawing(path, title, 0.3 + 4.4 * len(runs), 3.1) as figure:
        grid = figure.subplots(1, 2 * len(runs), squeeze=False)[0]
        for samples, means, run in zip(grid[::2], grid[1::2], runs, strict=True):
            samples.set_axis_off()
            show(samples, run.samples, run.shape, run.labels["method"])
            _histograms(means, run)
            means.axvline(0.5, color=DATA, linewidth=0.7, linestyle=(0, (4, 2)))
            means.set(xlim=(0, 1), xlabel="posterior mean; dashed: the prior's", box_aspect=1)


def _histograms(axes: Axes, run: MeasuredImageRun) -> None:
    """Draw the latents as pale lines, their average in black."""
    shares = run.counts / run.counts.sum(1, keepdims=True).clip(1)
    latent_histograms(axes, shares, run.edges, alpha=0.25, linewidth=0.5, mean_width=1.2)
    axes.set(yticks=[], ylim=(0, None))
