"""Finish an update: sum the gradient parts, compute the loss terms and dL/dl, flag diverged models, step.

The first of two passes chooses an optimal gamma, and computes the means over the batch that a loss needs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vsmnp.types.arrays import Array

from ...formulas.elementary import formula
from ...formulas.kl_weight import weight_at
from ..llvm import call_with_pointers
from ..views import row_of
from .inner_loops import MOVE
from .records import (
    CHOOSING,
    CONSTANT,
    FACTOR,
    FLOORED,
    JOINT,
    KEPT,
    LEARNED,
    OPTIMAL,
    PER_L,
    POWER,
    SUMS,
    WHICH,
    L,
)
from .stages import stage


@formula
def _sum(sums: Array, which: int) -> Any:
    """Add up one column of the sums ``(parts, .)`` in the order of the parts."""
    result = 0.0
    for p in range(sums.shape[0]):
        result += sums[p, which]
    return result


@formula
def choose(sums: Array, floor: float, batch: int, d_x: int, chosen: Array) -> None:
    """Compute l of ``gamma* = a/b``, ``b = d_x - h`` (h = 0 for the ELBO); note if it was kept or floored."""
    a, b = _sum(sums, 0) / batch, d_x - _sum(sums, 1) / batch
    chosen[KEPT], chosen[FLOORED] = not b > 0, b > 0 and a / b < floor
    if b > 0:
        chosen[L] = 0.5 * math.log(max(a / b, floor))


@formula
def conclude_first(sums: Array, arrays: Any, inputs: Any, plan: Any, r: int) -> None:
    """Finish the first pass of model r: the means over the batch, if there are any, and an optimal gamma."""
    (batch, d_x), means, square = inputs.x.shape, row_of(arrays.means, r), 0.0
    for k in range(means.size):
        means[k] = _sum(sums, SUMS + k) / batch
        square += means[k] * means[k]
    if plan.gamma == OPTIMAL:
        if means.size > 0:
            sums[0, 0] += plan.forms[CHOOSING, 1] * square * batch * d_x / means.size
        choose(sums, plan.gamma_floor, batch, d_x, row_of(arrays.chosen, r))


@formula
def evaluated(table: Array, sums: Array, l: float, r: int, terms: Array) -> Any:
    """Compute the terms ``(., R)`` of the loss from their table, and return its derivative in l."""
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


@formula
def weigh(plan: Any, update: int, r: int, terms: Array) -> None:
    """Compute the term ``(weight - 1) KL`` of an update, if the loss has it."""
    if plan.weighting > 0:
        excess = weight_at(plan.kl_weight, plan.kl_warmup, update) - 1
        terms[plan.weighting, r] = excess * terms[plan.weighting - 1, r]


@formula
def all_finite(g: Array) -> bool:
    """Return whether every entry is finite."""
    bad = 0
    for i in range(g.size):
        bad |= not np.isfinite(g[i])
    return bad == 0


@formula
def move(loop: int, plan: Any, optimizer: Any, r: int, p: Array, g: Array) -> None:
    """Step the parameters ``p (P,)`` of model r with the optimiser's loop, given by its address."""
    optimizer.t[r] += 1
    n = float(optimizer.t[r])
    memory = row_of(optimizer.m, r), row_of(optimizer.v, r)
    corrections = 1 - plan.beta1**n, 1 - plan.beta2**n
    rates = 1 - plan.beta1, 1 - plan.beta2, plan.eps
    call_with_pointers(loop, (p, g, *memory, p.size, optimizer.lr[r], *corrections, *rates))


@formula
def flag_divergence(
    status: Any, step: int, r: int, first: int, terms: Array, left_out: int, fine: bool
) -> None:
    """Flag model r as diverged at the first of the ``terms (., R)``, or the gradient, that is not finite.

    The term ``left_out`` is not counted among the causes.
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
    if broken >= 0 and status.active[r]:
        status.active[r], status.cause[r], status.diverged_at[r] = False, broken + 1, step + 1


@formula
def conclude(
    tile: Any, arrays: Any, inputs: Any, plan: Any, r: int, chosen: Array, terms: Array, g: Array
) -> None:
    """Check the terms and the gradient of model r for divergence, place its gamma and step its parameters.

    If the encoder goes on from the last bi-level update, phi is replaced.
    """
    status, place = arrays.status, plan.first_cause - 1
    if status.active[r] and not all_finite(row_of(arrays.bilevel.last, r)):
        status.active[r], status.cause[r], status.diverged_at[r] = False, place + 1, inputs.step + 1
    flag_divergence(status, inputs.step, r, plan.first_cause, terms, plan.left_out, all_finite(g))
    if not status.active[r]:
        return
    if plan.gamma == OPTIMAL:
        arrays.theta[r, plan.log_sd] = chosen[L]
        status.gamma_kept[r] += int(chosen[KEPT])
        status.gamma_floored[r] += int(chosen[FLOORED])
    parameters = row_of(arrays.theta if plan.trains_theta else arrays.phi, r)
    move(tile.inner_loops[MOVE], plan, arrays.optimizer, r, parameters, g)
    if plan.keeps_phi:
        phi, last = row_of(arrays.bilevel.first, r), row_of(arrays.bilevel.last, r)
        for i in range(last.size):
            phi[i] = last[i]


@formula
def summed(accumulators: Any, plan: Any, l: float) -> None:
    """Sum the parts of the gradient in order, with tau times the second ones of the joint Fisher loss."""
    g, tau = accumulators.g, accumulators.g.dtype.type(math.exp(-2 * l))
    for i in range(g.size):  # element by element: an assignment of arrays compiles its error message as well
        g[i] = 0
    for p in range(accumulators.parts.shape[0]):
        part = row_of(accumulators.parts, p)
        for i in range(part.size):
            g[i] += part[i]
        if plan.kind == JOINT:
            other = row_of(accumulators.others, p)
            for i in range(other.size):
                g[i] += tau * other[i]


@stage
def finish(
    tile: Any, accumulators: Any, arrays: Any, inputs: Any, plan: Any, r: int, pass_index: int
) -> None:
    """Finish a pass of model r, whose gradient parts are all computed."""
    chosen, g = row_of(arrays.chosen, r), accumulators.g
    if pass_index == CHOOSING:
        conclude_first(accumulators.sums, arrays, inputs, plan, r)
        return
    summed(accumulators, plan, chosen[L])
    slope = evaluated(plan.terms, accumulators.sums, chosen[L], r, arrays.terms)
    weigh(plan, inputs.noise, r, arrays.terms)
    if plan.gamma == LEARNED:
        g[plan.log_sd] = slope
    conclude(tile, arrays, inputs, plan, r, chosen, arrays.terms, g)
