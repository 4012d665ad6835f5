"""The cells of a sweep: one run each, with its settings, its labels, and the name of its folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, suggestion
from ..kernels import ON_GPU
from ..settings.settings import Settings
from ..settings.values import option_name

#: Longest name of a folder, in characters, and those of a hash that ends a shortened name.
_LONGEST, _DIGITS = 120, 8
#: Characters that stand in the name of a folder; others become a dash.
_FOREIGN = re.compile(r"[^A-Za-z0-9.+-]+")


@dataclass(frozen=True)
class Cell:
    """One run of a grid: its name, its settings, and what labels its rows."""

    #: Name of the run's folder.
    name: str
    #: Settings of the training.
    settings: Settings
    #: Position of the run in the grid.
    labels: Mapping[str, Any]

    @property
    def size(self) -> int:
        """The steps of all models if they are given as steps; else the number of models."""
        return max(self.settings.steps, 1) * len(self.settings.seeds)

    @property
    def is_on_gpu(self) -> bool:
        """Whether its settings ask for a GPU."""
        return self.settings.device == "gpu" or self.settings.kernels in ON_GPU


@dataclass(frozen=True)
class RefusedCell:
    """A cell whose settings are invalid, with the sentence that says why."""

    name: str
    labels: Mapping[str, Any]
    error: str


def any_on_gpu(cells: Iterable[Cell | RefusedCell]) -> bool:
    """Return whether the settings of a cell ask for a GPU."""
    return any(isinstance(cell, Cell) and cell.is_on_gpu for cell in cells)


def cells_of(base: Mapping[str, Any], points: Iterable[Mapping[str, Any]]) -> list[Cell | RefusedCell]:
    """Make a cell of every point of a sweep.

    Parameters
    ----------
    base : mapping
        Settings of all cells by name.
    points : iterable of mappings
        Settings of one cell each, by the names that :func:`setting_of` knows.

    Returns
    -------
    list
        A :class:`Cell` for each point, or a :class:`RefusedCell` if its settings are invalid.

    Raises
    ------
    ConfigError
        If a name is no setting, if two points are the same, or if there is none.
    """
    found: dict[str, Cell | RefusedCell] = {}
    for point in points:
        name = name_of(point)
        if name in found:
            raise ConfigError(f"Two cells of the sweep are the same, {name}: leave one of them out.")
        values = {setting_of(axis): value for axis, value in point.items()}
        try:
            found[name] = Cell(name, Settings.from_mapping({**base, **values}), point)
        except ConfigError as error:
            found[name] = RefusedCell(name, point, str(error))
    if not found:
        raise ConfigError("The sweep has no cell: give an axis, such as --grid seed=0-9.")
    return list(found.values())


def setting_of(axis: str) -> str:
    """Return the setting that an axis changes: ``seed`` stands for one seed, and a dash for an underscore.

    Raises
    ------
    ConfigError
        If there is none.
    """
    name = axis.replace("-", "_")
    if name == "seed":
        return "seeds"
    if name == "seeds":
        raise ConfigError("An axis has one seed a cell: write --grid seed=0-9 instead of seeds.")
    if name not in Settings.__dataclass_fields__:
        known = ["seed", *Settings.__dataclass_fields__]
        raise ConfigError(
            f"The axis {axis!r} is no setting{suggestion(name, known)}: see 'vsmnp train --help' for all of "
            "them."
        )
    return name


def name_of(point: Mapping[str, Any]) -> str:
    """Return the name of a cell's folder: axes and values, such as ``objective=m1_lr=0.001_seed=0``."""
    parts, plain = [], True
    for axis, value in point.items():
        text = _text(value)
        short = _FOREIGN.sub("-", Path(text).name if "/" in text else text)
        plain &= short == text
        parts.append(f"{axis.replace('-', '_')}={short}")
    name = "_".join(parts)
    if plain and len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(repr(sorted((axis, _text(value)) for axis, value in point.items())).encode())
    return f"{name[: _LONGEST - _DIGITS - 1]}_{digest.hexdigest()[:_DIGITS]}"


def _text(value: Any) -> str:
    """Format a value as it is written on an axis."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def option_of(axis: str) -> str:
    """Return the command-line option of an axis, for messages."""
    return "--seed" if axis == "seed" else option_name(setting_of(axis))
