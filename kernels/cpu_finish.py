"""What ends an update of the fused step: terms, the slope in l, who lives, the optimiser."""

from __future__ import annotations

import math
from typing import Any

from vsmnp.arrays import Array

from .cpu_compile import compiled
from .cpu_elementary import formula
from .cpu_update import all_finite, gathered, judge, move, reconstruction

#: How a loss ends: what its terms and its slope in l are made of.
KL, FISHER, JOINT, ELBO, SCORE_MATCHING = range(5)


@formula
def _mean(room: Any, which: int, count: int) -> Any:
    """A sum over all parts, in their order, over ``count``."""
    result = 0.0
    for p in range(room.sums.shape[0]):
        result += room.sums[p, which]
    return result / count


@compiled
def optimal(room: Any, batch: int, d_x: int, l: float, elbo: bool, floor: float) -> tuple[float, bool, bool]:
    """The l of ``gamma* = a/b``, ``b = d_x - h`` (the ELBO's is d_x), and whether it was kept or floored."""
    a, b = _mean(room, 0, batch), float(d_x)
    if not elbo:
        b -= _mean(room, 1, batch)
    if not b > 0:
        return l, True, False
    floored = a / b < floor
    return 0.5 * math.log(floor if floored else a / b), False, floored


@compiled
def finish(
    kind: int, room: Any, batch: int, samples: int, d_x: int, l: float, weight: float, log_sd: int, side: Any,
    r: int, fate: Any, first: int, left_out: int, terms: Array,
) -> None:  # fmt: skip
    """Terms, sum of the parts, slope in l (unless ``log_sd`` is negative), who lives, the optimiser."""
    rows, tau, g = batch * samples, math.exp(-2 * l), room.g
    gathered(room.parts, g)
    slope = 0.0
    if kind == KL:
        terms[0, r] = reconstruction(_mean(room, 0, rows), l, d_x)
        terms[1, r] = _mean(room, 1, batch)
    elif kind == FISHER:
        terms[0, r] = 0.5 * weight * _mean(room, 0, rows)
    elif kind == JOINT:
        square = _mean(room, 1, rows)
        terms[0, r] = 0.5 * _mean(room, 0, rows)
        terms[1, r] = 0.5 * tau * tau * square
        terms[2, r] = -tau * d_x
        terms[3, r] = 0.5 * _mean(room, 2, rows)
        slope = 2 * _mean(room, 3, rows) - 2 * tau * (tau * square - d_x)
        for p in range(room.plain.shape[0]):
            for i in range(room.plain.shape[1]):
                g[i] += g.dtype.type(tau) * room.plain[p, i]
    elif kind == ELBO:
        a = _mean(room, 0, batch)
        terms[0, r] = reconstruction(a, l, d_x)
        terms[1, r] = _mean(room, 2, batch)
        slope = d_x - tau * a
    else:
        a, h = _mean(room, 0, batch), _mean(room, 1, batch)
        terms[0, r] = 0.5 * tau * tau * a
        terms[1, r] = tau * h
        terms[2, r] = -tau * d_x
        slope = -2 * tau * (tau * a + h - d_x)
    if log_sd >= 0:
        g[log_sd] = slope
    judge(fate, r, first, terms, left_out, all_finite(g))
    if fate.alive[r]:
        move(side, r, g)
