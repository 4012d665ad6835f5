"""Axes of a sweep: read their values from texts, and make the product."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

from ..errors import ConfigError
from ..settings.settings import Settings
from .cells import setting_of

#: Most cells of a product.
MOST_CELLS = 10_000_000
_RANGE = re.compile(r"(-?\d+)-(-?\d+)")
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class AxisInterval:
    """Values between two limits, of which a draw takes some; evenly on a logarithmic scale if ``log``.

    Raises
    ------
    ConfigError
        If the limits do not rise, are not finite, or are not positive with ``log``.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ConfigError(
                f"The interval {self.low:g}..{self.high:g} is not from a smaller to a larger number: write "
                "it as 0.1..0.9."
            )
        if self.log and self.low <= 0:
            raise ConfigError(
                f"A logarithmic interval begins above 0, not at {self.low:g}: write it as log:1e-4..1e-2."
            )


#: The values of an axis, or the interval from which they are drawn.
Values: TypeAlias = Sequence[Any] | AxisInterval


def parse_axis(text: str) -> tuple[str, Values]:
    """Read an axis such as ``lr=1e-4,1e-3``, ``seed=0-9``, ``hidden=30x30,64x64`` or ``lr=log:1e-4..1e-2``.

    Raises
    ------
    ConfigError
        If the name is no setting, or a value has not its type.
    """
    name, sign, values = text.partition("=")
    name = name.strip().replace("-", "_")
    if not sign or not values.strip():
        raise ConfigError(f"--grid {text!r} is no axis: write it as NAME=VALUE,VALUE, such as lr=1e-4,1e-3.")
    kind = _kind(name)
    if ".." in values and kind in (int, float):
        return name, _interval(text, values.strip())
    return name, [value for part in values.split(",") for value in _values(name, kind, part.strip())]


def grid(axes: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield the points of the product of some axes, the last of which varies fastest.

    Raises
    ------
    ConfigError
        If an axis has no value or the same value twice, or there are more than ten million points.
    """
    for name, values in axes.items():
        if not values:
            raise ConfigError(f"The axis {name} has no value: give it one, or leave it out.")
        for place, value in enumerate(values):
            if value in values[:place] and len(values) < 10_000:
                raise ConfigError(f"The axis {name} has the value {value} twice: leave one of them out.")
    if math.prod(map(len, axes.values())) > MOST_CELLS:
        raise ConfigError(
            f"The axes have more than {MOST_CELLS:,} cells: leave out values, or draw cells with --draw."
        )
    for point in product(*axes.values()):
        yield dict(zip(axes, point, strict=True))


def crossed(one: Iterable[Mapping[str, Any]], other: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield every point of the first sequence with every point of the second."""
    points = list(other)
    for each in one:
        for point in points:
            yield {**each, **point}


def _kind(name: str) -> type:
    """Return the type of the values of an axis."""
    if name == "seed":
        return int
    return type(Settings.__dataclass_fields__[setting_of(name)].default)


def _values(name: str, kind: type, text: str) -> Iterator[Any]:
    """Yield the values that a part of an axis stands for: one, or a range of integers."""
    if kind is int and (found := _RANGE.fullmatch(text)):
        first, last = map(int, found.groups())
        if not first <= last < first + MOST_CELLS:
            raise ConfigError(f"The axis {name} has {text!r}, which is no rising range: write it as 0-9.")
        yield from range(first, last + 1)
        return
    try:
        if kind is bool:
            yield _TRUTH[text.lower()]
        elif kind is tuple:
            yield tuple(int(part) for part in text.split("x"))
        else:
            yield kind(text)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"The axis {name} has {text!r}, which is not {_WANTED[kind]}.") from error


_WANTED = {
    int: "an integer, such as 3, or a range, such as 0-9",
    float: "a number, such as 1e-3, or an interval for --draw, such as 1e-4..1e-2",
    bool: "true or false",
    tuple: "a list of integers, such as 30x30",
    str: "a text",
}


def _interval(axis: str, text: str) -> AxisInterval:
    """Read ``low..high`` or ``log:low..high``."""
    limits = text.removeprefix("log:")
    low, _, high = limits.partition("..")
    try:
        return AxisInterval(float(low), float(high), limits != text)
    except ValueError as error:
        raise ConfigError(
            f"--grid {axis!r} has no interval: write it as lr=1e-4..1e-2, or as lr=log:1e-4..1e-2."
        ) from error
