"""Statistics of channels in the ``cpu`` set: sums over pixels, and combinations with one number a channel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vsmnp.types import Array

from .cpu_compile import compiled, contiguous, stretched
from .cpu_pointwise import row

#: Rows that are summed before their sum joins the others: a long column loses few digits.
BLOCK = 64


@compiled
def _sums(a: Array, b: Array | None, out: Array) -> None:
    """``out (R, S, C)`` of ``a, b (R|1, S|1, M C)``."""
    models, samples, channels = out.shape
    size = a.shape[2]
    partial = np.empty(channels, a.dtype)
    for r in range(models):
        for s in range(samples):
            total, a_row = out[r, s], row(a, r, s)
            total[:] = 0
            low = 0
            while low < size:
                stop = min(size, low + BLOCK * channels)
                partial[:] = 0
                if b is None:
                    for i in range(low, stop, channels):
                        for c in range(channels):
                            partial[c] += a_row[i + c]
                else:
                    b_row = row(b, r, s)
                    for i in range(low, stop, channels):
                        for c in range(channels):
                            partial[c] += a_row[i + c] * b_row[i + c]
                for c in range(channels):
                    total[c] += partial[c]
                low = stop


@compiled
def _moments(x: Array, mean: Array, variance: Array) -> None:
    """Of ``x (R, M C)``, in two passes: around a first mean, which the second pass corrects."""
    models, channels = mean.shape
    count = x.shape[1] // channels
    first, total, square = (
        np.empty(channels, x.dtype),
        np.empty(channels, x.dtype),
        np.empty(channels, x.dtype),
    )
    block, block_square = np.empty(channels, x.dtype), np.empty(channels, x.dtype)
    for r in range(models):
        x_r = x[r]
        first[:] = x_r[:channels]
        for _ in range(2):
            total[:] = 0
            square[:] = 0
            low = 0
            while low < x_r.size:
                stop = min(x_r.size, low + BLOCK * channels)
                block[:] = 0
                block_square[:] = 0
                for i in range(low, stop, channels):
                    for c in range(channels):
                        d = x_r[i + c] - first[c]
                        block[c] += d
                        block_square[c] += d * d
                for c in range(channels):
                    total[c] += block[c]
                    square[c] += block_square[c]
                low = stop
            for c in range(channels):
                off = total[c] / count
                mean[r, c] = first[c] + off
                variance[r, c] = square[c] / count - off * off
                first[c] = mean[r, c]


@compiled
def _combine(u: Array, a: Array, v: Array | None, b: Array | None, shift: Array | None, out: Array) -> None:
    """``out = a u + b v + shift`` for ``u, v (R|1, S|1, M C)`` and coefficients ``(R|1, S|1, C)``."""
    models, samples, size = out.shape
    channels = a.shape[2]
    zero = np.zeros(channels, out.dtype)
    for r in range(models):
        for s in range(samples):
            to, u_row, a_row = out[r, s], row(u, r, s), row(a, r, s)
            shift_row = zero if shift is None else row(shift, r, s)
            if v is None:
                for i in range(0, size, channels):
                    for c in range(channels):
                        to[i + c] = a_row[c] * u_row[i + c] + shift_row[c]
            else:
                v_row, b_row = row(v, r, s), row(b, r, s)
                for i in range(0, size, channels):
                    for c in range(channels):
                        to[i + c] = a_row[c] * u_row[i + c] + b_row[c] * v_row[i + c] + shift_row[c]


def _folded(x: Array, inner: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """``(R|1, S|1, M C)`` of ``x (R|1, S|1, *inner)``."""
    return stretched(x, (*x.shape[:2], *inner), dtype).reshape(*x.shape[:2], math.prod(inner))


def _leading(*arrays: Array) -> tuple[int, ...]:
    """``(R, S)`` that all of them broadcast to."""
    return np.broadcast_shapes(*(x.shape[:2] for x in arrays))


def channel_moments(x: Array) -> tuple[Array, Array]:
    """Mean and variance over S, N and space."""
    models, channels = x.shape[0], x.shape[-1]
    mean, variance = (np.empty((models, 1, channels), x.dtype) for _ in range(2))
    _moments(contiguous(x).reshape(models, math.prod(x.shape[1:])), mean[:, 0], variance[:, 0])
    return mean, variance


def channel_sums(a: Array, b: Array | None) -> Array:
    """``sum a b`` over N and space."""
    given = (a,) if b is None else (a, b)
    inner, dtype = a.shape[2:], np.result_type(*given)
    out = np.empty((*_leading(*given), a.shape[-1]), dtype)
    folded = [_folded(x, inner, dtype) for x in given]
    _sums(folded[0], None if b is None else folded[1], out)
    return out


def channel_combine(parts: Sequence[tuple[Array, Array]], shift: Array | None) -> Array:
    """``sum_i c_i v_i + shift``."""
    (u, a), *rest = parts
    inner, dtype = u.shape[2:], u.dtype
    given = [x for part in parts[:2] for x in part] + ([] if shift is None else [shift])
    out = np.empty((*_leading(*given), *inner), dtype)
    flat = out.reshape(*out.shape[:2], math.prod(inner))
    u, a = _folded(u, inner, dtype), contiguous(a, dtype)
    shift = None if shift is None else contiguous(shift, dtype)
    if not rest:
        _combine(u, a, None, None, shift, flat)
        return out
    v, b = _folded(rest[0][0], inner, dtype), contiguous(rest[0][1], dtype)
    _combine(u, a, v, b, shift, flat)
    if len(rest) > 1:
        total: Array = out + channel_combine(rest[1:], None)
        return total
    return out
