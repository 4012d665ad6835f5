"""Draw evaluations during training: metrics and posterior standard deviations over the steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..metrics import metric
from ..runs.evaluation_log import COLUMNS
from ..runs.session import Run
from ..types import Array
from .canvas import drawing, note, plot_models
from .labels import headline
from .style import MODEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Number of panels per row.
_COLUMNS = 3


def evaluation(run: Run, path: str | Path | None = None) -> Figure:
    """Draw the rows of ``evaluation.csv`` over the decoder's steps.

    An ensemble has a thin line per model and a thick one for their mean. The last panel has a column per
    evaluation: the histogram of the posterior standard deviations of all latents and models.

    Parameters and errors are those of :class:`~vsmnp.figures.catalogue.FigureOfRun`.
    """
    rows = run.evaluations.rows
    down = -(-(len(COLUMNS) + 1) // _COLUMNS)
    with drawing(path, headline(run), 9.4, 2.3 * down) as figure:
        panels = figure.subplots(down, _COLUMNS).ravel()
        for axes, name in zip(panels, COLUMNS, strict=False):
            axes.set(title=metric(name).heading, xlabel="decoder step")
            _lines(axes, np.asarray(rows.steps), rows.column(name))
        histograms, *unused = panels[len(COLUMNS) :]
        histograms.set(title="Posterior standard deviations (z)", xlabel="decoder step")
        _histograms(histograms, run)
        for axes in unused:
            axes.set_axis_off()
    return figure


def _lines(axes: Axes, steps: Array, values: Array) -> None:
    """Plot ``values (rows, R)`` as lines, or as dots for a single evaluation."""
    if not np.isfinite(values).any():
        note(axes, "no evaluation yet" if not values.size else "no finite values")
        return
    plot_models(axes, steps, values, MODEL)
    if values.shape[1] > 1:
        axes.legend()


def _histograms(axes: Axes, run: Run) -> None:
    """Draw a column per evaluation, up to the step of the next one, darker for larger counts."""
    steps = run.evaluations.rows.steps
    if not steps:
        note(axes, "no evaluation yet")
        return
    ends = [*steps, steps[-1] + (steps[-1] - steps[-2] if len(steps) > 1 else steps[-1])]
    for left, right, edges, counts in zip(
        ends, ends[1:], run.evaluations.edges, run.evaluations.counts, strict=False
    ):
        pooled = counts.sum((0, 1))
        share = pooled / max(1, pooled.max())
        axes.pcolormesh([left, right], edges, share[:, None], cmap="Blues", vmin=0, vmax=1)
    axes.set(ylim=(0, max(edges[-1] for edges in run.evaluations.edges)))
