"""Draw posterior standard deviations, a row for each dataset, a column for each method: Figures 9 and 10."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .....figures.canvas import drawing, note
from .....figures.style import DATA, INK, SERIES
from ..measured import Measured
from ..methods import NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(title: str, runs: Sequence[Measured], path: Path) -> None:
    """Draw the first run of each method on each dataset: the latents as pale lines, their average in black.

    Parameters
    ----------
    title : str
        Title of the picture.
    runs : sequence of Measured
        Runs of one architecture; at least one.
    path : Path
        Path of the PNG file.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    datasets = list(dict.fromkeys(run.labels["dataset"] for run in runs))
    names = [name for name in NAMES if any(run.labels["method"] == name for run in runs)]
    with drawing(path, title, 0.7 + 1.35 * len(names), 0.8 + 1.45 * len(datasets)) as figure:
        grid = figure.subplots(len(datasets), len(names), sharex=True, squeeze=False)
        for line, dataset in zip(grid, datasets, strict=True):
            for axes, name in zip(line, names, strict=True):
                run = _first(runs, dataset, name)
                if run is None:
                    note(axes, "not run")
                else:
                    _panel(axes, run)
            line[0].set(ylabel=dataset)
        for axes, name in zip(grid[0], names, strict=True):
            axes.set_title(name)
        figure.supxlabel("posterior standard deviation; dashed: the prior's", fontsize=7.5, color=DATA)


def _first(runs: Sequence[Measured], dataset: str, name: str) -> Measured | None:
    here = (run for run in runs if (run.labels["dataset"], run.labels["method"]) == (dataset, name))
    return next(here, None)


def _panel(axes: Axes, run: Measured) -> None:
    axes.axvline(1, color=DATA, linewidth=0.7, linestyle=(0, (4, 2)))
    histograms(axes, run)
    axes.set(xlim=(0, max(1.2, float(run.edges[-1]))))


def histograms(axes: Axes, run: Measured) -> None:
    """Draw the latents as pale lines, their average in black."""
    shares = run.counts / run.counts.sum(1, keepdims=True).clip(1)
    for j, share in enumerate(shares):
        axes.stairs(share, run.edges, color=SERIES[j % len(SERIES)], alpha=0.25, linewidth=0.5)
    axes.stairs(shares.mean(0), run.edges, color=INK, linewidth=1.2)
    axes.set(yticks=[], ylim=(0, None))
