"""Draw training curves of a run: losses, their terms and gamma over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..metrics import metric, squared
from ..runs.session import Run
from .canvas import drawing, fit_scale, mean_of, note, plot_models
from .labels import headline, loss_units
from .style import SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Ratio of the first rows to the typical one that would flatten the rest on a linear axis.
_TRANSIENT = 20.0


def curves(run: Run, path: str | Path | None = None) -> Figure:
    """Draw both losses, their terms and gamma over the decoder's steps.

    Losses are means over a minibatch, in the unit of their objective. An ensemble has a thin line per
    model and a thick one for their mean; rows that are not finite leave gaps.

    Parameters and errors are those of :class:`~vsmnp.figures.catalogue.FigureOfRun`.
    """
    with drawing(path, headline(run), 9.4, 4.6) as figure:
        panels = figure.subplot_mosaic(
            [["learning loss", "learning terms", "gamma"], ["inference loss", "inference terms", "gamma"]],
            sharex=True,
        )
        for side, unit in zip(("learning", "inference"), loss_units(run.settings), strict=True):
            loss = f"{side}.loss"
            names = [name for name in run.history.columns if name.startswith(f"{side}.") and name != loss]
            _plot(panels[f"{side} loss"], run, [loss], f"{side.capitalize()} loss")
            _plot(panels[f"{side} terms"], run, names, f"{side.capitalize()} loss, by term")
            for panel in ("loss", "terms"):
                panels[f"{side} {panel}"].set(ylabel=squared(unit))
        _plot(panels["gamma"], run, ["gamma"], metric("gamma").title)
        panels["gamma"].set(ylabel=squared(metric("gamma").unit))
        for place in ("inference loss", "inference terms", "gamma"):
            panels[place].set(xlabel="decoder step")
        if not run.history.steps:
            panels["gamma"].set(xticks=[])
        figure.align_ylabels([panels["learning loss"], panels["inference loss"]])
    return figure


def _plot(axes: Axes, run: Run, names: Sequence[str], title: str) -> None:
    """Plot the columns ``names`` over the steps: one colour per column, thin lines for single models."""
    axes.set_title(title)
    values = [run.history.column(name) for name in names]
    if not any(column.size for column in values):
        note(axes, "no rows yet")
        return
    if not any(np.isfinite(column).any() for column in values):
        note(axes, "no finite values")
        return
    steps = np.asarray(run.history.steps)
    for name, column, colour in zip(names, values, cycle(SERIES), strict=False):
        term = "KL" if name.endswith(".kl") else name.partition(".")[2].replace("_", " ")
        plot_models(axes, steps, column, colour, term if len(names) > 1 else None)
    models = values[0].shape[1]
    if len(names) > 1:
        axes.legend(title=mean_of(models) if models > 1 else None, title_fontsize=7.5)
    elif models > 1:
        axes.legend()
    if names == ["gamma"]:
        _gamma_scale(axes)
    else:
        everything = np.concatenate([column.ravel() for column in values])
        typical = float(np.median(np.abs(everything[np.isfinite(everything)])))
        fit_scale(axes.set_yscale, everything, typical, _TRANSIENT)


def _gamma_scale(axes: Axes) -> None:
    """Set a logarithmic axis; within a decade its ticks are evenly spaced plain numbers."""
    from matplotlib.ticker import AutoLocator, NullLocator, ScalarFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 10 * low:
        axes.yaxis.set_major_locator(AutoLocator())
        axes.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))
        axes.yaxis.set_minor_locator(NullLocator())
