"""Batch-norm kernels of the ``cpu`` set: moments, sums of cotangents and combinations of channels.

A pass over images proceeds in blocks, so that consecutive loops over a block find it in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from vsmnp.types import ActivationName, Array

from ..formulas.activations import ACTIVATIONS
from ..formulas.elementary import Formula, formula
from .compilation import compiled, contiguous, stretched
from .pointwise import lanes, repeated, row

#: Numbers of a block. Sums of a block are added to the total at its end, which reduces rounding errors.
BLOCK = 4096


# --- moments --------------------------------------------------------------------------------------


@compiled
def _moments(x: Array, rows: int, mean: Array, variance: Array) -> None:
    """Compute moments of ``x (R, M C)`` in one pass; those of row blocks are merged in double precision.

    T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", 1983.
    """
    models, channels = mean.shape
    centre, total, square = (
        np.empty(channels, x.dtype),
        np.empty(channels, x.dtype),
        np.empty(channels, x.dtype),
    )
    for r in range(models):
        x_r, count = x[r], 0
        mean[r] = 0
        variance[r] = 0
        for low in range(0, x_r.size, rows * channels):
            stop = min(x_r.size, low + rows * channels)
            here = (stop - low) // channels
            centre[:] = x_r[low : low + channels]
            total[:] = 0
            for _ in range(2):  # centred on the first row, then on the mean so obtained
                for c in range(channels):
                    centre[c] += total[c] / here
                total[:] = 0
                square[:] = 0
                for i in range(low, stop, channels):
                    pixel = x_r[i : i + channels]
                    for c in range(channels):
                        d = pixel[c] - centre[c]
                        total[c] += d
                        square[c] += d * d
            share = here / (count + here)
            for c in range(channels):
                off = total[c] / here
                apart = centre[c] + off - mean[r, c]
                mean[r, c] += share * apart
                variance[r, c] += square[c] - here * off * off + share * count * apart * apart
            count += here
        for c in range(channels):
            variance[r, c] /= count


def channel_moments(x: Array) -> tuple[Array, Array]:
    """Compute mean and variance over S, N and space."""
    models, channels = x.shape[0], x.shape[-1]
    mean, variance = (np.empty((models, channels)) for _ in range(2))
    rows = max(16, BLOCK // channels)
    _moments(contiguous(x).reshape(models, math.prod(x.shape[1:])), rows, mean, variance)
    return mean[:, None].astype(x.dtype), variance[:, None].astype(x.dtype)


# --- sums -----------------------------------------------------------------------------------------


@formula
def _add_up(u: Array, x: Array, crossed: bool, centre: Array, here: Array, along: Array) -> None:
    """Add ``here += u`` and ``along += u (x - centre)`` over rows of ``u, x (M W)``."""
    width = here.size
    for low in range(0, u.size, width):
        u_part, x_part = u[low : low + width], x[low : low + width]
        for c in range(u_part.size):
            here[c] += u_part[c]
        if crossed:
            for c in range(u_part.size):
                along[c] += u_part[c] * (x_part[c] - centre[c])


def _sums_loop(h: Formula) -> Formula:
    @compiled
    def sums(
        y: Array, active: bool, gy: Array, x: Array, crossed: bool, centre: Array, u: Array, total: Array,
        cross: Array,
    ) -> None:  # fmt: skip
        # y, gy, x, u (R|1, S|1, M), centre (R|1, S|1, W), sums (R, S, W); u is gy unless f is active
        models, samples, width = total.shape
        size, block = gy.shape[2], max(1, BLOCK // width) * width
        here, along = np.empty(width, gy.dtype), np.empty(width, gy.dtype)
        for r in range(models):
            for s in range(samples):
                y_row, gy_row, x_row, u_row = row(y, r, s), row(gy, r, s), row(x, r, s), row(u, r, s)
                centre_row = row(centre, r, s)
                total[r, s] = 0
                cross[r, s] = 0
                for low in range(0, size, block):
                    stop = min(size, low + block)
                    u_part, y_part, gy_part = u_row[low:stop], y_row[low:stop], gy_row[low:stop]
                    if active:
                        for i in range(u_part.size):
                            u_part[i] = h(y_part[i]) * gy_part[i]
                    here[:] = 0
                    along[:] = 0
                    _add_up(u_part, x_row[low:stop], crossed, centre_row, here, along)
                    for c in range(width):
                        total[r, s, c] += here[c]
                        cross[r, s, c] += along[c]

    return sums


_SUMS: Mapping[str, Formula] = MappingProxyType(
    {name: _sums_loop(formulas.slope) for name, formulas in ACTIVATIONS.items()}
)


def activation_sums(
    f: ActivationName | None, y: Array | None, gy: Array, x: Array | None, centre: Array | None
) -> tuple[Array, Array, Array | None]:
    """Compute ``u = f'(a) gy``, ``sum u`` and ``sum u (x - centre)`` in one pass."""
    given = [v for v in (gy, y, x, centre) if v is not None]
    dtype, inner, channels = np.result_type(*given), gy.shape[2:], gy.shape[-1]
    many = lanes(channels)
    gy_flat = _folded(gy, inner, dtype)
    y_flat = gy_flat if y is None else _folded(y, inner, dtype)
    x_flat = gy_flat if x is None else _folded(x, inner, dtype)
    middle = np.zeros((1, 1, many * channels), dtype) if centre is None else repeated(centre, many, dtype)
    sums = np.empty((2, *_leading(*given), many * channels), dtype)
    u, u_flat = gy, gy_flat
    if y is not None:
        u = np.empty((*_leading(gy, y), *inner), dtype)
        u_flat = u.reshape(*u.shape[:2], math.prod(inner))
    _SUMS[f or "relu"](y_flat, f is not None, gy_flat, x_flat, x is not None, middle, u_flat, *sums)
    total, cross = sums.reshape(*sums.shape[:3], many, channels).sum(3)
    return u, total, None if x is None else cross


