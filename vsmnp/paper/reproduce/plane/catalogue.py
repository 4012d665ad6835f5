"""Load a figure about data in the plane by its name, imported on demand."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ....errors import member_of

if TYPE_CHECKING:
    from .figure import PlaneFigure

#: The preset of each figure's runs.
PRESETS: Mapping[str, str] = MappingProxyType({
    "fig3": "paper-2d", "fig6": "paper-2d-large", "fig7": "paper-2d"
})  # fmt: skip
NAMES = tuple(PRESETS)


def load(name: str) -> PlaneFigure:
    """Return the figure of the given name.

    Raises
    ------
    ConfigError
        If there is no figure of that name.
    """
    member_of(PRESETS, "figure in the plane", name)
    from .figures import FIGURES

    return FIGURES[name]
