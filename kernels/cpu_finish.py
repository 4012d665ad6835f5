"""What ends a turn of an update: an optimal gamma; or terms, the slope in l, who lives, the optimiser."""

from __future__ import annotations

import math
from typing import Any

from .cpu_elementary import formula
from .cpu_layout import D_X, FINISH, SAMPLES
from .cpu_records import CHOOSING, ELBO, FISHER, FLOORED, JOINT, KEPT, KL, LEARNED, OPTIMAL, L
from .cpu_stages import stage
from .cpu_update import all_finite, gathered, judge, move, reconstruction


@formula
def _mean(room: Any, which: int, count: int) -> Any:
    """A sum over all parts, in their order, over ``count``."""
    result = 0.0
    for p in range(room.sums.shape[0]):
        result += room.sums[p, which]
    return result / count


@formula
def _choose(room: Any, plan: Any, chosen: Any, batch: int, d_x: int) -> None:
    """The l of ``gamma* = a/b``, ``b = d_x - h`` (the ELBO's is d_x), and whether it was kept or floored."""
    a, b = _mean(room, 0, batch), float(d_x)
    if plan.kind != ELBO:
        b -= _mean(room, 1, batch)
    floored = b > 0 and a / b < plan.gamma_floor
    chosen[KEPT], chosen[FLOORED] = not b > 0, floored
    if b > 0:
        chosen[L] = 0.5 * math.log(plan.gamma_floor if floored else a / b)


@formula
def _terms(room: Any, plan: Any, terms: Any, r: int, l: float, batch: int, samples: int, d_x: int) -> Any:
    """The terms of the loss, and its slope in l."""
    rows, tau = batch * samples, math.exp(-2 * l)
    if plan.kind == KL:
        terms[0, r] = reconstruction(_mean(room, 0, rows), l, d_x)
        terms[1, r] = _mean(room, 1, batch)
        return 0.0
    if plan.kind == FISHER:
        terms[0, r] = 0.5 * plan.weight * _mean(room, 0, rows)
        return 0.0
    if plan.kind == JOINT:
        square = _mean(room, 1, rows)
        terms[0, r] = 0.5 * _mean(room, 0, rows)
        terms[1, r] = 0.5 * tau * tau * square
        terms[2, r] = -tau * d_x
        terms[3, r] = 0.5 * _mean(room, 2, rows)
        return 2 * _mean(room, 3, rows) - 2 * tau * (tau * square - d_x)
    a = _mean(room, 0, batch)
    if plan.kind == ELBO:
        terms[0, r] = reconstruction(a, l, d_x)
        terms[1, r] = _mean(room, 2, batch)
        return d_x - tau * a
    h = _mean(room, 1, batch)
    terms[0, r] = 0.5 * tau * tau * a
    terms[1, r] = tau * h
    terms[2, r] = -tau * d_x
    return -2 * tau * (tau * a + h - d_x)


@stage(FINISH, "room given plan word word")
def finish(tile: Any, room: Any, given: Any, plan: Any, r: int, turn: int) -> None:
    """End a turn of model r, all of whose parts are gathered."""
    batch, samples, d_x = given.x.shape[0], tile.at[SAMPLES], tile.at[D_X]
    chosen, fate, g = given.chosen[r], given.fate, room.g
    if turn == CHOOSING:
        _choose(room, plan, chosen, batch, d_x)
        return
    l = chosen[L]
    gathered(room.parts, g)
    slope = _terms(room, plan, given.terms, r, l, batch, samples, d_x)
    if plan.kind == JOINT:
        tau = math.exp(-2 * l)
        for p in range(room.plain.shape[0]):
            for i in range(room.plain.shape[1]):
                g[i] += g.dtype.type(tau) * room.plain[p, i]
    if plan.gamma == LEARNED:
        g[plan.log_sd] = slope
    judge(fate, r, plan.first_cause, given.terms, plan.left_out, all_finite(g))
    if not fate.alive[r]:
        return
    if plan.gamma == OPTIMAL:
        given.theta.vector[r, plan.log_sd] = l
        fate.gamma_kept[r] += int(chosen[KEPT])
        fate.gamma_floored[r] += int(chosen[FLOORED])
    move(given.theta if plan.learns else given.phi, r, g)
