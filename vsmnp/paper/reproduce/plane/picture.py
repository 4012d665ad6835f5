"""Draw Figures 3, 6 and 7: likelihood, score-matching loss and samples of every method against J and K."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....data import load_data
from ....figures.canvas import drawing, labelled_grid, legend_line, note
from ....figures.style import DATA, FLOOR, SERIES
from ....metrics.table import metric, squared
from ..methods import NAMES
from .measured import MeasuredPlaneRun
from .records import Row, summary
from .verdicts import references

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_METRICS = ("nll", "sm_loss")
_LABELS = {"nll": "NLL (nats)", "sm_loss": f"SM loss ({squared(metric('sm_loss').unit)})"}
#: The axes of a metric end this share of its range above one Gaussian, the best constant decoder.
_ABOVE, _BELOW = 0.35, 0.08


def draw(title: str, runs: Sequence[MeasuredPlaneRun], points: int, path: Path) -> None:
    """Draw the runs of one optimisation and one estimator as PNG: three rows of panels for each dataset.

    Means over the seeds with bars of one standard error; below, samples of the model with the lowest nll.
    ``points`` is the number of test points of the runs.
    """
    datasets = list(dict.fromkeys(run.labels["dataset"] for run in runs))
    shown = [name for name in NAMES if any(run.labels["method"] == name for run in runs)]
    many = sorted({run.labels["bilevel_steps"] for run in runs})
    labels = [f"{name}\n{row}" for name in datasets for row in (*_LABELS.values(), "samples")]
    with drawing(path, title, 0.9 + 1.45 * len(shown), 0.9 + 4.1 * len(datasets)) as figure:
        grid = labelled_grid(figure, labels, shown)
        for index, dataset in enumerate(datasets):
            here = [run for run in runs if run.labels["dataset"] == dataset]
            rows = summary([row for run in here for row in run.rows()])
            for line, name in zip(grid[3 * index :], _METRICS, strict=False):
                _metric(line, name, dataset, rows, shown, many, points)
            for axes, name in zip(grid[3 * index + 2], shown, strict=True):
                _samples(axes, [run for run in here if run.labels["method"] == name])
        handles = [
            legend_line(color=SERIES[i % len(SERIES)], marker="o", markersize=3, label=f"K = {k}")
            for i, k in enumerate(many)
        ] + [
            legend_line(color=DATA, linestyle=":", label="one Gaussian"),
            legend_line(color=FLOOR, linestyle="--", label="floor"),
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _metric(
    line: Sequence[Axes], name: str, dataset: str, rows: Sequence[Row], shown: Sequence[str],
    many: Sequence[int], points: int,
) -> None:  # fmt: skip
    """Draw a metric against J in a row of panels that share their scale, one for each method."""
    floor = getattr(load_data(dataset).bounds, name)
    reference = references(dataset, points)[name]
    steps = sorted({row["encoder_steps"] for row in rows})
    low, high = _range([row[name] for row in rows], reference)
    for axes, method in zip(line, shown, strict=True):
        axes.axhline(reference, color=DATA, linewidth=0.9, linestyle=":")
        if floor is not None and floor >= low:
            axes.axhline(floor, color=FLOOR, linewidth=0.9, linestyle="--")
        for i, k in enumerate(many):
            found = {r["encoder_steps"]: r for r in rows if (r["method"], r["bilevel_steps"]) == (method, k)}
            _line(axes, name, [found.get(j) for j in steps], (low, high), SERIES[i % len(SERIES)], i)
        axes.set(
            ylim=(low, high), xlim=(-0.4, len(steps) - 0.6), xticks=range(len(steps)), xticklabels=steps
        )  # fmt: skip
        axes.set_xlabel("J", labelpad=0)
        if axes is not line[0]:
            axes.tick_params(labelleft=False)
    if floor is not None and floor < low:
        line[0].text(
            0.04, 0.03, f"floor {floor:.4g}", transform=line[0].transAxes, fontsize=6.5, color=FLOOR
        )  # fmt: skip


def _line(
    axes: Axes, name: str, rows: Sequence[Row | None], limits: tuple[float, float], colour: str, order: int
) -> None:  # fmt: skip
    """Draw the means of one K; values above the limits are arrows at the border with their numbers."""
    low, high = limits
    mean = np.array([np.nan if row is None else row[name] for row in rows])
    error = np.array([np.nan if row is None else row[f"{name}_se"] for row in rows])
    inside = mean <= high
    axes.errorbar(
        np.arange(len(rows))[inside], mean[inside], yerr=np.where(np.isfinite(error), error, 0)[inside],
        color=colour, marker="o", markersize=3, linewidth=1.1, elinewidth=0.9,
    )  # fmt: skip
    for place, value in enumerate(mean):
        if value > high:
            text = f"{value:.2g}" if np.isfinite(value) else "inf"
            height = high - (0.06 + 0.1 * order) * (high - low)
            axes.text(
                place, height, f"\N{BLACK UP-POINTING SMALL TRIANGLE}{text}", ha="center", va="center",
                fontsize=6, color=colour,
            )  # fmt: skip


def _range(values: Sequence[float], reference: float) -> tuple[float, float]:
    """Return the limits of an axis: from the lowest of the values to a little above one Gaussian."""
    known = [value for value in values if np.isfinite(value)]
    low = min([*known, reference])
    high = reference if low < reference else max([*known, low])  # nothing was learned: show everything
    span = high - low or 1.0
    return low - _BELOW * span, high + _ABOVE * span


def _samples(axes: Axes, runs: Sequence[MeasuredPlaneRun]) -> None:
    """Draw samples of the model with the lowest nll over test data."""
    axes.set_axis_off()
    best = min(runs, key=lambda run: float(run.figures["nll"].min()), default=None)
    if best is None or not np.isfinite(best.figures["nll"]).any():
        note(axes, "no model")
        return
    low, high = best.data.min(0), best.data.max(0)
    look: Mapping[str, Any] = {"s": 1.2, "linewidths": 0}
    axes.scatter(*best.data.T, color=DATA, **look)
    axes.scatter(*best.samples.T, color=SERIES[4], **look)
    margin = 0.08 * (high - low)
    (x0, y0), (x1, y1) = low - margin, high + margin
    axes.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal")
