"""What ends a turn of an update: an optimal gamma; or terms, the slope in l, who lives, the optimiser."""

from __future__ import annotations

import math
from typing import Any

from vsmnp.types.arrays import Array

from ...formulas.elementary import formula
from ..views import row_of
from .inner_loops import MOVE
from .records import CHOOSING, CONSTANT, FACTOR, FLOORED, KEPT, LEARNED, OPTIMAL, PER_L, POWER, WHICH, L
from .stages import stage
from .tile import FINISH
from .update import all_finite, gathered, judge, move


@formula
def _sum(sums: Array, which: int) -> Any:
    """A sum over all parts ``(parts, .)``, in their order."""
    result = 0.0
    for p in range(sums.shape[0]):
        result += sums[p, which]
    return result


@formula
def _choose(sums: Array, floor: float, batch: int, d_x: int, chosen: Array) -> None:
    """The l of ``gamma* = a/b``, ``b = d_x - h`` (h of the ELBO is 0), and whether it was kept or floored."""
    a, b = _sum(sums, 0) / batch, d_x - _sum(sums, 1) / batch
    chosen[KEPT], chosen[FLOORED] = not b > 0, b > 0 and a / b < floor
    if b > 0:
        chosen[L] = 0.5 * math.log(max(a / b, floor))


@formula
def _evaluated(table: Array, sums: Array, l: float, r: int, terms: Array) -> Any:
    """The terms ``(., R)`` of the loss by their table, and its slope in l."""
    slope = 0.0
    for i in range(table.shape[0]):
        which, power, per_l = int(table[i, WHICH]), table[i, POWER], table[i, PER_L]
        part = table[i, FACTOR] * math.exp(-2 * l * power) * (_sum(sums, which) if which >= 0 else 1.0)
        if i < terms.shape[0]:
            terms[i, r] = part + per_l * l + table[i, CONSTANT]
            slope += per_l - 2 * power * part
        else:
            slope += part
    return slope


@stage(FINISH, "room given now plan word word")
def finish(tile: Any, room: Any, given: Any, now: Any, plan: Any, r: int, turn: int) -> None:
    """End a turn of model r, all of whose parts are gathered."""
    chosen, fate, g = row_of(given.chosen, r), given.fate, room.g
    if turn == CHOOSING:
        _choose(room.sums, plan.gamma_floor, now.x.shape[0], now.x.shape[1], chosen)
        return
    l = chosen[L]
    gathered(room.parts, room.plain, g.dtype.type(math.exp(-2 * l)), g)
    slope = _evaluated(plan.terms, room.sums, l, r, given.terms)
    if plan.gamma == LEARNED:
        g[plan.log_sd] = slope
    judge(fate, now.step, r, plan.first_cause, given.terms, plan.left_out, all_finite(g))
    if not fate.alive[r]:
        return
    if plan.gamma == OPTIMAL:
        given.theta[r, plan.log_sd] = l
        fate.gamma_kept[r] += int(chosen[KEPT])
        fate.gamma_floored[r] += int(chosen[FLOORED])
    move(tile.leaves[MOVE], plan, given.moves, r, row_of(given.theta if plan.learns else given.phi, r), g)
