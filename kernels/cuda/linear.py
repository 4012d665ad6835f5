"""Matrix products, biases and sums of rows in the ``cuda`` set."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from vsmnp.types import Array

from .launching import WARP, Launching, blocks, common, flag, from_model_to_model
from .matrices import Matrices, MatrixProduct

#: Rows that one thread of ``sum_rows`` adds up before its block reduces the sums.
ROWS_A_THREAD = 32


class _Stored(NamedTuple):
    """The layout of matrices ``(R, ., .)`` for BLAS, and whether BLAS reads them transposed."""

    matrices: Matrices
    transposed: bool


def _for_blas(x: Array) -> _Stored | None:
    """Return the BLAS layout of ``x (R, rows, columns)``, or None if no axis is contiguous."""
    rows, columns = x.shape[1:]
    apart, down, right = (math.inf if step % x.itemsize else step // x.itemsize for step in x.strides)
    if math.inf in (apart, down, right) or apart < 0:
        return None
    stride = int(apart) if x.shape[0] > 1 else 0
    if (right == 1 or columns == 1) and (down >= columns or rows == 1):
        return _Stored(Matrices(x, max(int(down), columns) if rows > 1 else columns, stride), True)
    if (down == 1 or rows == 1) and (right >= rows or columns == 1):
        return _Stored(Matrices(x, max(int(right), rows) if columns > 1 else rows, stride), False)
    return None


class Linear(Launching):
    """The kernels ``gemm``, ``add_bias`` and ``sum_rows``."""

    def _stored(self, x: Array) -> _Stored:
        stored = _for_blas(x) or _for_blas(self.contiguous(x))
        assert stored is not None
        return stored

    def gemm(
        self, a: Array, b: Array, ta: bool = False, tb: bool = False, out: Array | None = None,
        accumulate: bool = False,
    ) -> Array:  # fmt: skip
        """Compute the matrix products ``out[r] (+)= op(a[r]) op(b[r])``.

        BLAS stores by columns, so it computes ``out' = op(b)' op(a)'``; it reads a matrix that is stored by
        rows as its transpose.
        """
        rows, inner = (a.shape[2], a.shape[1]) if ta else a.shape[1:]
        columns = b.shape[1] if tb else b.shape[2]
        if inner != (b.shape[2] if tb else b.shape[1]):
            raise ValueError(f"Matrices {a.shape} and {b.shape} cannot be multiplied: inner sizes differ.")
        models = np.broadcast_shapes(a.shape[:1], b.shape[:1])[0]
        if out is None:
            out, accumulate = self.empty((models, rows, columns), common(a, b)), False
        if out.shape != (models, rows, columns):
            raise ValueError(f"A product of shape {(models, rows, columns)} does not fit into {out.shape}.")
        if out.size and not inner and not accumulate:
            out[...] = 0
        if not out.size or not inner:
            return out
        left, right, place = self._stored(a), self._stored(b), _for_blas(out)
        to = place.matrices if place is not None and place.transposed else None
        with self.in_place(*([out] if to is None else [])) as copies:
            self.machine.launcher.multiply(MatrixProduct(
                (tb == right.transposed, ta == left.transposed), (columns, rows, inner), right.matrices,
                left.matrices, accumulate, to or Matrices(copies[0], columns, rows * columns), models,
            ))  # fmt: skip
        return out

    def add_bias(self, y: Array, b: Array) -> Array:
        """Add the bias in place: ``y[r,s,n,o] += b[r,o]``."""
        models, samples, batch, width = y.shape
        if b.shape not in ((models, width), (1, width)):
            raise ValueError(f"Biases of shape {b.shape} do not broadcast to {y.shape}.")
        size = samples * batch * width
        if not y.size:
            return y
        b = self.rows(b.astype(y.dtype, copy=False))
        with self.in_place(y) as (whole,):
            self.launch("linear", y.dtype, "add_bias", self.flat_grid(size, models),
                        whole, b, from_model_to_model(b), models, size, width)  # fmt: skip
        return y

    def sum_rows(self, gy: Array, out: Array) -> Array:
        """Add ``out[r,o] += sum_{s,n} gy[r,s,n,o]``; the order of the sum depends on the shape alone."""
        models, samples, batch, width = gy.shape
        rows, total = samples * batch, out
        if not gy.size:
            return out
        gy = self.contiguous(gy, out.dtype)
        direct = self.rows(out)
        columns = min(WARP, 1 << (width - 1).bit_length())
        chunk = ROWS_A_THREAD * (self.threads // columns)
        while True:
            chunks = blocks(rows, chunk)
            last = chunks == 1
            to = direct if last else self.empty((models, chunks, width), out.dtype)
            grid = chunks, blocks(width, columns), min(models, self.most_rows)
            self.launch("linear", out.dtype, "sum_rows", grid, gy, models, rows, width, chunk,
                        np.int32(columns), flag(last), to, to.strides[0] // to.itemsize)  # fmt: skip
            if last:
                break
            gy, rows = to, chunks
        if direct is not total:
            total[...] = direct
        return total
