"""List every figure of a single run by its name on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from ..runs.session import Run
from .curves import curves
from .density import density
from .evaluation import evaluation
from .latent import latent
from .posterior_sds import posterior_sds
from .samples import samples


class Figure(Protocol):
    """A function that draws a run."""

    def __call__(self, run: Run, path: str | Path) -> None:
        """Draw a run as PNG.

        Parameters
        ----------
        run : Run
            The run to draw; it may have no row yet.
        path : path
            The PNG file.

        Raises
        ------
        ConfigError
            If the path does not end in .png, or the run has nothing of the kind that the figure shows.
        LibraryError
            If Matplotlib is not installed.
        StorageError
            If the file cannot be written.
        """


#: The figures by name.
FIGURES: Mapping[str, Figure] = MappingProxyType({
    "samples": samples,
    "curves": curves,
    "evaluation": evaluation,
    "density": density,
    "latent": latent,
    "posterior-sds": posterior_sds,
})  # fmt: skip
