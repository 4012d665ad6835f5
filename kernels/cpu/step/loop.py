"""The loop of an update over models, parts of a batch and tiles of a part.

A part is a run of consecutive tiles, whose gradients are summed in memory of its own. The parts are summed
in their order at the end, so that the result does not depend on which thread computed which part.
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
from .packed_records import held, packed
from .records import CHOOSING, Accumulators, L, ModelArrays, NoiseKey, StepInputs, UpdatePlan
from .tile import Slots, tile_in

#: A batch is cut into at most so many parts.
PARTS = 8


class Work(NamedTuple):
    """The arrays and constants of an update in one thread, the same in every step.

    ``kept`` is the slot of the first tile of the batch where the tiles of the update are kept, else 0.
    """

    slots: Slots
    accumulators: Accumulators
    arrays: ModelArrays
    plan: UpdatePlan
    kept: int


@formula
def clear(v: Array) -> None:
    """Fill the vector with zeros."""
    for i in range(v.size):
        v[i] = 0


def _update(
    work: Any, data: Any, batch: int, start: int, total: int, noise: int, step: int, low: int, high: int,
    first: int, last: int, pass_index: int, end: int, computes: int, finishes: int,
) -> None:  # fmt: skip
    """Do passes ``pass_index .. end`` of models ``low .. high``: compute parts ``first .. last``, finish."""
    slots, accumulators, arrays, plan, kept = held(work)
    tile = tile_in(slots, 0)
    x = carray(data, (batch, tile.at[0].d_x), tile.planes.dtype)
    inputs = StepInputs(x, start, total, noise, step)
    width = tile.at[0].width
    for r in range(low, high):
        phi, theta = row_of(arrays.phi, r), row_of(arrays.theta, r)
        want_phi = plan.wants_phi and not arrays.bilevel.is_first
        for each in range(pass_index, end):
            if each == CHOOSING:
                arrays.chosen[r, L] = theta[plan.log_sd]
                if not plan.first_pass:
                    continue
            if computes:
                tau = math.exp(-2 * arrays.chosen[r, L])
                place = NoiseKey(arrays.seeds[r], plan.stream, inputs.noise, start, total)
                for p in range(first, last):
                    g, other, sums = (
                        row_of(accumulators.parts, p),
                        row_of(accumulators.others, p),
                        row_of(accumulators.sums, p),
                    )
                    clear(g)
                    clear(other)
                    clear(sums)
                    row_of_part = p * plan.tiles * width
                    for row in range(row_of_part, min(batch, row_of_part + plan.tiles * width), width):
                        own = tile_in(slots, kept + row // width if kept else 0)
                        rows = min(width, batch - row)
                        where = place, tau, row, rows, plan, each, want_phi
                        results = row_of(arrays.bilevel.adjoint, r), row_of(arrays.means, r), g, other, sums
                        call_with_records(
                            tile.inner_loops[plan.share], (own, phi, theta, inputs.x, *where, *results)
                        )
            if finishes:
                stage = tile, accumulators, arrays, inputs, plan, r, each
                call_with_records(tile.inner_loops[plan.finish], stage)


@cache
def _compiled(work: Any) -> Callable[..., None]:
    signature = types.void(types.CPointer(work), types.voidptr, *[types.int64] * 13)
    return callback(_update, signature).ctypes  # type: ignore[no-any-return]


class UpdateInputs(NamedTuple):
    """The arguments of an update that change from step to step.

    Attributes
    ----------
    x, batch : int
        The address of the minibatch ``(N, D)``, C-contiguous, to which the caller keeps a reference; and N.
    first, total : int
        The first row and all rows of the minibatch of which this is a part: 0 and N if it is whole.
    noise, step : int
        The step counter of the noise, and the step of the run.
    """

    x: int
    batch: int
    first: int
    total: int
    noise: int
    step: int


class Loop:
    """The compiled loop over ``work``, called with addresses and numbers alone."""

    def __init__(self, work: Work) -> None:
        self._work, self._packed = work, packed(work)  # the packed copy holds addresses of the arrays of work
        self._place = self._packed.ctypes.data
        self._call = _compiled(numba.typeof(work))

    def __call__(
        self, inputs: UpdateInputs, models: tuple[int, int], parts: tuple[int, int], passes: tuple[int, int],
        computes: bool = True, finishes: bool = True,
    ) -> None:  # fmt: skip
        """Run some passes of some models: compute parts of the gradient, finish, or both.

        Models, parts and passes are ranges ``(first, end)``.
        """
        self._call(self._place, *inputs, *models, *parts, *passes, computes, finishes)
