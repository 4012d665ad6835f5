"""Convolutions and channel statistics of the ``cuda`` set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vsmnp.types import Array, Shape, Window

from .cuda_linear import Linear
from .cuda_part import common, flag, from_model_to_model
from .windows import Windows

#: Elements that the windows of a tile of images may take: 256 MiB of float32.
ROOM = 2**26


class Images(Linear):
    """``conv`` and its two adjoints, by windows as rows and products; moments, sums and combinations."""

    def _gathered(self, x: Array, windows: Windows) -> Array:
        """Rows ``(R, T H' W', size size C)`` of images ``x (R, T, H, W C)``."""
        models, images = x.shape[:2]
        rows = self.empty((models, images * windows.count, windows.width), x.dtype)
        if windows.as_they_lie:
            rows[...] = x.reshape(rows.shape)
        elif rows.size:
            grid = self.flat_grid(rows.size // models, models)
            self.launch("windows", x.dtype, "gather_windows", grid, x, from_model_to_model(x), models, images,
                        *_numbers(windows), rows)  # fmt: skip
        return rows

    def _scattered(self, rows: Array, windows: Windows, x: Array) -> None:
        """The adjoint, written into ``x (R, T, H, W C)``."""
        models, images = x.shape[:2]
        if windows.as_they_lie:
            x[...] = rows.reshape(x.shape)
        elif x.size:
            grid = self.flat_grid(x.size // models, models)
            self.launch("windows", x.dtype, "scatter_windows", grid, rows, models, images,
                        *_numbers(windows), x, from_model_to_model(x))  # fmt: skip

    def _images(self, x: Array, dtype: np.dtype[Any]) -> Array:
        """``(R, S, N, H, W, C)`` as ``(R, S N, H, W C)``, contiguous."""
        return self.contiguous(x, dtype).reshape(
            x.shape[0], x.shape[1] * x.shape[2], x.shape[3], x.shape[4] * x.shape[5]
        )

    def _matrices(self, w: Array, dtype: np.dtype[Any]) -> Array:
        """``(R, O, size, size, I)`` as ``(R, O, size size I)``."""
        return w.astype(dtype, copy=False).reshape(*w.shape[:2], math.prod(w.shape[2:]))

    def conv(self, x: Array, w: Array, window: Window) -> Array:
        """``y[h,w] = sum_{u,v} w[u,v] x[h t + u - pad, w t + v - pad]``."""
        dtype = common(x, w)
        windows = Windows(window, x.shape[3:5], x.shape[5], ROOM)
        images, weights = self._images(x, dtype), self._matrices(w, dtype)
        models, outputs = max(len(x), len(w)), w.shape[1]
        y = self.empty((models, *x.shape[1:3], *windows.places, outputs), dtype)
        flat = y.reshape(models, images.shape[1] * windows.count, outputs)
        for tile in windows.tiles(images.shape[1]):
            to = flat[:, tile.start * windows.count : tile.stop * windows.count]
            self.gemm(self._gathered(images[:, tile], windows), weights, tb=True, out=to)
        return y

    def conv_adjoint_x(self, gy: Array, w: Array, window: Window, image: Shape) -> Array:
        """``gx[h t + u - pad, w t + v - pad] += w[u,v]' gy[h,w]``."""
        dtype = common(gy, w)
        windows = Windows(window, image, w.shape[4], ROOM)
        weights, count = self._matrices(w, dtype), gy.shape[1] * gy.shape[2]
        models, outputs = max(len(gy), len(w)), gy.shape[5]
        given = self.contiguous(gy, dtype).reshape(len(gy), count * windows.count, outputs)
        gx = self.empty((models, *gy.shape[1:3], *image, w.shape[4]), dtype)
        flat = gx.reshape(models, count, image[0], image[1] * w.shape[4])
        for tile in windows.tiles(count):
            part = given[:, tile.start * windows.count : tile.stop * windows.count]
            self._scattered(self.gemm(part, weights), windows, flat[:, tile])
        return gx

    def conv_adjoint_w(self, gy: Array, x: Array, window: Window, out: Array) -> None:
        """``gw[u,v] += sum_{h,w} gy[h,w] x[h t + u - pad, w t + v - pad]'``."""
        windows = Windows(window, x.shape[3:5], x.shape[5], ROOM)
        images, outputs = self._images(x, out.dtype), gy.shape[5]
        given = self.contiguous(gy, out.dtype).reshape(len(gy), images.shape[1] * windows.count, outputs)
        flat = out.reshape(len(out), outputs, windows.width)
        for tile in windows.tiles(images.shape[1]):
            part = given[:, tile.start * windows.count : tile.stop * windows.count]
            rows = self._gathered(images[:, tile], windows)
            self.gemm(part, rows, ta=True, out=flat, accumulate=True)
        if not np.shares_memory(flat, out):
            out[...] = flat.reshape(out.shape)

    def channel_moments(self, x: Array) -> tuple[Array, Array]:
        """Mean and variance over S, N and space, around a first mean."""
        count = math.prod(x.shape[1:-1])
        first = self.channel_sums(x, None).sum(1, keepdims=True) / count
        centred = self.channel_combine([(x, first * 0 + 1)], -first)
        off = self.channel_sums(centred, None).sum(1, keepdims=True) / count
        square = self.channel_sums(centred, centred).sum(1, keepdims=True) / count
        return first + off, square - off * off

    def channel_sums(self, a: Array, b: Array | None) -> Array:
        """``sum a b`` over N and space."""
        product = a if b is None else a * b
        models, samples, channels = *product.shape[:2], product.shape[-1]
        sums = self.machine.xp.zeros((models * samples, channels), product.dtype)
        rows = product.reshape(models * samples, 1, math.prod(product.shape[2:-1]), channels)
        return self.sum_rows(rows, sums).reshape(models, samples, channels)

    def channel_combine(self, parts: Sequence[tuple[Array, Array]], shift: Array | None) -> Array:
        """``sum_i c_i v_i + shift``, two parts a pass."""
        (u, a), *rest = parts
        v, b = rest[0] if rest else (u, a)
        small = (a, b, a if shift is None else shift)
        models, samples = np.broadcast_shapes(*(x.shape[:2] for x in (u, v, *small)))
        dtype, inner = u.dtype, u.shape[2:]
        out = self.empty((models, samples, *inner), dtype)
        if out.size:
            size = math.prod(inner)
            steps = [self._operand(x, dtype) for x in (u, a, v, b, small[2])]
            self.launch("channels", dtype, "combine", self.flat_grid(size, models * samples),
                        *(number for step in steps for number in step), flag(bool(rest)),
                        flag(shift is not None), models, samples, size, inner[-1], out)  # fmt: skip
        if len(rest) > 1:
            out = out + self.channel_combine(rest[1:], None)
        return out

    def _operand(self, x: Array, dtype: np.dtype[Any]) -> tuple[Array, int, int]:
        """A contiguous ``x (R|1, S|1, ...)`` and its steps from model to model and from sample to sample."""
        x = self.contiguous(x, dtype)
        size = math.prod(x.shape[2:])
        return x, x.shape[1] * size if x.shape[0] > 1 else 0, size if x.shape[1] > 1 else 0


def _numbers(windows: Windows) -> tuple[np.int32, ...]:
    """The geometry as a kernel takes it."""
    return tuple(np.int32(number) for number in (*windows.numbers, *windows.places))
