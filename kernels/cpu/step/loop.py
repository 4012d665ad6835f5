"""The loop of an update: models, parts of a batch, tiles of a part.

A part is some tiles in a row, whose gradients are gathered in memory of its own. The parts are summed in
their order at the end, so that it never shows which thread did which.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numba
from numba import carray, types

from vsmnp.types.arrays import Array

from ...formulas.elementary import formula
from ..compilation import callback
from ..llvm import call_with_records
from ..views import row_of
from .finish import finish
from .packed_records import held, packed
from .records import CHOOSING, OPTIMAL, Accumulators, L, ModelArrays, Noise, Plan, StepInputs
from .tile import D_X, WIDTH, Tile

#: A batch is cut into at most so many parts.
PARTS = 8


class Work(NamedTuple):
    """All that an update works on in the memory of one thread, the same in every step."""

    tile: Tile
    accumulators: Accumulators
    arrays: ModelArrays
    plan: Plan


@formula
def clear(v: Array) -> None:
    """Zeros."""
    for i in range(v.size):
        v[i] = 0


def _update(
    work: Any, data: Any, batch: int, noise: int, step: int, low: int, high: int, first: int, last: int,
    turn: int, end: int, gathers: int, finishes: int,
) -> None:  # fmt: skip
    """Turns ``turn .. end`` of models ``low .. high``: gather parts ``first .. last``, finish, or both."""
    tile, accumulators, arrays, plan = held(work)
    inputs = StepInputs(carray(data, (batch, tile.at[D_X]), tile.planes.dtype), noise, step)
    width = tile.at[WIDTH]
    for r in range(low, high):
        phi, theta = row_of(arrays.phi, r), row_of(arrays.theta, r)
        for each in range(turn, end):
            if each == CHOOSING:
                arrays.chosen[r, L] = theta[plan.log_sd]
                if plan.gamma != OPTIMAL:
                    continue
            if gathers:
                tau = math.exp(-2 * arrays.chosen[r, L])
                place = Noise(arrays.seeds[r], plan.stream, inputs.noise)
                for p in range(first, last):
                    g, plain, sums = (
                        row_of(accumulators.parts, p),
                        row_of(accumulators.plain, p),
                        row_of(accumulators.sums, p),
                    )
                    clear(g)
                    clear(plain)
                    clear(sums)
                    start = p * plan.tiles * width
                    for row in range(start, min(batch, start + plan.tiles * width), width):
                        rows = min(width, batch - row)
                        where = place, tau, row, rows, plan, each
                        call_with_records(
                            tile.inner_loops[plan.share], (tile, phi, theta, inputs.x, *where, g, plain, sums)
                        )
            if finishes:
                finish(tile, accumulators, arrays, inputs, plan, r, each)


@cache
def _compiled(work: Any) -> Callable[..., None]:
    signature = types.void(types.CPointer(work), types.voidptr, *[types.int64] * 11)
    return callback(_update, signature).ctypes  # type: ignore[no-any-return]


class Here(NamedTuple):
    """Where in a run an update is: what changes from step to step.

    Attributes
    ----------
    x, batch : int
        The address of the minibatch ``(N, D)``, C-contiguous, which whoever calls keeps; and N.
    noise, step : int
        The place in the noise, and the step.
    """

    x: int
    batch: int
    noise: int
    step: int


class Loop:
    """The loop over ``work``: called by addresses and numbers alone."""

    def __init__(self, work: Work) -> None:
        self._work, self._packed = work, packed(work)  # the one has the addresses of the other's arrays
        self._place = self._packed.ctypes.data
        self._call = _compiled(numba.typeof(work))

    def __call__(
        self, here: Here, models: tuple[int, int], parts: tuple[int, int], turns: tuple[int, int],
        gathers: bool = True, finishes: bool = True,
    ) -> None:  # fmt: skip
        """Turns of some models, each from .. to: gather parts of the gradient, finish, or both."""
        self._call(self._place, *here, *models, *parts, *turns, gathers, finishes)
