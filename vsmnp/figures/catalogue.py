"""List every figure of a single run by its name on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from ..runs.session import Run
from .curves import curves
from .density import density
from .evaluation import evaluation
from .latent import latent
from .posterior_sds import posterior_sds
from .samples import samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FigureOfRun(Protocol):
    """A function that draws a run."""

    def __call__(self, run: Run, path: str | Path | None = None) -> Figure:
        """Draw a run and return the figure; write it if there is a path.

        Parameters
        ----------
        run : Run
            The run to draw; it may have no row yet.
        path : path, optional
            The file, whose name ends in .png, .pdf or .svg.

        Returns
        -------
        matplotlib.figure.Figure
            The figure, which belongs to no window and no list of Matplotlib's.

        Raises
        ------
        ConfigError
            If the path ends otherwise, or the run has nothing of the kind that the figure shows.
        LibraryError
            If Matplotlib is not installed.
        StorageError
            If the file cannot be written.
        """


#: The figures by name.
FIGURES: Mapping[str, FigureOfRun] = MappingProxyType({
    "samples": samples,
    "curves": curves,
    "evaluation": evaluation,
    "density": density,
    "latent": latent,
    "posterior-sds": posterior_sds,
})  # fmt: skip
