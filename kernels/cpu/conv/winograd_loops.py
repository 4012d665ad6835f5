"""Apply the small matrices of minimal filtering to one axis after the other, on runs of pixels.

The two axes of the products are stored as one, down before right. A *line* is a row of blocks after the
combination along the vertical axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vsmnp.types import Array

from ...formulas.elementary import formula
from ..compilation import compiled


@formula
def _add(u: Array, factor: Any, out: Array) -> None:
    for i in range(out.size):
        out[i] += factor * u[i]


@formula
def _combine(u: Array, a: Any, v: Array, b: Any, out: Array) -> None:
    for i in range(out.size):
        out[i] = a * u[i] + b * v[i]


@compiled
def apply_b(
    x: Array, pixels: Array, first: Array, second: Array, factor: Array, stride: int, pad: int, channels: int,
    down: int, right: int,
) -> None:  # fmt: skip
    """Apply B on both axes of images ``x (T, H, W I)``; write ``pixels (count, blocks, stride^2 I)``."""
    count, run, height = first.size, stride * channels, x.shape[1]
    lines = np.zeros((count * stride, (2 * right + count - 2) * run), x.dtype)  # padded with zeros
    start = pad * channels
    stop = min(start + x.shape[2], lines.shape[1])
    nothing, one = np.zeros(x.shape[2], x.dtype), factor[0] * factor[0]
    for n in range(x.shape[0]):
        for h in range(down):
            for a in range(count):
                for t in range(stride):
                    top = (2 * h + first[a]) * stride + t - pad
                    low = (2 * h + second[a]) * stride + t - pad
                    u = x[n, top] if 0 <= top < height else nothing
                    v = x[n, low] if 0 <= low < height else nothing
                    _combine(u, one, v, factor[a], lines[a * stride + t, start:stop])
            for w in range(right):
                place = (n * down + h) * right + w
                for b in range(count):
                    left, far = (2 * w + first[b]) * run, (2 * w + second[b]) * run
                    for a in range(count):
                        to = pixels[a * count + b, place]
                        for t in range(stride):
                            line = lines[a * stride + t]
                            _combine(
                                line[left : left + run], one, line[far : far + run], factor[b],
                                to[t * run : t * run + run],
                            )  # fmt: skip


@compiled
def apply_b_adjoint(
    pixels: Array, x: Array, first: Array, second: Array, factor: Array, stride: int, pad: int, channels: int,
    down: int, right: int,
) -> None:  # fmt: skip
    """Apply the adjoint of :func:`apply_b`, and write the resulting images ``x (T, H, W I)``."""
    count, run, height = first.size, stride * channels, x.shape[1]
    lines = np.empty((count * stride, (2 * right + count - 2) * run), x.dtype)
    start = pad * channels
    stop = min(start + x.shape[2], lines.shape[1])
    one = factor[0] * factor[0]
    for n in range(x.shape[0]):
        for y in range(height):
            x[n, y, :] = 0
        for h in range(down):
            lines[:] = 0
            for w in range(right):
                place = (n * down + h) * right + w
                for b in range(count):
                    left, far = (2 * w + first[b]) * run, (2 * w + second[b]) * run
                    for a in range(count):
                        given = pixels[a * count + b, place]
                        for t in range(stride):
                            line, part = lines[a * stride + t], given[t * run : t * run + run]
                            _add(part, one, line[left : left + run])
                            if factor[b] != 0:
                                _add(part, factor[b], line[far : far + run])
            for a in range(count):
                for t in range(stride):
                    top = (2 * h + first[a]) * stride + t - pad
                    low = (2 * h + second[a]) * stride + t - pad
                    line = lines[a * stride + t, start:stop]
                    if 0 <= top < height:
                        _add(line, one, x[n, top, : stop - start])
                    if factor[a] != 0 and 0 <= low < height:
                        _add(line, factor[a], x[n, low, : stop - start])


@compiled
def apply_m(products: Array, y: Array, outputs: Array, channels: int, down: int, right: int) -> None:
    """Apply M on both axes of ``products (count, blocks, O)``; write the outputs ``y (T, H', W' O)``."""
    count, run = outputs.shape[1], right * channels
    lines = np.empty((count, run), y.dtype)
    for n in range(y.shape[0]):
        for h in range(down):
            first = (n * down + h) * right
            for p in range(2):
                lines[:] = 0
                for b in range(count):
                    for a in range(count):
                        if outputs[p, a] != 0:
                            given = products[a * count + b, first : first + right].reshape(run)
                            _add(given, outputs[p, a], lines[b])
                to = y[n, 2 * h + p]
                to[:] = 0
                for w in range(right):
                    for q in range(2):
                        place = to[(2 * w + q) * channels : (2 * w + q + 1) * channels]
                        for b in range(count):
                            if outputs[q, b] != 0:
                                _add(lines[b, w * channels : (w + 1) * channels], outputs[q, b], place)


@compiled
def apply_m_adjoint(y: Array, products: Array, outputs: Array, channels: int, down: int, right: int) -> None:
    """Apply the adjoint of :func:`apply_m` to ``y (T, H', W' O)``; write ``products (count, blocks, O)``."""
    count = outputs.shape[1]
    line = np.empty(y.shape[2], y.dtype)
    for n in range(y.shape[0]):
        for h in range(down):
            for a in range(count):
                _combine(y[n, 2 * h], outputs[0, a], y[n, 2 * h + 1], outputs[1, a], line)
                for w in range(right):
                    place, start = (n * down + h) * right + w, 2 * w * channels
                    u, v = line[start : start + channels], line[start + channels : start + 2 * channels]
                    for b in range(count):
                        _combine(u, outputs[0, b], v, outputs[1, b], products[a * count + b, place])


@compiled
def apply_g(w: Array, combined: Array, weights: Array, stride: int) -> None:
    """Add G on both axes of weights ``w (O, size, size I)`` to ``combined (count, O, stride^2 I)``."""
    count, taps = weights.shape
    run = combined.shape[2] // stride
    line = np.empty(w.shape[2], w.dtype)
    for o in range(w.shape[0]):
        for a in range(count):
            for t in range(stride):
                line[:] = 0
                for m in range(taps):
                    if weights[a, m] != 0:
                        _add(w[o, m * stride + t], weights[a, m], line)
                for b in range(count):
                    to = combined[a * count + b, o, t * run : t * run + run]
                    for m in range(taps):
                        if weights[b, m] != 0:
                            _add(line[m * run : m * run + run], weights[b, m], to)


@compiled
def apply_g_adjoint(combined: Array, w: Array, weights: Array, stride: int) -> None:
    """Add the adjoint of :func:`apply_g` for ``combined (count, O, stride^2 I)`` to ``w``."""
    count, taps = weights.shape
    run = combined.shape[2] // stride
    line = np.empty(w.shape[2], w.dtype)
    for o in range(w.shape[0]):
        for a in range(count):
            for t in range(stride):
                line[:] = 0
                for b in range(count):
                    given = combined[a * count + b, o, t * run : t * run + run]
                    for m in range(taps):
                        if weights[b, m] != 0:
                            _add(given, weights[b, m], line[m * run : m * run + run])
                for m in range(taps):
                    if weights[a, m] != 0:
                        _add(line, weights[a, m], w[o, m * stride + t])
