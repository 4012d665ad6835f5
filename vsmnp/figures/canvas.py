"""An empty figure that is written as a complete PNG file or not at all."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings

from ..errors import ConfigError, LibraryError
from ..storage import check_place, write_whole
from .style import DATA, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
from typing import Protocol

import numpy as np

from ..types import Array


def check_picture(path: Path, cure: str = "choose another place with --out") -> None:
    """Check before the work whether a picture can be written to the path.

    Raises
    ------
    ConfigError
        If the path does not end in .png.
    StorageError
        If it cannot be written; ``cure`` ends the message.
    """
    if path.suffix.lower() != ".png":
        raise ConfigError(f"A figure is a PNG image, so its file name must end in .png, not as in {path}.")
    check_place(path, cure)


@contextmanager
def drawing(path: str | Path, title: str, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of ``width`` by ``height`` inches, and write it to ``path`` if the block succeeds.

    The user's plotting configuration has no effect, and it is not changed.

    Raises
    ------
    ConfigError
        If the path does not end in .png.
    LibraryError
        If Matplotlib is not installed.
    StorageError
        If the file cannot be written.
    """
    try:
        from matplotlib import rc_context, rcParamsDefault
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise LibraryError("Pictures are drawn by Matplotlib: pip install matplotlib.") from error

    path = Path(path)
    check_picture(path)
    look: dict[Any, Any] = {name: v for name, v in rcParamsDefault.items() if not name.startswith("backend")}
    look.update(STYLE)
    with rc_context(look):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, x=0.012, ha="left", wrap=True)
        yield figure
        content = io.BytesIO()
        with catch_warnings():
            filterwarnings("ignore", "Glyph")  # a name in a script that the font lacks
            figure.savefig(content, format="png", metadata={"Software": "vsmnp"})
    write_whole(path, content.getvalue())


def note(axes: Axes, text: str) -> None:
    """Write a remark in the middle of empty axes, whose x axis may be shared and is not changed."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=DATA, wrap=True)
    axes.set(yticks=[])


class SetScale(Protocol):
    """The method ``set_xscale`` or ``set_yscale`` of axes."""

    def __call__(self, value: str, **parameters: float) -> None:
        """Set the scale of the axis."""


def fit_scale(set_scale: SetScale, values: Array, typical: float, wide: float) -> None:
    """Set a logarithmic axis if some magnitude is more than ``wide`` times the ``typical`` one.

    If not all values are positive it is logarithmic on both sides of a linear middle part, which contains
    the typical values. Values that are not finite are ignored.
    """
    values = values[np.isfinite(values)]
    if not typical > 0 or np.abs(values).max(initial=0) <= wide * typical:
        return
    if values.min() > 0:
        set_scale("log")
    else:
        set_scale("symlog", linthresh=10.0 ** np.ceil(np.log10(typical)))
