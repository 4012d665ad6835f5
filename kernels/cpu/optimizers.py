"""The optimisers of the ``cpu`` set: in place, and bit-equal to the reference."""

from __future__ import annotations

import numpy as np

from vsmnp.types import Array

from ..formulas.elementary import rounded_formula
from ..formulas.scalar import adam_moments, adam_move
from .compilation import contiguous, in_place, rounded


@rounded_formula
def adam_row(
    p: Array, g: Array, m: Array, v: Array, lr: float, correction1: float, correction2: float, rate1: float,
    rate2: float, eps: float,
) -> None:  # fmt: skip
    """Step one model ``(P,)`` by Adam; corrections ``1 - beta^t`` and rates ``1 - beta`` have p's type."""
    for i in range(p.size):
        m_i, v_i = adam_moments(m[i], v[i], g[i], rate1, rate2)
        m[i], v[i] = m_i, v_i
        p[i] -= adam_move(m_i, v_i, lr, correction1, correction2, eps)


@rounded
def _adam(
    p: Array, g: Array, m: Array, v: Array, lr: Array, corrections: Array, rates: Array, active: Array
) -> None:
    # p, g, m, v (R, P), corrections (2, R), rates (3,): 1 - beta1, 1 - beta2, eps
    for r in range(p.shape[0]):
        if active[r]:
            adam_row(
                p[r], g[r], m[r], v[r], lr[r], corrections[0, r], corrections[1, r], rates[0], rates[1],
                rates[2],
            )  # fmt: skip


def adam(
    p: Array, g: Array, m: Array, v: Array, t: Array, lr: Array, beta1: float, beta2: float, eps: float,
    active: Array,
) -> None:  # fmt: skip
    """Step ``p -= lr m_hat / (sqrt(v_hat) + eps)`` with bias-corrected moments (Kingma & Ba 2015)."""
    t += active
    corrections = [[1 - beta ** int(n) for n in t] for beta in (beta1, beta2)]
    rates = (1 - beta1, 1 - beta2, eps)
    with in_place(p, m, v) as (p_c, m_c, v_c):
        _adam(p_c, contiguous(g, p.dtype), m_c, v_c, contiguous(lr), np.array(corrections, p.dtype),
              np.array(rates, p.dtype), contiguous(active, np.bool_))  # fmt: skip


@rounded_formula
def sgd_row(p: Array, g: Array, lr: float) -> None:
    """Step one model ``(P,)`` by plain gradient descent."""
    for i in range(p.size):
        p[i] -= lr * g[i]


@rounded
def _sgd(p: Array, g: Array, lr: Array, active: Array) -> None:
    for r in range(p.shape[0]):
        if active[r]:
            sgd_row(p[r], g[r], lr[r])


def sgd(p: Array, g: Array, t: Array, lr: Array, active: Array) -> None:
    """Step ``p -= lr g`` for every model that has not diverged."""
    t += active
    with in_place(p) as (p_c,):
        _sgd(p_c, contiguous(g, p.dtype), contiguous(lr), contiguous(active, np.bool_))
