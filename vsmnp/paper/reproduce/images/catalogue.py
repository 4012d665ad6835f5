"""Load a figure or table about images by its name, imported on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import member_of

if TYPE_CHECKING:
    from .figure import ImageFigure

NAMES = ("fig4", "fig8", "fig9", "fig10", "fig11", "samples", "table1", "table2")


def load(name: str) -> ImageFigure:
    """Return the figure of the given name.

    Raises
    ------
    ConfigError
        If there is no figure of that name.
    """
    member_of(dict.fromkeys(NAMES), "figure about images", name)
    from .figures import FIGURES

    return FIGURES[name]
