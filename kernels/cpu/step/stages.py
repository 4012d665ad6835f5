"""Compile each stage of the fused step once, and call it by its address.

The loops of ``inner_loops.py`` take pointers; a stage is a larger function of an update and takes arrays and
records. A call of a stage is written like any other call; its first argument is the tile, which holds the
addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeAlias

import numba
from numba import types

from ...formulas.elementary import Formula
from ..compilation import callback
from ..llvm import call_by_place
from .records import Noise
from .tile import Tile

Body: TypeAlias = Callable[..., None]

#: Arguments of a stage that computes a tile's share of a gradient: ``phi, theta, x, noise, tau, row, rows,
#: plan, turn, g, plain, sums``. The share is added to ``g (P,)`` and ``plain (P,)``, and the sums from which
#: the loss is computed to ``sums (4,)``.
SHARE = "vector vector data noise real word word plan word vector vector sums"

_STAGES: dict[int, tuple[Body, tuple[str, ...]]] = {}


def stage(place: int, arguments: str) -> Callable[[Body], Formula]:
    """Register a function as the stage whose address is stored at index ``place``.

    ``arguments`` names the types after the tile: ``table``, ``vector (P,)``, ``data (N, D)``, ``sums (4,)``,
    ``noise``, ``word`` (integers and flags), ``real``, or the name of a record that :func:`ready` is given.
    """

    def made(body: Body) -> Formula:
        _STAGES[place] = body, tuple(arguments.split())
        return call_by_place("inner_loops", place)

    return made


@cache
def _compiled(place: int, kinds: tuple[Any, ...]) -> Any:
    return callback(_STAGES[place][0], types.void(*kinds))


def ready(tile: Tile, places: Iterable[int], **records: Any) -> None:
    """Compile stages and store their addresses in the tile; each record is an example of its type."""
    real = numba.from_dtype(tile.planes.dtype)
    kinds = {
        "table": types.Array(types.int64, 2, "C"), "vector": types.Array(real, 1, "C"),
        "data": types.Array(real, 2, "C"), "sums": types.Array(types.float64, 1, "C"),
        "noise": numba.typeof(Noise(0, 0, 0)), "word": types.int64, "real": types.float64,
        **{name: numba.typeof(record) for name, record in records.items()},
    }  # fmt: skip
    for place in places:
        arguments = (kinds[name] for name in _STAGES[place][1])
        tile.inner_loops[place] = _compiled(place, (numba.typeof(tile), *arguments)).address
