"""Convolutions and channel statistics of the ``reference`` set: one product per pixel of the window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vsmnp.types import ActivationName, Array, Shape, Window

from .activations import ACTIVATIONS


def _framed(x: Array, pad: int) -> Array:
    """Pad the images ``x (R,S,N,H,W,C)`` with ``pad`` zeros on each side."""
    return np.pad(x, [(0, 0)] * 3 + [(pad, pad)] * 2 + [(0, 0)])


def _under_window(window: Window, rows: int, columns: int) -> Iterator[tuple[int, int, tuple[slice, slice]]]:
    """Yield each pixel ``(u, v)`` of the window and the slices of the padded image under it."""
    t = window.stride
    for u in range(window.size):
        for v in range(window.size):
            yield u, v, (slice(u, u + rows * t - t + 1, t), slice(v, v + columns * t - t + 1, t))


def _pixels(x: Array) -> Array:
    """Reshape images ``(R,S,N,H,W,C)`` to matrices ``(R, S N H W, C)``."""
    return np.ascontiguousarray(x).reshape(len(x), -1, x.shape[5])


def conv(x: Array, w: Array, window: Window) -> Array:
    """Compute ``y[h,w] = sum_{u,v} w[u,v] x[h t + u - pad, w t + v - pad]``."""
    rows, columns = (window.places(pixels) for pixels in x.shape[3:5])
    models = np.broadcast_shapes(x.shape[:1], w.shape[:1])[0]
    y = np.zeros((models, *x.shape[1:3], rows, columns, w.shape[1]), np.result_type(x, w))
    framed = _framed(x, window.pad)
    for u, v, (h, c) in _under_window(window, rows, columns):
        y += np.matmul(_pixels(framed[:, :, :, h, c]), w[:, :, u, v].swapaxes(1, 2)).reshape(y.shape)
    return y


def conv_adjoint_x(gy: Array, w: Array, window: Window, image: Shape) -> Array:
    """Compute ``gx``, where ``gx[h t + u - pad, w t + v - pad] += w[u,v]' gy[h,w]`` from zero."""
    models = np.broadcast_shapes(gy.shape[:1], w.shape[:1])[0]
    pad, (height, width) = window.pad, image
    framed = np.zeros(
        (models, *gy.shape[1:3], height + 2 * pad, width + 2 * pad, w.shape[4]), np.result_type(gy, w)
    )
    for u, v, (h, c) in _under_window(window, *gy.shape[3:5]):
        part = np.matmul(_pixels(gy), w[:, :, u, v])
        framed[:, :, :, h, c] += part.reshape(models, *gy.shape[1:5], w.shape[4])
    return framed[:, :, :, pad : pad + height, pad : pad + width]


def conv_adjoint_w(gy: Array, x: Array, window: Window, out: Array) -> None:
    """Add to the weight gradient ``gw[u,v] += sum_{h,w} gy[h,w] x[h t + u - pad, w t + v - pad]'``."""
    framed = _framed(x, window.pad)
    for u, v, (h, c) in _under_window(window, *gy.shape[3:5]):
        out[:, :, u, v] += np.matmul(_pixels(gy).swapaxes(1, 2), _pixels(framed[:, :, :, h, c]))


def _inner(x: Array) -> tuple[int, ...]:
    """Return the axes between S and the channels."""
    return tuple(range(2, x.ndim - 1))


def channel_moments(x: Array) -> tuple[Array, Array]:
    """Compute mean and variance over S, N and space, in double precision, one model at a time."""
    axes = tuple(range(x.ndim - 2))
    mean = np.stack([one.mean(axes, np.float64) for one in x])
    variance = np.stack([one.var(axes, np.float64) for one in x])
    return mean[:, None].astype(x.dtype), variance[:, None].astype(x.dtype)


def _sums(v: Array) -> Array:
    """Sum over N and space, one model at a time."""
    return np.stack([one.sum(tuple(range(1, one.ndim - 1))) for one in v])


def activation_sums(
    f: ActivationName | None, y: Array | None, gy: Array, x: Array | None, centre: Array | None
) -> tuple[Array, Array, Array | None]:
    """Compute ``u = f'(a) gy``, ``sum u`` and ``sum u (x - centre)``."""
    u = gy if f is None or y is None else np.asarray(ACTIVATIONS[f].slope(y) * gy)
    if x is None:
        return u, _sums(u), None
    v = x if centre is None else x - np.expand_dims(centre, _inner(x))
    return u, _sums(np.broadcast_to(u, np.broadcast_shapes(u.shape, v.shape))), _sums(u * v)


def channel_combine(
    parts: Sequence[tuple[Array, Array]], shift: Array | None, out: Array | None = None
) -> Array:
    """Compute ``sum_i c_i v_i + shift`` with coefficients per channel."""
    inner = _inner(parts[0][0])
    terms = [np.expand_dims(c, inner) * v for v, c in parts]
    terms += [] if shift is None else [np.expand_dims(shift, inner)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    if out is None:
        return np.asarray(total)
    out[...] = total
    return out
