"""Pieces of what ends an update: gradients summed, who is still alive, the optimiser's step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vsmnp.arrays import Array

from .cpu_elementary import formula
from .cpu_optim import adam_row, sgd_row

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@formula
def gathered(parts: Any, g: Any) -> None:
    """Sum the parts ``(., P)`` of a gradient, in their order, into ``g (P,)``."""
    for i in range(g.size):  # element by element: an assignment of arrays compiles its error message as well
        g[i] = parts[0, i]
    for p in range(1, parts.shape[0]):
        part = parts[p]
        for i in range(g.size):
            g[i] += part[i]


@formula
def all_finite(g: Array) -> bool:
    """Whether every entry is finite."""
    bad = 0
    for i in range(g.size):
        bad |= not np.isfinite(g[i])
    return bad == 0


@formula
def move(side: Any, r: int, g: Array) -> None:
    """One step of the optimiser for model r."""
    real = g.dtype.type
    side.t[r] += 1
    if side.rates.size:
        beta1, beta2, n = side.rates[0], side.rates[1], float(side.t[r])
        adam_row(
            side.vector[r], g, side.m[r], side.v[r], side.lr[r], real(1 - beta1**n), real(1 - beta2**n),
            real(1 - beta1), real(1 - beta2), real(side.rates[2]),
        )  # fmt: skip
    else:
        sgd_row(side.vector[r], g, side.lr[r])


@formula
def _bury(fate: Any, r: int, place: int) -> None:
    fate.alive[r] = False
    fate.cause[r] = place + 1
    fate.died_at[r] = fate.step + 1


@formula
def judge(fate: Any, r: int, first: int, terms: Array, left_out: int, fine: bool) -> None:
    """Note the first of the ``terms (., R)``, or else the gradient, that is not finite.

    A term that is ``left_out`` has no place among the causes.
    """
    place, loss = first, 0.0
    for i in range(terms.shape[0]):
        if i == left_out:
            continue
        if fate.alive[r] and not math.isfinite(terms[i, r]):
            _bury(fate, r, place)
        loss += terms[i, r]
        place += 1
    if fate.alive[r] and not (fine and math.isfinite(loss)):
        _bury(fate, r, place)


@formula
def reconstruction(square: float, l: float, d_x: int) -> float:
    """``-log N(x; g, gamma I)`` from ``|x - g|^2``, in nats."""
    value: float = 0.5 * math.exp(-2 * l) * square + d_x * (l + _HALF_LOG_2PI)
    return value
