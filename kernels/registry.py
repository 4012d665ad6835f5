"""Which kernel sets exist, and how to get one."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from vsmnp.errors import ConfigError
from vsmnp.types import Kernels

#: Every kernel set by name.
NAMES = ("reference", "cpu")


def load(name: str) -> Kernels:
    """Import a kernel set; the first import of ``cpu`` pulls in Numba.

    Raises
    ------
    ConfigError
        If there is no set of that name.
    """
    if name not in NAMES:
        raise ConfigError(f"There is no kernel set '{name}': choose one of {', '.join(NAMES)}.")
    return cast(Kernels, import_module(f"vsmnp.kernels.{name}"))
