"""All reproductions by name; each is a folder of this package, loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from ...errors import ConfigError
from .reproduction import Reproduction

NAMES = ("fig1", "fig2", "fig5", "laplace", "failure")


def load(name: str) -> Reproduction:
    """The reproduction of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in NAMES:
        raise ConfigError(f"There is no reproduction '{name}': choose one of {', '.join(NAMES)}.")
    return cast(Reproduction, import_module(f"{__package__}.{name}.experiment"))
