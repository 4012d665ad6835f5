"""Adam for a GPU, compiled by Numba, on flat parameters.

Grid: x over the P parameters of a model, y over models; kernels loop with the grid's stride in both.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import cuda

from .formulas import scalars


@cuda.jit
def adam_advance(t: Any, active: Any, beta1: Any, beta2: Any, corrections: Any) -> None:
    """Add ``t += active``, and compute corrections ``1 - beta^t (2, R)`` in double precision; t is (R,)."""
    r = cuda.grid(1)
    if r < t.size:
        if active[r]:
            t[r] += 1
        corrections[0, r] = 1 - beta1 ** t[r]
        corrections[1, r] = 1 - beta2 ** t[r]


@cache
def adam_kernel(dtype: np.dtype[Any]) -> Any:
    """Compile the step of Adam for float32 or float64."""
    f = scalars(dtype)
    moments, move = f.adam_moments, f.adam_move

    @cuda.jit
    def adam(p: Any, g: Any, m: Any, v: Any, lr: Any, corrections: Any, rate1: Any, rate2: Any,
             eps: Any, active: Any) -> None:  # fmt: skip
        # p, g, m, v (R, P), lr (R,), corrections (2, R); rate_i is 1 - beta_i
        thread, row = cuda.grid(2)
        threads, rows = cuda.gridsize(2)
        for r in range(row, p.shape[0], rows):
            if active[r]:
                for i in range(thread, p.shape[1], threads):
                    m_i, v_i = moments(m[r, i], v[r, i], g[r, i], rate1, rate2)
                    m[r, i], v[r, i] = m_i, v_i
                    p[r, i] -= move(m_i, v_i, lr[r], corrections[0, r], corrections[1, r], eps)

    return adam
