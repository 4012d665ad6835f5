"""Vectorised sums of rows, in an order that is fixed at compilation."""

from __future__ import annotations

from typing import Any

from ..formulas.elementary import formula, reassociating
from .views import window


@reassociating
def total(x: Any) -> Any:
    """Return the sum of a row."""
    result = x.dtype.type(0)
    for i in range(x.size):
        result += x[i]
    return result


@reassociating
def total_squares(x: Any) -> Any:
    """Return the sum of a row's squares."""
    result = x.dtype.type(0)
    for i in range(x.size):
        result += x[i] * x[i]
    return result


@formula
def sum_each(x: Any, width: int, out: Any) -> None:
    """Set ``out[n]`` to the sum of the n-th group of ``width`` elements of ``x``."""
    for n in range(out.size):
        out[n] = total(window(x, n * width, width))
