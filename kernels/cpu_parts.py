"""The loop of an update: models, parts of a batch, tiles of a part.

A part is some tiles in a row, whose gradients are gathered in memory of its own. The parts are summed in
their order at the end, so that it never shows which thread did which.
"""

from __future__ import annotations

import math
from typing import Any

from vsmnp.arrays import Array

from .cpu_compile import compiled
from .cpu_elementary import formula
from .cpu_finish import finish
from .cpu_layout import WIDTH
from .cpu_records import CHOOSING, OPTIMAL, L, Noise
from .cpu_vectors import perform
from .cpu_views import row_of

#: A batch is cut into at most so many parts.
PARTS = 8


@formula
def clear(v: Array) -> None:
    """Zeros."""
    for i in range(v.size):
        v[i] = 0


@compiled
def update(
    tile: Any, room: Any, given: Any, plan: Any, low: int, high: int, first: int, last: int, turn: int,
    end: int, gathers: bool, finishes: bool,
) -> None:  # fmt: skip
    """Turns ``turn .. end`` of models ``low .. high``: gather parts ``first .. last``, finish, or both."""
    width, batch = tile.at[WIDTH], given.x.shape[0]
    for r in range(low, high):
        phi, theta = row_of(given.phi, r), row_of(given.theta, r)
        for each in range(turn, end):
            if each == CHOOSING:
                given.chosen[r, L] = theta[plan.log_sd]
                if plan.gamma != OPTIMAL:
                    continue
            if gathers:
                tau = math.exp(-2 * given.chosen[r, L])
                noise = Noise(given.seeds[r], plan.stream, given.step)
                for p in range(first, last):
                    g, plain, sums = row_of(room.parts, p), row_of(room.plain, p), row_of(room.sums, p)
                    clear(g)
                    clear(plain)
                    clear(sums)
                    start = p * plan.tiles * width
                    for row in range(start, min(batch, start + plan.tiles * width), width):
                        rows = min(width, batch - row)
                        where = noise, tau, row, rows, plan, each
                        perform(tile.leaves[plan.share], (tile, phi, theta, given.x, *where, g, plain, sums))
            if finishes:
                finish(tile, room, given, plan, r, each)