# --- combinations ---------------------------------------------------------------------------------


@compiled
def _combine(
    u: Array, a: Array, v: Array, b: Array, w: Array, c: Array, x: Array, d: Array, count: int,
    shift: Array, copied: bool, out: Array,
) -> None:  # fmt: skip
    """Compute ``out = a u + shift + b v + c w + d x`` with parts ``(R|1, S|1, M)``.

    The coefficients are ``(R|1, S|1, W)``. Only the first ``count`` parts are added. If ``copied``, u is
    copied to ``out`` first; otherwise u is ``out`` itself.
    """
    models, samples, size = out.shape
    width = a.shape[2]
    for r in range(models):
        for s in range(samples):
            a_row, b_row, c_row, d_row = row(a, r, s), row(b, r, s), row(c, r, s), row(d, r, s)
            u_row, v_row, w_row, x_row = row(u, r, s), row(v, r, s), row(w, r, s), row(x, r, s)
            shift_row = row(shift, r, s)
            for low in range(0, size, width):
                to, u_part = out[r, s, low : low + width], u_row[low : low + width]
                v_part, w_part = v_row[low : low + width], w_row[low : low + width]
                x_part = x_row[low : low + width]
                if copied:
                    for i in range(to.size):
                        to[i] = u_part[i]
                for i in range(to.size):
                    to[i] = a_row[i] * to[i] + shift_row[i]
                if count > 1:
                    for i in range(to.size):
                        to[i] += b_row[i] * v_part[i]
                if count > 2:
                    for i in range(to.size):
                        to[i] += c_row[i] * w_part[i]
                if count > 3:
                    for i in range(to.size):
                        to[i] += d_row[i] * x_part[i]


def _folded(x: Array, inner: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Reshape ``x``, broadcast to ``(R|1, S|1, *inner)``, to ``(R|1, S|1, M C)``."""
    return stretched(x, (*x.shape[:2], *inner), dtype).reshape(*x.shape[:2], math.prod(inner))


def _leading(*arrays: Array) -> tuple[int, ...]:
    """Return the ``(R, S)`` that the arrays broadcast to."""
    return np.broadcast_shapes(*(x.shape[:2] for x in arrays))


#: Number of parts that one pass combines.
_PARTS = 4


def channel_combine(
    parts: Sequence[tuple[Array, Array]], shift: Array | None, out: Array | None = None
) -> Array:
    """Compute ``sum_i c_i v_i + shift``, four parts in a pass."""
    u = parts[0][0]
    inner, dtype, channels = u.shape[2:], u.dtype, u.shape[-1]
    many, now = lanes(channels), parts[:_PARTS]
    small = [] if shift is None else [shift]
    shape = (*_leading(*(x for part in parts for x in part), *small), *inner)
    whole = out if out is not None and out.flags.c_contiguous else np.empty(shape, dtype)
    flat = whole.reshape(*shape[:2], math.prod(inner))
    zero = np.zeros((1, 1, many * channels), dtype)
    folded = [(_folded(v, inner, dtype), repeated(c, many, dtype)) for v, c in now]
    (first, a), (second, b), (third, c), (fourth, d) = folded + [(flat, zero)] * (_PARTS - len(now))
    _combine(first, a, second, b, third, c, fourth, d, len(now),
             zero if shift is None else repeated(shift, many, dtype), whole is not u, flat)  # fmt: skip
    if parts[_PARTS:]:
        whole += channel_combine(parts[_PARTS:], None)
    if out is not None and whole is not out:
        out[...] = whole
        return out
    return whole
