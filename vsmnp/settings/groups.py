"""The groups of the settings on a help page, in the order of the table of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from .settings import Settings

#: The first setting of each run of rows of the table, and the group of the rows up to the next entry.
_GROUPS = {
    "dataset": "Data",
    "objective": "Objective",
    "arch": "Networks",
    "steps": "Optimisation",
    "seeds": "Run",
    "dtype": "Machine",
    "log_every": "Run",
}
#: The groups in the order of a help page; the last is also that of options which are no settings.
GROUPS = ("Data", "Objective", "Networks", "Optimisation", "Machine", "Run")


def groups() -> dict[str, str]:
    """Return the group of each setting by the setting's name."""
    return dict(_named())


def _named() -> Iterator[tuple[str, str]]:
    group = ""
    for spec in fields(Settings):
        group = _GROUPS.get(spec.name, group)
        yield spec.name, group
