"""Matrix products of the ``cpu`` set with BLAS, and compiled loops for biases and their gradients."""

from __future__ import annotations

import numpy as np

from vsmnp.types import Array

from .compilation import compiled, contiguous, in_place, stretched

#: Approximate least number of independent partial sums in ``sum_rows``.
LANES = 64


def _for_blas(x: Array) -> bool:
    """Return whether BLAS can use the matrices ``x (R, ., .)`` without a copy: one axis is contiguous."""
    rows, columns = x.shape[1:]
    _, down, right = x.strides
    size = x.itemsize
    by_rows = right == size and down >= columns * size and down % size == 0
    by_columns = down == size and right >= rows * size and right % size == 0
    return by_rows or by_columns


def gemm(
    a: Array, b: Array, ta: bool = False, tb: bool = False, out: Array | None = None, accumulate: bool = False
) -> Array:
    """Compute the matrix products ``out[r] (+)= op(a[r]) op(b[r])``."""
    a = a if _for_blas(a) else contiguous(a)
    b = b if _for_blas(b) else contiguous(b)
    a = a.swapaxes(1, 2) if ta else a
    b = b.swapaxes(1, 2) if tb else b
    if out is None:
        product: Array = np.matmul(a, b)
        return product
    if accumulate:
        out += np.matmul(a, b)
    elif _for_blas(out):
        np.matmul(a, b, out=out)
    else:
        out[...] = np.matmul(a, b)
    return out


@compiled
def _add_bias(y: Array, b: Array) -> None:  # y (R, SN, O), b (R, O)
    for r in range(y.shape[0]):
        b_r = b[r]
        for n in range(y.shape[1]):
            y_n = y[r, n]
            for o in range(y_n.size):
                y_n[o] += b_r[o]


def add_bias(y: Array, b: Array) -> Array:
    """Add the bias in place: ``y[r,s,n,o] += b[r,o]``."""
    models, samples, batch, width = y.shape
    with in_place(y) as (y_c,):
        _add_bias(y_c.reshape(models, samples * batch, width), stretched(b, (models, width), y.dtype))
    return y


@compiled
def _sum_rows(gy: Array, width: int, lanes: int, sums: Array) -> None:  # gy (R, SNO), sums (R, O)
    size, stride = gy.shape[1], lanes * width
    partial = np.empty(stride, gy.dtype)
    for r in range(gy.shape[0]):
        partial[:] = 0
        for low in range(0, size, stride):
            chunk = gy[r, low : min(low + stride, size)]
            for i in range(chunk.size):
                partial[i] += chunk[i]
        sums[r] = 0
        for low in range(0, stride, width):
            for o in range(width):
                sums[r, o] += partial[low + o]


def sum_rows(gy: Array, out: Array) -> Array:
    """Add ``out[r,o] += sum_{s,n} gy[r,s,n,o]``; the order of the sum depends on the shape alone."""
    models, samples, batch, width = gy.shape
    sums = np.empty((models, width), gy.dtype)
    lanes = max(4, LANES // max(1, width))
    _sum_rows(contiguous(gy).reshape(models, samples * batch * width), width, lanes, sums)
    out += sums
    return out
