"""Draw a figure that is written as a complete file or not at all, and parts of its axes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings

import numpy as np

from ..errors import ConfigError
from ..storage import ELSEWHERE, check_place, write_whole
from ..types import Array
from .backend import import_matplotlib
from .style import DATA, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

#: The formats of a picture by the end of its file name, with the metadata of a file. Without a date, the
#: same picture has the same bytes.
FORMATS: Mapping[str, Mapping[str, str | None]] = MappingProxyType({
    ".png": {"Software": "vsmnp"},
    ".pdf": {"Creator": "vsmnp", "CreationDate": None},
    ".svg": {"Creator": "vsmnp", "Date": None},
})  # fmt: skip


def check_picture(path: Path, remedy: str = ELSEWHERE) -> None:
    """Check before the work whether a picture can be written to the path.

    Raises
    ------
    ConfigError
        If the path does not end as one of :data:`FORMATS`.
    StorageError
        If it cannot be written; ``remedy`` ends the message.
    """
    if path.suffix.lower() not in FORMATS:
        *ends, last = FORMATS
        raise ConfigError(
            f"The file name of a picture must end in {', '.join(ends)} or {last}, not as in {path}."
        )
    check_place(path, remedy)


@contextmanager
def drawing(
    path: str | Path | None, title: str, width: float, height: float, remedy: str = ELSEWHERE
) -> Iterator[Figure]:
    """Yield a figure of ``width`` by ``height`` inches, and write it to ``path`` if the block succeeds.

    Without a path the figure is laid out and nothing is written; ``remedy`` ends the message if it cannot be
    written. The user's plotting configuration has no
    effect, and it is not changed.

    Raises
    ------
    ConfigError
        If the path does not end as one of :data:`FORMATS`.
    LibraryError
        If Matplotlib is not installed.
    StorageError
        If the file cannot be written.
    """
    import_matplotlib()
    from matplotlib import rc_context, rcParamsDefault
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if path is not None:
        path = Path(path)
        check_picture(path, remedy)
    look: dict[Any, Any] = {name: v for name, v in rcParamsDefault.items() if not name.startswith("backend")}
    look.update(STYLE)
    with rc_context(look):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, x=0.012, ha="left", wrap=True)
        yield figure
        for axes in figure.axes:
            name_scales(axes)
        with catch_warnings():
            filterwarnings("ignore", "Glyph")  # a name in a script that the font lacks
            if path is None:
                # Ticks take their style from the configuration when they are drawn, and the layout depends on
                # the ticks of the pass before.
                for _ in range(2):
                    figure.draw_without_rendering()
            else:
                content = _encoded(figure, path.suffix.lower())
            figure.set_layout_engine("none")
            # Notebooks show it: without pyplot Matplotlib offers them no picture.
            figure._repr_png_ = partial(_encoded, figure, ".png")  # type: ignore[attr-defined]
    if path is not None:
        write_whole(path, content, remedy)


def _encoded(figure: Figure, ending: str) -> bytes:
    """Return the bytes of a file of this format."""
    content = io.BytesIO()
    figure.savefig(content, format=ending[1:], metadata=dict(FORMATS[ending]))
    return content.getvalue()


def name_scales(axes: Axes) -> None:
    """Add to the label of an axis with numbers that it is logarithmic, and where symlog is linear."""
    for axis, side in ((axes.xaxis, "labelbottom"), (axes.yaxis, "labelleft")):
        scale = axis.get_scale()
        if scale == "linear" or not axis.get_tick_params()[side] or not axes.axison:
            continue
        if scale == "symlog":
            scale = f"symlog, linear to \N{PLUS-MINUS SIGN}{axis.get_transform().linthresh:g}"  # type: ignore[attr-defined]
        text = axis.get_label_text()
        axis.set_label_text(f"{text} ({scale})" if text else f"{scale} axis")


def text_inside(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    """Write a text into axes, at a place in shares of their width and height."""
    axes.text(x, y, text, transform=axes.transAxes, **look)


def note(axes: Axes, text: str) -> None:
    """Write a remark in the middle of empty axes, whose x axis may be shared and is not changed."""
    text_inside(axes, 0.5, 0.5, text, ha="center", va="center", color=DATA, wrap=True)
    axes.set(yticks=[])


def labelled_grid(figure: Figure, rows: Sequence[str], columns: Sequence[str], **shared: Any) -> Array:
    """Return axes ``(rows, columns)``, titled in the first row and labelled in the first column."""
    grid: Array = figure.subplots(len(rows), len(columns), squeeze=False, **shared)
    for line, label in zip(grid, rows, strict=True):
        line[0].set(ylabel=label)
    for axes, title in zip(grid[0], columns, strict=True):
        axes.set_title(title)
    return grid


def plot_models(axes: Axes, steps: Array, values: Array, colour: str, label: str | None = None) -> None:
    """Plot ``values (rows, R)`` over the steps: a thin line for each of several models, a thick mean.

    The mean is over the models whose value is finite, and its label in a legend is ``label``, or else says
    so. A single row is drawn as dots.
    """
    values = np.ma.masked_invalid(values)
    dot, models = "o" if len(steps) == 1 else None, values.shape[1]
    if models > 1:
        label = label or mean_of(models)
        axes.plot(steps, values.filled(np.nan), color=colour, linewidth=0.6, alpha=0.35, marker=dot)
    axes.plot(steps, values.mean(1), color=colour, marker=dot, label=label)


def mean_of(models: int) -> str:
    """Name the thick line of an ensemble."""
    return f"mean of {models} models"


def legend_line(**look: Any) -> Line2D:
    """Return a line that stands in a legend alone."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **look)


def fit_scale(set_scale: Callable[..., object], values: Array, typical: float, wide: float) -> None:
    """Set a logarithmic axis if some magnitude is more than ``wide`` times the ``typical`` one.

    ``set_scale`` is the method ``set_xscale`` or ``set_yscale`` of axes. If not all values are positive the
    axis is logarithmic on both sides of a linear middle part, which contains the typical values. Values that
    are not finite are ignored.
    """
    values = values[np.isfinite(values)]
    if not typical > 0 or np.abs(values).max(initial=0) <= wide * typical:
        return
    if values.min() > 0:
        set_scale("log")
    else:
        set_scale("symlog", linthresh=10.0 ** np.ceil(np.log10(typical)))
