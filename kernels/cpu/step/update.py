"""Pieces of what ends an update: gradients summed, who is still alive, the optimiser's step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vsmnp.types.arrays import Array

from ...formulas.elementary import formula
from ..llvm import invoke
from ..views import row_of


@formula
def gathered(parts: Any, plain: Any, factor: Any, g: Any) -> None:
    """Sum the parts ``(., P)`` of a gradient, and ``factor`` times the plain ones, in order, into g."""
    for i in range(g.size):  # element by element: an assignment of arrays compiles its error message as well
        g[i] = 0
    for p in range(parts.shape[0]):
        part, other = row_of(parts, p), row_of(plain, p)
        for i in range(part.size):
            g[i] += part[i]
        for i in range(other.size):
            g[i] += factor * other[i]


@formula
def all_finite(g: Array) -> bool:
    """Whether every entry is finite."""
    bad = 0
    for i in range(g.size):
        bad |= not np.isfinite(g[i])
    return bad == 0


@formula
def move(leaf: int, plan: Any, moves: Any, r: int, p: Array, g: Array) -> None:
    """One step of the optimiser, whose address that is, for the parameters ``p (P,)`` of model r."""
    moves.t[r] += 1
    n = float(moves.t[r])
    memory = row_of(moves.m, r), row_of(moves.v, r)
    corrections = 1 - plan.beta1**n, 1 - plan.beta2**n
    rates = 1 - plan.beta1, 1 - plan.beta2, plan.eps
    invoke(leaf, (p, g, *memory, p.size, moves.lr[r], *corrections, *rates))


@formula
def judge(fate: Any, step: int, r: int, first: int, terms: Array, left_out: int, fine: bool) -> None:
    """Note the first of the ``terms (., R)``, or else the gradient, that is not finite.

    A term that is ``left_out`` has no place among the causes.
    """
    place, loss, broken = first, 0.0, -1
    for i in range(terms.shape[0]):
        if i != left_out:
            loss += terms[i, r]
            if broken < 0 and not math.isfinite(terms[i, r]):
                broken = place
            place += 1
    if broken < 0 and not (fine and math.isfinite(loss)):
        broken = place
    if broken >= 0 and fate.alive[r]:
        fate.alive[r], fate.cause[r], fate.died_at[r] = False, broken + 1, step + 1
