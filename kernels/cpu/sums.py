"""Sums of rows in lanes, in an order that their compilation fixes."""

from __future__ import annotations

from typing import Any

from ..formulas.elementary import formula, reassociating
from .views import window


@reassociating
def total(x: Any) -> Any:
    """The sum of a row."""
    result = x.dtype.type(0)
    for i in range(x.size):
        result += x[i]
    return result


@reassociating
def total_squares(x: Any) -> Any:
    """The sum of a row's squares."""
    result = x.dtype.type(0)
    for i in range(x.size):
        result += x[i] * x[i]
    return result


@formula
def sum_each(x: Any, width: int, out: Any) -> None:
    """``out[n]`` is the sum of the n-th ``width`` elements of ``x``."""
    for n in range(out.size):
        out[n] = total(window(x, n * width, width))
