"""Every figure and table about images by name, loaded when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import ConfigError

if TYPE_CHECKING:
    from .figure import ImageFigure
#: Networks that a grid can be trained with.
ARCHITECTURES = ("dcgan", "resnet18", "mlp")
NAMES = ("fig4", "fig8", "fig9", "fig10", "fig11", "samples", "table1", "table2")


def load(name: str) -> ImageFigure:
    """The figure of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in NAMES:
        raise ConfigError(f"There is no figure '{name}' about images: choose one of {', '.join(NAMES)}.")
    from .figures import FIGURES

    return FIGURES[name]
