"""Draw Figure 11: samples and histograms of posterior means for binary latents, for each method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .....figures.canvas import drawing
from .....figures.style import DATA
from ..measured import Measured
from .samples import show
from .sds import histograms


def draw(title: str, runs: Sequence[Measured], path: Path) -> None:
    """Draw two panels for each run, its samples and its posterior means, as ``Draw`` says."""
    with drawing(path, title, 0.3 + 4.4 * len(runs), 3.1) as figure:
        grid = figure.subplots(1, 2 * len(runs), squeeze=False)[0]
        for samples, means, run in zip(grid[::2], grid[1::2], runs, strict=True):
            samples.set_axis_off()
            show(samples, run.samples, run.shape, run.labels["method"])
            histograms(means, run)
            means.axvline(0.5, color=DATA, linewidth=0.7, linestyle=(0, (4, 2)))
            means.set(xlim=(0, 1), xlabel="posterior mean; dashed: the prior's", box_aspect=1)
