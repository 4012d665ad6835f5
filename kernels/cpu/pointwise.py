"""The activations of the ``cpu`` set: one loop for each formula, compiled at its first use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from vsmnp.types import ActivationName, Array

from ..formulas.activations import ACTIVATIONS
from ..formulas.elementary import Formula, formula
from .compilation import compiled, contiguous, stretched


@formula
def row(x: Array, r: int, s: int) -> Any:
    """Return ``x[r, s]`` of ``x (R|1, S|1, M)``, broadcast over R and S."""
    return x[r % x.shape[0], s % x.shape[1]]


def _value_loop(f: Formula) -> Formula:
    @compiled
    def value(x: Array, y: Array) -> None:  # (M,)
        for i in range(x.size):
            y[i] = f(x[i])

    return value


def _affine_loop(f: Formula) -> Formula:
    @compiled
    def affine(x: Array, slope: Array, shift: Array, y: Array, in_place: bool) -> None:
        # x (R|1, S|1, M), slope, shift (R|1, S|1, W), y (R, S, M), which is x if in_place
        size, width = y.shape[2], slope.shape[2]
        for r in range(y.shape[0]):
            for s in range(y.shape[1]):
                x_row, slope_row, shift_row = row(x, r, s), row(slope, r, s), row(shift, r, s)
                for low in range(0, size, width):
                    to, given = y[r, s, low : low + width], x_row[low : low + width]
                    if not in_place:
                        for i in range(to.size):
                            to[i] = given[i]
                    for i in range(to.size):  # of one array alone: for two, the loop would not be vectorised
                        to[i] = f(slope_row[i] * to[i] + shift_row[i])

    return affine


def _slope_loop(h: Formula) -> Formula:
    @compiled
    def slope(y: Array, v: Array, out: Array) -> None:  # (R|1, S|1, M), out (R, S, M)
        for r in range(out.shape[0]):
            for s in range(out.shape[1]):
                y_row, v_row, out_row = row(y, r, s), row(v, r, s), out[r, s]
                for i in range(out_row.size):
                    out_row[i] = h(y_row[i]) * v_row[i]

    return slope


def _curve_loop(h: Formula, dh: Formula) -> Formula:
    @compiled
    def curve(y: Array, dy: Array, gy: Array, dgy: Array | None, out: Array) -> None:
        for r in range(out.shape[0]):
            for s in range(out.shape[1]):
                y_row, dy_row, gy_row, out_row = row(y, r, s), row(dy, r, s), row(gy, r, s), out[r, s]
                if dgy is None:
                    for i in range(out_row.size):
                        out_row[i] = dh(y_row[i]) * dy_row[i] * gy_row[i]
                else:
                    dgy_row = row(dgy, r, s)
                    for i in range(out_row.size):
                        out_row[i] = h(y_row[i]) * dgy_row[i] + dh(y_row[i]) * dy_row[i] * gy_row[i]

    return curve


class Loops(NamedTuple):
    """The loops of an activation; ``curve`` is None if the second derivative is zero."""

    value: Formula
    affine: Formula
    slope: Formula
    curve: Formula | None


LOOPS: Mapping[str, Loops] = MappingProxyType({
    name: Loops(_value_loop(f), _affine_loop(f), _slope_loop(h), None if dh is None else _curve_loop(h, dh))
    for name, (f, h, dh) in ACTIVATIONS.items()
})  # fmt: skip


def _folded(*arrays: Array) -> tuple[Array, list[Array]]:
    """Allocate a result of the common shape; return it, and it and ``arrays`` as ``(R|1, S|1, M)``."""
    dtype, shape = np.result_type(*arrays), arrays[0].shape
    if all(x.shape == shape for x in arrays):
        out = np.empty(shape, dtype)
        return out, [contiguous(x, dtype).reshape(1, 1, out.size) for x in (out, *arrays)]
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    out, sample = np.empty(shape, dtype), shape[2:]
    full = [stretched(x, (*x.shape[:2], *sample), dtype) for x in (out, *arrays)]
    return out, [x.reshape(*x.shape[:2], math.prod(sample)) for x in full]


#: Approximate length of the innermost loop: coefficients of fewer channels are repeated.
_LANES = 256


def lanes(channels: int) -> int:
    """Return the number of times that coefficients of so many channels are repeated."""
    return max(1, _LANES // channels)


def repeated(c: Array, many: int, dtype: np.dtype[Any]) -> Array:
    """Repeat ``c (R|1, S|1, C)`` to ``(R|1, S|1, many C)``."""
    return contiguous(np.tile(c, many) if many > 1 else c, dtype)


def activation(
    f: ActivationName, x: Array, slope: Array | None = None, shift: Array | None = None,
    out: Array | None = None,
) -> Array:  # fmt: skip
    """Compute ``y = f(slope x + shift)`` with slope and shift per channel."""
    given = [c for c in (slope, shift) if c is not None]
    lead = np.broadcast_shapes(*(v.shape[:2] for v in (x, *given)))
    y = out if out is not None and out.flags.c_contiguous else np.empty((*lead, *x.shape[2:]), x.dtype)
    if given or y is x:  # the plain loop must not be given the same array twice
        many, size = lanes(x.shape[-1]), math.prod(x.shape[2:])
        steep, high = (
            np.full((1, 1, many * x.shape[-1]), default, x.dtype) if c is None else repeated(c, many, x.dtype)
            for c, default in ((slope, 1), (shift, 0))
        )
        flat = contiguous(x).reshape(*x.shape[:2], size)
        LOOPS[f].affine(flat, steep, high, y.reshape(*lead, size), y is x)
    else:
        LOOPS[f].value(contiguous(x).reshape(x.size), y.reshape(y.size))
    if out is not None and y is not out:
        out[...] = y
        return out
    return y


def activation_slope(f: ActivationName, y: Array, v: Array) -> Array:
    """Compute ``f'(x) v``, where ``f' = h(y)``."""
    out, (to, *given) = _folded(y, v)
    LOOPS[f].slope(*given, to)
    return out


def activation_curve(f: ActivationName, y: Array, dy: Array | None, gy: Array, dgy: Array | None) -> Array:
    """Compute ``f' dgy + f'' dx gy``, where ``f'' dx = h'(y) dy``; a term that is zero is skipped."""
    curve = LOOPS[f].curve
    if curve is not None and dy is not None:
        given = (y, dy, gy) if dgy is None else (y, dy, gy, dgy)
        out, (to, *folded) = _folded(*given)
        curve(*folded[:3], None if dgy is None else folded[3], to)
        return out
    shape = np.broadcast_shapes(*(x.shape for x in (y, dy, gy, dgy) if x is not None))
    if dgy is None:
        return np.zeros(shape, gy.dtype)
    out = activation_slope(f, y, dgy)
    return out if out.shape == shape else np.array(np.broadcast_to(out, shape))
