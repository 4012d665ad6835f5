"""Convolutions of the ``cpu`` set: what the windows see, gathered a tile of images at a time, and a product.

The windows of a tile become the rows of a matrix that stays in cache and is multiplied at once; the matrix
of a whole batch would be several times the batch. Where a window is the image, or a pixel, the images already
lie as such rows and nothing is gathered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vsmnp.types import Array, Shape, Window

from .cpu_compile import compiled, contiguous
from .cpu_linear import gemm
from .windows import Windows

#: Bytes that the rows of a tile may take.
TILE = 2**22


@compiled
def _gather(
    x: Array, rows: Array, size: int, stride: int, pad: int, height: int, width: int, channels: int
) -> None:
    """``rows (T, H', W', size, size C)`` of images ``x (T, H, W C)``."""
    images, down, right = rows.shape[:3]
    run = size * channels
    for n in range(images):
        for h in range(down):
            for w in range(right):
                first = w * stride - pad
                low = -min(first, 0) * channels
                high = min(size, width - first) * channels
                for u in range(size):
                    row = rows[n, h, w, u]
                    y = h * stride - pad + u
                    if y < 0 or y >= height:
                        row[:] = 0
                        continue
                    for i in range(low):
                        row[i] = 0
                    for i in range(max(high, low), run):
                        row[i] = 0
                    pixel = x[n, y]
                    start = first * channels
                    for i in range(low, high):
                        row[i] = pixel[start + i]


@compiled
def _scatter(
    rows: Array, x: Array, size: int, stride: int, pad: int, height: int, width: int, channels: int
) -> None:
    """The adjoint of :func:`_gather`: every image is the sum of what the rows hold for its pixels."""
    images, down, right = rows.shape[:3]
    for n in range(images):
        for y in range(height):
            x[n, y, :] = 0
        for h in range(down):
            for w in range(right):
                first = w * stride - pad
                low = -min(first, 0) * channels
                high = min(size, width - first) * channels
                start = first * channels
                for u in range(size):
                    y = h * stride - pad + u
                    if y < 0 or y >= height:
                        continue
                    row, pixel = rows[n, h, w, u], x[n, y]
                    for i in range(low, high):
                        pixel[start + i] += row[i]


def _gathered(x: Array, windows: Windows, spare: Array) -> Array:
    """The rows ``(T H' W', size size C)`` of images ``x (T, H, W C)``, in a spare place if they need one."""
    if windows.as_they_lie:
        return x.reshape(-1, windows.width)
    rows = spare[: len(x)]
    _gather(x, rows, *windows.numbers)
    return rows.reshape(-1, windows.width)


def _spare(windows: Windows, images: int, dtype: np.dtype[Any]) -> Array:
    """Room for the rows of a tile."""
    size, count = windows.window.size, 0 if windows.as_they_lie else min(images, windows.tile)
    return np.empty((count, *windows.places, size, size * windows.channels), dtype)


def _images(x: Array) -> Array:
    """``(R, S, N, H, W, C)`` as ``(R, S N, H, W C)``, contiguous."""
    models, height = x.shape[0], x.shape[3]
    return contiguous(x).reshape(models, x.shape[1] * x.shape[2], height, x.shape[4] * x.shape[5])


def _matrices(w: Array, dtype: np.dtype[Any]) -> Array:
    """``(R, O, size, size, I)`` as ``(R, O, size size I)``."""
    return contiguous(w, dtype).reshape(w.shape[0], w.shape[1], w[0, 0].size)


def conv(x: Array, w: Array, window: Window) -> Array:
    """``y[h,w] = sum_{u,v} w[u,v] x[h t + u - pad, w t + v - pad]``: gathered rows times the weights."""
    windows = Windows(window, x.shape[3:5], x.shape[5], TILE // x.itemsize)
    images, weights = _images(x), _matrices(w, x.dtype)
    models, count, places = max(len(x), len(w)), images.shape[1], windows.places
    y = np.empty((models, *x.shape[1:3], *places, w.shape[1]), x.dtype)
    flat = y.reshape(models, count, places[0] * places[1], w.shape[1])
    spare = _spare(windows, count, x.dtype)
    for r in range(len(x)):
        for tile in windows.tiles(count):
            rows = _gathered(images[r, tile], windows, spare)
            for m in range(models) if len(x) < models else (r,):
                weight = weights[m % len(weights)]
                np.matmul(rows, weight.T, out=flat[m, tile].reshape(len(rows), w.shape[1]))
    return y


def conv_adjoint_x(gy: Array, w: Array, window: Window, image: Shape) -> Array:
    """``gx[h t + u - pad, w t + v - pad] += w[u,v]' gy[h,w]``: a product, scattered."""
    windows = Windows(window, image, w.shape[4], TILE // gy.itemsize)
    weights = _matrices(w, gy.dtype)
    models, count = max(len(gy), len(w)), gy.shape[1] * gy.shape[2]
    given = contiguous(gy).reshape(len(gy), count, -1, gy.shape[5])
    gx = np.empty((models, *gy.shape[1:3], *image, w.shape[4]), gy.dtype)
    flat = gx.reshape(models, count, image[0], image[1] * w.shape[4])
    spare = _spare(windows, count, gy.dtype)
    for m in range(models):
        weight = weights[m % len(weights)]
        for tile in windows.tiles(count):
            rows = given[m % len(given), tile].reshape(-1, gy.shape[5])
            if windows.as_they_lie:
                np.matmul(rows, weight, out=flat[m, tile].reshape(len(rows), windows.width))
            else:
                room = spare[: tile.stop - tile.start]
                np.matmul(rows, weight, out=room.reshape(len(rows), windows.width))
                _scatter(room, flat[m, tile], *windows.numbers)
    return gx


def conv_adjoint_w(gy: Array, x: Array, window: Window, out: Array) -> None:
    """``gw[u,v] += sum_{h,w} gy[h,w] x[h t + u - pad, w t + v - pad]'``: gathered rows times cotangents."""
    windows = Windows(window, x.shape[3:5], x.shape[5], TILE // x.itemsize)
    images, outputs = _images(x), gy.shape[5]
    models, count = max(len(x), len(gy)), images.shape[1]
    given = contiguous(gy, x.dtype).reshape(len(gy), count, -1, outputs)
    spare = _spare(windows, count, x.dtype)
    total = np.zeros((models, outputs, windows.width), x.dtype)
    for m in range(models):
        for tile in windows.tiles(count):
            rows = _gathered(images[m % len(images), tile], windows, spare)
            to = given[m % len(given), tile].reshape(len(rows), outputs)
            gemm(to[None], rows[None], ta=True, out=total[m : m + 1], accumulate=True)
    out += total.reshape(models, *out.shape[1:])
