"""The plan of a sweep: settings of all cells, a grid, a list and a draw, from a TOML file or from options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError, suggestion
from ..settings.toml import load
from .axes import AxisInterval, Values, crossed, grid, parse_axis
from .cells import setting_of
from .draw import drawn

#: The tables of a file that are not settings.
_TABLES = ("grid", "cell", "draw")
#: The entries of a draw that are not axes, with their defaults.
_OF_DRAW: Mapping[str, Any] = {"number": 0, "method": "sobol", "seed": 0}


@dataclass(frozen=True)
class SweepPlan:
    """The axes of a sweep, of which :meth:`points` makes the cells.

    Attributes
    ----------
    base : mapping
        Settings of all cells.
    grid : mapping
        Axes whose product is taken.
    cells : sequence of mappings
        A list of cells, each of which is combined with every point of the grid.
    draw : mapping
        Axes from which points are drawn, each of which is combined with every point of the grid.
    number, method, seed : int, str, int
        The draw, as in :func:`.draw.drawn`.
    """

    base: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    cells: Sequence[Mapping[str, Any]] = ()
    draw: Mapping[str, Values] = field(default_factory=dict)
    number: int = 0
    method: str = "sobol"
    seed: int = 0

    @classmethod
    def from_file(cls, path: Path) -> SweepPlan:
        """Read a plan from a TOML file with settings and the tables ``[grid]``, ``[[cell]]`` and ``[draw]``.

        Raises
        ------
        ConfigError
            If the file cannot be read, an axis is no setting, or an entry has another form.
        """
        values = load(path)
        tables = {name: values.pop(name) for name in _TABLES if name in values}
        try:
            axes = {_named(name): list(each) for name, each in _table(tables.get("grid", {})).items()}
            cells = [
                {_named(name): value for name, value in _table(each).items()}
                for each in tables.get("cell", [])
            ]
            drawing = dict(_table(tables.get("draw", {})))
            options = {name: drawing.pop(name, default) for name, default in _OF_DRAW.items()}
            draw = {_named(name): _axis(each) for name, each in drawing.items()}
            number, seed = (_count(options[name]) for name in ("number", "seed"))
        except (TypeError, KeyError, ValueError) as error:
            raise ConfigError(
                f"The tables of {path} are not those of a sweep ({str(error).strip()}): write [grid] with "
                "lr = [1e-4, 1e-3], [[cell]] with lr = 1e-4, or [draw] with number = 16 and an axis such as "
                "lr = {low = 1e-4, high = 1e-2}."
            ) from error
        base = {setting_of(name) if name == "seed" else name: value for name, value in values.items()}
        return cls(base, axes, cells, draw, number, str(options["method"]), seed)

    def with_axes(self, texts: Sequence[str], number: int, method: str, seed: int) -> SweepPlan:
        """Return the plan with the axes of the options ``--grid``, and their draw if ``number`` is not 0.

        Raises
        ------
        ConfigError
            If an axis is given twice, is no setting, or is an interval without ``--draw``.
        """
        named: dict[str, Values] = {}
        for text in texts:
            name, values = parse_axis(text)
            if name in named:
                raise ConfigError(f"--grid {name} is given twice: give all of its values at once.")
            named[name] = values
        intervals = {name: each for name, each in named.items() if isinstance(each, AxisInterval)}
        lists = {name: each for name, each in named.items() if not isinstance(each, AxisInterval)}
        if intervals and not number:
            raise ConfigError(
                f"--grid {next(iter(intervals))} is an interval, from which points are drawn: give their "
                "number by --draw."
            )
        if number and not intervals:
            raise ConfigError(
                "--draw needs an interval, such as --grid lr=log:1e-4..1e-2: give one, or leave out --draw."
            )
        grids = {**{name: each for name, each in self.grid.items() if name not in named}, **lists}
        if not intervals:
            return replace(self, grid=grids)
        return replace(self, grid=grids, draw=intervals, number=number, method=method, seed=seed)

    def points(self) -> Iterator[dict[str, Any]]:
        """Yield the labels of the cells: those of the list and of the draw, each with those of the grid.

        Raises
        ------
        ConfigError
            If an axis is in two of the tables, or as :func:`.axes.grid` and :func:`.draw.drawn`.
        """
        listed = {name for cell in self.cells for name in cell}
        for name in [*(listed & {*self.grid, *self.draw}), *({*self.grid} & {*self.draw})]:
            raise ConfigError(f"The axis {name} is in two tables of the sweep: leave it out of one.")
        found: Iterator[Mapping[str, Any]] = iter(self.cells or [{}])
        if self.draw or self.number:
            found = crossed(found, drawn(self.draw, self.number, self.method, self.seed))
        for point in crossed(found, grid(self.grid)):
            if point:
                yield point


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r} is no table")
    return value


def _named(axis: str) -> str:
    """Return the name of an axis, with underscores, after checking that it is a setting."""
    setting_of(axis)
    return axis.replace("-", "_")


def _axis(value: Any) -> Values:
    """Read the interval or the list of an axis of a draw."""
    if isinstance(value, list):
        return value
    entries = dict(_table(value))
    found = AxisInterval(
        float(entries.pop("low")), float(entries.pop("high")), bool(entries.pop("log", False))
    )
    for name in entries:
        raise KeyError(f"{name}{suggestion(name, ('low', 'high', 'log'))}")
    return found


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
