"""Finish the passes of bi-level learning: the K updates of phi, the learning loss, and the way back.

The formulas are those of ``vsmnp/objectives/bilevel.py``.
"""

from __future__ import annotations

from typing import Any

from ...formulas.elementary import formula
from ..views import row_of
from .finish import conclude, conclude_first, evaluated, summed, weigh
from .records import CHOOSING, LEARNED, L
from .stages import stage


@formula
def gathered(parts: Any, factor: Any, g: Any) -> None:
    """Add ``factor`` times the sum of the parts ``(., P)`` of a gradient, in order, to g."""
    for p in range(parts.shape[0]):
        part = row_of(parts, p)
        for i in range(part.size):
            g[i] += factor * part[i]


@stage
def finish_inner(
    tile: Any, accumulators: Any, arrays: Any, inputs: Any, plan: Any, r: int, pass_index: int
) -> None:
    """Finish an update of model r: ``phi_{k+1} = phi_k - lr g``."""
    g, lr = accumulators.g, accumulators.g.dtype.type(arrays.bilevel.lr[r])
    phi, after = row_of(arrays.phi, r), row_of(arrays.bilevel.after, r)
    summed(accumulators, plan, 0.0)
    for i in range(g.size):
        after[i] = phi[i] - lr * g[i]


@stage
def finish_outer(
    tile: Any, accumulators: Any, arrays: Any, inputs: Any, plan: Any, r: int, pass_index: int
) -> None:
    """Finish a pass of the learning loss at phi_K: keep its terms and its gradients in theta and in phi."""
    if pass_index == CHOOSING:
        conclude_first(accumulators.sums, arrays, inputs, plan, r)
        return
    g_theta, adjoint = row_of(arrays.bilevel.g_theta, r), row_of(arrays.bilevel.adjoint, r)
    one = accumulators.g.dtype.type(1)
    for i in range(g_theta.size):
        g_theta[i] = 0
    for i in range(adjoint.size):
        adjoint[i] = 0
    gathered(accumulators.parts, one, g_theta)
    gathered(accumulators.others, one, adjoint)
    slope = evaluated(plan.terms, accumulators.sums, arrays.chosen[r, L], r, arrays.terms)
    weigh(plan, inputs.noise, r, arrays.terms)
    if plan.gamma == LEARNED:
        g_theta[plan.log_sd] = slope


@stage
def finish_along(
    tile: Any, accumulators: Any, arrays: Any, inputs: Any, plan: Any, r: int, pass_index: int
) -> None:
    """Finish the derivative of an update: ``G -= lr m``, ``lambda -= lr h``; the first one steps theta."""
    bilevel = arrays.bilevel
    g_theta, lr = row_of(bilevel.g_theta, r), accumulators.g.dtype.type(bilevel.lr[r])
    gathered(accumulators.parts, -lr, g_theta)
    gathered(accumulators.others, -lr, row_of(bilevel.adjoint, r))
    slope = evaluated(plan.terms, accumulators.sums, arrays.chosen[r, L], r, arrays.terms)
    if plan.gamma == LEARNED:
        g_theta[plan.log_sd] -= bilevel.lr[r] * slope
    if bilevel.is_first:
        chosen = row_of(bilevel.chosen, r)
        conclude(tile, arrays, inputs, plan, r, chosen, bilevel.terms, g_theta)
