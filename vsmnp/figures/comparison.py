"""Compare several runs metric by metric, with the known lower bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from ..evaluation.floors import floors
from ..metrics import metric
from ..runs.session import Run
from ..types import Array
from .canvas import drawing, fit_scale
from .labels import plain, run_names
from .style import DATA, FLOOR, MODEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Number of panels per row.
_COLUMNS = 3
#: Ratio of magnitudes above which a linear axis hides the small ones.
_THREE_DECADES = 1e3


def comparison(
    runs: Sequence[Run],
    evaluations: Sequence[Mapping[str, Sequence[float | None]]],
    path: str | Path | None = None,
) -> Figure:
    """Draw the evaluations of several runs, a panel for each metric and a line for each run.

    Large dots are means over the models of a run, bars one standard error of that mean, pale dots the
    models; dashed lines are the lower bounds for any model, where they are known.

    Parameters
    ----------
    runs : sequence of Run
        The runs, at least one.
    evaluations : sequence of mapping
        Return values of :func:`vsmnp.evaluation.evaluate.evaluate` for each run. Metrics without a title,
        such as standard errors, and metrics without a single number are omitted.
    path : path, optional
        The file, whose name ends in .png, .pdf or .svg.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ConfigError
        If there is nothing to compare, or the path ends otherwise.
    StorageError
        If the file cannot be written.
    """
    if len(runs) != len(evaluations):
        raise ConfigError(f"A comparison needs one evaluation a run, not {len(evaluations)} for {len(runs)}.")
    columns = {name: [_numbers(each.get(name, ())) for each in evaluations] for name in _metrics(evaluations)}
    columns = {name: values for name, values in columns.items() if any(v.size for v in values)}
    if not columns:
        raise ConfigError(
            "There is nothing to compare: name at least one run with a metric that is a number."
        )
    known = [floors(run) for run in runs]
    across = min(_COLUMNS, len(columns))
    down = -(-len(columns) // across)
    names = run_names(runs)
    width = 0.4 + 0.065 * max(map(len, names)) + 2.6 * across
    height = down * (0.75 + 0.24 * len(runs)) + 0.6
    datasets = ", ".join(dict.fromkeys(plain(run.dataset.name) for run in runs))
    with drawing(path, f"{datasets}: test metrics", width, height) as figure:
        grid = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
        for axes, (name, values) in zip(grid, columns.items(), strict=False):
            _metric(axes, name, values, [each.get(name) for each in known])
        legend = "mean ± s.e.m. over models (pale); dashed: best possible"
        figure.supxlabel(legend, fontsize=7.5, color=DATA)
        for axes in grid[len(columns) :]:
            axes.set_axis_off()
        grid[0].set(yticks=range(len(runs)), yticklabels=names, ylim=(len(runs) - 0.5, -0.5))
    return figure


def _metrics(evaluations: Sequence[Mapping[str, Sequence[float | None]]]) -> list[str]:
    """List every metric of any run, in the order of first occurrence."""
    names = dict.fromkeys(name for each in evaluations for name in each)
    return [name for name in names if metric(name).title]


def _numbers(values: Sequence[float | None]) -> Array:
    """Return the values that are finite numbers."""
    numbers = np.array([value for value in values if value is not None], np.float64)
    return numbers[np.isfinite(numbers)]


def _metric(axes: Axes, name: str, values: Sequence[Array], known: Sequence[float | None]) -> None:
    """Draw one panel: a line for each run, with its lower bound dashed."""
    axes.set_title(metric(name).heading)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    for line, (numbers, floor) in enumerate(zip(values, known, strict=True)):
        if floor is not None:
            axes.vlines(floor, line - 0.5, line + 0.5, color=FLOOR, linewidth=1, linestyles=(0, (4, 2)))
        if not numbers.size:
            middle = axes.get_yaxis_transform()
            axes.text(0.5, line, "none", transform=middle, ha="center", va="center", fontsize=7, color=DATA)
            continue
        if numbers.size > 1:
            axes.scatter(numbers, np.full(numbers.size, line), s=9, color=MODEL, alpha=0.3, linewidths=0)
        error = numbers.std(ddof=1) / np.sqrt(numbers.size) if numbers.size > 1 else None
        axes.errorbar(
            numbers.mean(), line, xerr=error, fmt="o", color=MODEL, markersize=4, elinewidth=1.2, capsize=2
        )
    shown = [*values, np.array([floor for floor in known if floor is not None])]
    everything = np.concatenate(shown)
    fit_scale(axes.set_xscale, everything, _least(everything), _THREE_DECADES)
    if axes.get_xscale() == "symlog":
        axes.locator_params(axis="x", numticks=6)


def _least(values: Array) -> float:
    """Return the smallest magnitude, or the lower quartile if signs differ and values may be close to 0."""
    size = np.abs(values[values != 0])
    if not size.size:
        return 0.0
    return float(np.quantile(size, 0.25) if values.min() < 0 < values.max() else size.min())
