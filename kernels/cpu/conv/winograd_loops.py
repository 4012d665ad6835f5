"""Apply the small matrices of minimal filtering to one axis after the other, on runs of pixels.

The two axes of the products are stored as one, down before right. A *line* is a row of blocks after the
combination along the vertical axis. Row a of B is given by its terms: ``counts[a]`` factors, and the inputs
that they multiply.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vsmnp.types import Array

from ...formulas.elementary import formula
from ..compilation import compiled
from ..views import row_of, run_of, window


@formula
def _add(u: Array, factor: Any, out: Array) -> None:
    for i in range(out.size):
        out[i] += factor * u[i]


@formula
def _add_two(u: Array, a: Any, v: Array, b: Any, out: Array) -> None:
    for i in range(out.size):
        out[i] += a * u[i] + b * v[i]


@formula
def _combine(u: Array, a: Any, v: Array, b: Any, out: Array) -> None:
    for i in range(out.size):
        out[i] = a * u[i] + b * v[i]


@formula
def _combine_four(
    u: Array, a: Any, v: Array, b: Any, w: Array, c: Any, x: Array, d: Any, out: Array
) -> None:  # fmt: skip
    for i in range(out.size):
        out[i] = a * u[i] + b * v[i] + c * w[i] + d * x[i]


@formula
def _pixels(x: Array, n: int, y: int, nothing: Array) -> Array:
    """Return row y of image n, or zeros outside of it."""
    return row_of(x, (n, y)) if 0 <= y < x.shape[1] else nothing


@formula
def _down(
    x: Array, n: int, top: int, stride: int, count: int, at: Array, by: Array, nothing: Array, out: Array
) -> None:
    """Combine ``count`` rows of image n below ``top``: the rows ``at``, times the factors ``by``."""
    u, v = _pixels(x, n, top + at[0] * stride, nothing), _pixels(x, n, top + at[1] * stride, nothing)
    if count == 2:
        _combine(u, by[0], v, by[1], out)
        return
    w, z = _pixels(x, n, top + at[2] * stride, nothing), _pixels(x, n, top + at[3] * stride, nothing)
    _combine_four(u, by[0], v, by[1], w, by[2], z, by[3], out)
    if count == 6:
        u, v = _pixels(x, n, top + at[4] * stride, nothing), _pixels(x, n, top + at[5] * stride, nothing)
        _add_two(u, by[4], v, by[5], out)


@formula
def _along(line: Array, run: int, count: int, at: Array, by: Array, out: Array) -> None:
    """Combine ``count`` runs of a line: the runs ``at``, times the factors ``by``."""
    u, v = window(line, at[0] * run, run), window(line, at[1] * run, run)
    if count == 2:
        _combine(u, by[0], v, by[1], out)
        return
    w, z = window(line, at[2] * run, run), window(line, at[3] * run, run)
    _combine_four(u, by[0], v, by[1], w, by[2], z, by[3], out)
    if count == 6:
        u, v = window(line, at[4] * run, run), window(line, at[5] * run, run)
        _add_two(u, by[4], v, by[5], out)


@compiled
def apply_b(
    x: Array, pixels: Array, counts: Array, inputs: Array, factors: Array, outputs: int, stride: int,
    pad: int, channels: int, down: int, right: int,
) -> None:  # fmt: skip
    """Apply B on both axes of images ``x (T, H, W I)``; write ``pixels (count, blocks, stride^2 I)``."""
    count, run = counts.size, stride * channels
    step = outputs * run
    lines = np.zeros((count * stride, right * step + (count - outputs) * run), x.dtype)  # padded with zeros
    start = pad * channels
    width = min(x.shape[2], lines.shape[1] - start)
    nothing = np.zeros(x.shape[2], x.dtype)
    for n in range(x.shape[0]):
        for h in range(down):
            for a in range(count):
                at, by = row_of(inputs, a), row_of(factors, a)
                for t in range(stride):
                    to = run_of(lines, a * stride + t, start, width)
                    _down(x, n, outputs * h * stride + t - pad, stride, counts[a], at, by, nothing, to)
            for w in range(right):
                place = (n * down + h) * right + w
                for b in range(count):
                    at, by = row_of(inputs, b), row_of(factors, b)
                    for a in range(count):
                        for t in range(stride):
                            line = run_of(lines, a * stride + t, w * step, count * run)
                            to = run_of(pixels, (a * count + b, place), t * run, run)
                            _along(line, run, counts[b], at, by, to)


@compiled
def apply_b_adjoint(
    pixels: Array, x: Array, counts: Array, inputs: Array, factors: Array, outputs: int, stride: int,
    pad: int, channels: int, down: int, right: int,
) -> None:  # fmt: skip
    """Apply the adjoint of :func:`apply_b`, and write the resulting images ``x (T, H, W I)``."""
    count, run, height = counts.size, stride * channels, x.shape[1]
    step = outputs * run
    lines = np.empty((count * stride, right * step + (count - outputs) * run), x.dtype)
    start = pad * channels
    width = min(x.shape[2], lines.shape[1] - start)
    for n in range(x.shape[0]):
        for y in range(height):
            x[n, y, :] = 0
        for h in range(down):
            lines[:] = 0
            for w in range(right):
                place = (n * down + h) * right + w
                for b in range(count):
                    for a in range(count):
                        for t in range(stride):
                            part = run_of(pixels, (a * count + b, place), t * run, run)
                            for i in range(counts[b]):
                                if factors[b, i] != 0:
                                    low = w * step + inputs[b, i] * run
                                    _add(part, factors[b, i], run_of(lines, a * stride + t, low, run))
            for a in range(count):
                for t in range(stride):
                    line, top = run_of(lines, a * stride + t, start, width), outputs * h * stride + t - pad
                    for i in range(counts[a]):
                        y = top + inputs[a, i] * stride
                        if factors[a, i] != 0 and 0 <= y < height:
                            _add(line, factors[a, i], run_of(x, (n, y), 0, width))


@compiled
def apply_m(products: Array, y: Array, outputs: Array, channels: int, down: int, right: int) -> None:
    """Apply M on both axes of ``products (count, blocks, O)``; write the outputs ``y (T, H', W' O)``."""
    (each, count), run = outputs.shape, right * channels
    lines = np.empty((count, run), y.dtype)
    for n in range(y.shape[0]):
        for h in range(down):
            first = (n * down + h) * right
            for p in range(each):
                lines[:] = 0
                for b in range(count):
                    for a in range(count):
                        if outputs[p, a] != 0:
                            given = products[a * count + b, first : first + right].reshape(run)
                            _add(given, outputs[p, a], row_of(lines, b))
                to = row_of(y, (n, each * h + p))
                to[:] = 0
                for w in range(right):
                    for q in range(each):
                        place = window(to, (each * w + q) * channels, channels)
                        for b in range(count):
                            if outputs[q, b] != 0:
                                _add(run_of(lines, b, w * channels, channels), outputs[q, b], place)


@compiled
def apply_m_adjoint(y: Array, products: Array, outputs: Array, channels: int, down: int, right: int) -> None:
    """Apply the adjoint of :func:`apply_m` to ``y (T, H', W' O)``; write ``products (count, blocks, O)``."""
    each, count = outputs.shape
    line = np.empty(y.shape[2], y.dtype)
    for n in range(y.shape[0]):
        for h in range(down):
            for a in range(count):
                for p in range(0, each, 2):
                    u, v = row_of(y, (n, each * h + p)), row_of(y, (n, each * h + p + 1))
                    if p == 0:
                        _combine(u, outputs[p, a], v, outputs[p + 1, a], line)
                    else:
                        _add_two(u, outputs[p, a], v, outputs[p + 1, a], line)
                for w in range(right):
                    place, start = (n * down + h) * right + w, each * w * channels
                    for b in range(count):
                        to = row_of(products, (a * count + b, place))
                        for q in range(0, each, 2):
                            u = window(line, start + q * channels, channels)
                            v = window(line, start + (q + 1) * channels, channels)
                            if q == 0:
                                _combine(u, outputs[q, b], v, outputs[q + 1, b], to)
                            else:
                                _add_two(u, outputs[q, b], v, outputs[q + 1, b], to)


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
