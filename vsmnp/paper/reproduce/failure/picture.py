"""Draw the verdicts of the main grid: a panel for each data set, a row for each objective."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....figures.canvas import drawing, legend_line
from ....figures.style import DATA, FLOOR, SERIES
from ..paired import LEVEL
from .factors import EXACT_OBJECTIVES, OBJECTIVES
from .verdicts import MARGIN, FailureAnswer, FailureVerdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMES = {
    "m1": "M1", "m2-biased": "M2, biased", "m2-unbiased": "M2, unbiased", "m3-biased": "M3, biased",
    "m3-unbiased": "M3, unbiased", "m2-as-published": "M2 as published",
    "m3-as-published": "M3 as published", "fae": "Fisher autoencoder", "m2": "M2, exact posterior",
    "marginal": "marginal Fisher divergence",
}  # fmt: skip
_COLOURS = {
    "kl": SERIES[0], "fisher": SERIES[1], "fisher-covariance": SERIES[2], "exact": SERIES[3],
}  # fmt: skip
_LABELS = {
    "kl": "KL inference", "fisher": "Fisher inference", "fisher-covariance": "Fisher, covariance weight",
    "exact": "exact posterior",
}  # fmt: skip
_COLUMNS = 3
#: Limits of the axis of differences, nats.
_LIMITS = (-3.0, 3000.0)


def draw(found: Sequence[FailureVerdict], path: Path) -> None:
    """Draw the corrected intervals of the differences to the ELBO as PNG, on the scale of their analysis."""
    main = [v for v in found if v.family == "main" and v.of.inference in _COLOURS]
    datasets = list(dict.fromkeys(v.of.dataset for v in main))
    shown = [name for name in (*OBJECTIVES, *EXACT_OBJECTIVES) if any(v.of.objective == name for v in main)]
    rows = list(dict.fromkeys(shown))
    columns = min(_COLUMNS, len(datasets))
    lines = -(-len(datasets) // columns)
    title = "NLL minus that of the ELBO"
    with drawing(path, title, 6.0 + 2.2 * (columns - 1), 1.3 + lines * (0.7 + 0.3 * len(rows))) as figure:
        grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, dataset in zip(grid, datasets, strict=False):
            _panel(axes, [v for v in main if v.of.dataset == dataset], rows)
            axes.set_title(dataset, fontsize=8)
        for axes in grid[len(datasets) :]:
            axes.set_axis_off()
        grid[0].set(yticks=range(len(rows)), yticklabels=[_NAMES[name] for name in rows],
                    ylim=(len(rows) - 0.5, -0.5))  # fmt: skip
        used = {v.of.inference for v in main}
        handles = [
            legend_line(color=colour, marker="o", linestyle="", markersize=4, label=_LABELS[name])
            for name, colour in _COLOURS.items()
            if name in used
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=2)
        figure.supxlabel(
            f"intervals of {1 - LEVEL:.0%} for all panels together; dashed: the margin of {MARGIN}; "
            "hollow: undecided", fontsize=7.5, color=DATA,
        )  # fmt: skip


def _panel(axes: Axes, found: Sequence[FailureVerdict], rows: Sequence[str]) -> None:
    axes.set_xscale("asinh", linear_width=MARGIN)
    axes.set_xlim(*_LIMITS)
    axes.set_xticks([-1, 0, 1, 10, 100, 1000], ["-1", "0", "1", "10", "100", "1000"])
    axes.set_xlabel("difference, nats")
    axes.minorticks_off()
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color=DATA, linewidth=0.6)
    axes.axvline(MARGIN, color=FLOOR, linewidth=1, linestyle=(0, (4, 2)))
    names = list(_COLOURS)
    for v in found:
        place = rows.index(v.of.objective) + 0.17 * (names.index(v.of.inference) - 1.5)
        colour = _COLOURS[v.of.inference]
        low, centre, high = np.clip([v.interval.low, v.interval.centre, v.interval.high], *_LIMITS)
        axes.plot([low, high], [place, place], color=colour, linewidth=1)
        decided = v.answer is not FailureAnswer.UNDECIDED
        axes.plot(centre, place, "o", color=colour, markersize=3.5,
                  markerfacecolor=colour if decided else "white")  # fmt: skip
