"""Load a reproduction by its name; each is a folder of this package, imported on demand."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from ...errors import member_of
from .reproduction import Reproduction

NAMES = ("fig1", "fig2", "fig5", "laplace", "failure")
#: Options of the command that a reproduction takes as keywords of the same names, with ``stop``; those that
#: choose an engine make its keyword ``engine``.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "failure": ("budget", "datasets", "on", "jobs", "partition", "no_train", "records"),
}  # fmt: skip


def load(name: str) -> Reproduction:
    """Return the reproduction of the given name.

    Raises
    ------
    ConfigError
        If there is no reproduction of that name.
    """
    member_of(dict.fromkeys(NAMES), "reproduction", name)
    return cast(Reproduction, import_module(f"{__package__}.{name}.experiment"))
