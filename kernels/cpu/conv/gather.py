"""Convolutions of the ``cpu`` set by gathered windows: matrix products for one tile of images at a time.

The windows of a tile become the rows of a matrix, which is multiplied while it is in the cache; the matrix
of a whole batch would be several times the batch. If a window is the image, or a pixel, the images are stored
as such rows already and nothing is gathered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vsmnp.types import Array, Shape, Window

from ...formulas.windows import Windows
from ..compilation import compiled
from ..linear import gemm

#: The most bytes that the rows of a tile may occupy.
TILE = 2**22


@compiled
def _gather(
    x: Array, rows: Array, size: int, stride: int, pad: int, height: int, width: int, channels: int
) -> None:
    """Copy the windows of images ``x (T, H, W C)`` to ``rows (T, H', W', size, size C)``."""
    images, down, right = rows.shape[:3]
    run, step, start = size * channels, stride * channels, pad * channels
    line = np.zeros(max((right - 1) * step + run, start + width * channels), x.dtype)  # padded with zeros
    for n in range(images):
        for h in range(down):
            for u in range(size):
                y = h * stride - pad + u
                if 0 <= y < height:
                    for i in range(width * channels):
                        line[start + i] = x[n, y, i]
                for w in range(right):
                    for i in range(run):
                        rows[n, h, w, u, i] = line[w * step + i] if 0 <= y < height else 0


@compiled
def _scatter(
    rows: Array, x: Array, size: int, stride: int, pad: int, height: int, width: int, channels: int
) -> None:
    """Apply the adjoint of :func:`_gather`: each pixel is the sum of its entries in the rows."""
    images, down, right = rows.shape[:3]
    run, step, start = size * channels, stride * channels, pad * channels
    line = np.empty(max((right - 1) * step + run, start + width * channels), x.dtype)
    for n in range(images):
        x[n] = 0
        for h in range(down):
            for u in range(size):
                y = h * stride - pad + u
                if 0 <= y < height:
                    line[:] = 0
                    for w in range(right):
                        for i in range(run):
                            line[w * step + i] += rows[n, h, w, u, i]
                    for i in range(width * channels):
                        x[n, y, i] += line[start + i]


def _gathered(x: Array, windows: Windows, spare: Array) -> Array:
    """Return the rows ``(T H' W', size size C)`` of images ``x (T, H, W C)``, gathered if necessary."""
    if windows.are_images:
        return x.reshape(-1, windows.width)
    rows = spare[: len(x)]
    _gather(x, rows, *windows.numbers)
    return rows.reshape(-1, windows.width)


def _spare(windows: Windows, images: int, dtype: np.dtype[Any]) -> Array:
    """Allocate memory for the gathered rows of a tile."""
    size, count = windows.window.size, 0 if windows.are_images else min(images, windows.tile)
    return np.empty((count, *windows.places, size, size * windows.channels), dtype)


def _matrices(w: Array) -> Array:
    """Reshape weights ``(R, O, size, size, I)`` to ``(R, O, size size I)``."""
    return w.reshape(w.shape[0], w.shape[1], w[0, 0].size)


def conv(x: Array, w: Array, window: Window, image: Shape) -> Array:
    """Compute ``y[h,w] = sum_{u,v} w[u,v] x[h t + u - pad, w t + v - pad]``: gathered rows times w."""
    windows = Windows(window, image, w.shape[4], TILE // x.itemsize)
    weights, outputs = _matrices(w), w.shape[1]
    models, count, places = max(len(x), len(w)), x.shape[1], windows.places
    y = np.empty((models, count, places[0], places[1] * outputs), x.dtype)
    spare = _spare(windows, count, x.dtype)
    for r in range(len(x)):
        for tile in windows.tiles(count):
            rows = _gathered(x[r, tile], windows, spare)
            for m in range(models) if len(x) < models else (r,):
                weight = weights[m % len(weights)]
                np.matmul(rows, weight.T, out=y[m, tile].reshape(len(rows), outputs))
    return y


def conv_adjoint_x(gy: Array, w: Array, window: Window, image: Shape) -> Array:
    """Compute ``gx[h t + u - pad, w t + v - pad] += w[u,v]' gy[h,w]`` from zero: scattered products."""
    windows = Windows(window, image, w.shape[4], TILE // gy.itemsize)
    weights, outputs = _matrices(w), w.shape[1]
    models, count = max(len(gy), len(w)), gy.shape[1]
    gx = np.empty((models, count, image[0], image[1] * w.shape[4]), gy.dtype)
    spare = _spare(windows, count, gy.dtype)
    for m in range(models):
        weight = weights[m % len(weights)]
        for tile in windows.tiles(count):
            rows = gy[m % len(gy), tile].reshape(-1, outputs)
            if windows.are_images:
                np.matmul(rows, weight, out=gx[m, tile].reshape(len(rows), windows.width))
            else:
                spread = spare[: tile.stop - tile.start]
                np.matmul(rows, weight, out=spread.reshape(len(rows), windows.width))
                _scatter(spread, gx[m, tile], *windows.numbers)
    return gx


def conv_adjoint_w(gy: Array, x: Array, window: Window, image: Shape, out: Array) -> None:
    """Add ``gw[u,v] += sum_{h,w} gy[h,w] x[h t + u - pad, w t + v - pad]'``: gy times gathered rows."""
    windows = Windows(window, image, out.shape[4], TILE // x.itemsize)
    models, outputs, count = len(out), out.shape[1], x.shape[1]
    spare = _spare(windows, count, x.dtype)
    total = np.zeros((models, outputs, windows.width), x.dtype)
    for m in range(models):
        for tile in windows.tiles(count):
            rows = _gathered(x[m % len(x), tile], windows, spare)
            to = gy[m % len(gy), tile].reshape(len(rows), outputs)
            gemm(to[None], rows[None], ta=True, out=total[m : m + 1], accumulate=True)
    out += total.reshape(out.shape)
