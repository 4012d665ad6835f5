"""Draw points from intervals and lists: at random, or by the Sobol' sequence, which fills them evenly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import ConfigError, member_of
from ..settings.settings import Settings
from ..types import Array
from .axes import AxisInterval, Values
from .cells import setting_of

#: Methods of a draw.
METHODS = ("sobol", "random")
#: Most points of a draw, and most axes of the Sobol' sequence of scipy.stats.
_MOST, _MOST_AXES = 2**30, 21201
#: Significant digits of a drawn number, which is in the name of a folder.
_DIGITS = 4


def drawn(
    axes: Mapping[str, Values], number: int, method: str = "sobol", seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Yield ``number`` points, each with a value of every axis.

    Parameters
    ----------
    axes : mapping
        An :class:`.axes.AxisInterval` or the values of each axis. Numbers are rounded to four digits;
        integers lie between the limits, which are included.
    method : str
        ``"sobol"``, the scrambled Sobol' sequence of scipy.stats.qmc, or ``"random"``, independent draws.
    seed : int
        Seed of the draw, or of the scrambling.

    Raises
    ------
    ConfigError
        If the number is not positive, there is no axis, or the method is unknown.
    """
    member_of(dict.fromkeys(METHODS), "method of a draw", method)
    if not 1 <= number <= _MOST or not axes or len(axes) > _MOST_AXES:
        raise ConfigError(
            f"A draw of {number} points of {len(axes)} axes cannot be made: draw at least one, from at least "
            "one interval, such as --draw 16 --grid lr=log:1e-4..1e-2."
        )
    seen = set()
    for point in _uniform(len(axes), number, method, seed):
        values = {name: _value(name, axis, u) for (name, axis), u in zip(axes.items(), point, strict=True)}
        if (key := repr(values)) not in seen:  # integers and lists can give the same point twice
            seen.add(key)
            yield values


def _uniform(dimensions: int, number: int, method: str, seed: int) -> Array:
    """Draw ``(number, dimensions)`` numbers in [0, 1)."""
    generator = np.random.default_rng(seed)
    if method == "random":
        return generator.random((number, dimensions))
    from scipy.stats import qmc

    return qmc.Sobol(dimensions, rng=generator).random_base2((number - 1).bit_length())[:number]


def _value(name: str, axis: Values, u: float) -> Any:
    """Map a number in [0, 1) to a value of an axis."""
    if not isinstance(axis, AxisInterval):
        return axis[int(u * len(axis))]
    if name == "seed" or isinstance(Settings.__dataclass_fields__[setting_of(name)].default, int):
        return int(_between(axis, u, above=1))
    return float(f"{_between(axis, u):.{_DIGITS}g}")


def _between(axis: AxisInterval, u: float, above: int = 0) -> float:
    """Return the point of an interval, whose upper end is moved by ``above``, at a share ``u`` of it."""
    low, high = axis.low, axis.high + above
    return float(low * (high / low) ** u if axis.log else low + (high - low) * u)
