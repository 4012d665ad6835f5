"""Convolutions and batch-norm kernels of the ``cuda`` set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vsmnp.types import ActivationName, Array, Shape, Window

from ..formulas.windows import Windows
from .launching import WARP, blocks, common, flag, from_model_to_model, operand
from .linear import ROWS_A_THREAD, Linear

#: The most elements that the windows of a tile of images may occupy: 256 MiB of float32.
MOST_ELEMENTS = 2**26


class Images(Linear):
    """The kernels for images: ``conv`` and its adjoints by gathered windows, and channel statistics."""

    def _gathered(self, x: Array, windows: Windows) -> Array:
        """Gather the windows of images ``x (R, T, H, W C)`` as rows ``(R, T H' W', size size C)``."""
        models, images = x.shape[:2]
        rows = self.empty((models, images * windows.count, windows.width), x.dtype)
        if windows.are_images:
            rows[...] = x.reshape(rows.shape)
        elif rows.size:
            grid = self.flat_grid(rows.size // models, models)
            self.launch("windows", x.dtype, "gather_windows", grid, x, from_model_to_model(x), models, images,
                        *_numbers(windows), rows)  # fmt: skip
        return rows

    def _scattered(self, rows: Array, windows: Windows, x: Array) -> None:
        """Apply the adjoint of :meth:`_gathered` to rows, and write it to ``x (R, T, H, W C)``."""
        models, images = x.shape[:2]
        if windows.are_images:
            x[...] = rows.reshape(x.shape)
        elif x.size:
            grid = self.flat_grid(x.size // models, models)
            self.launch("windows", x.dtype, "scatter_windows", grid, rows, models, images,
                        *_numbers(windows), x, from_model_to_model(x))  # fmt: skip

    def _images(self, x: Array, dtype: np.dtype[Any]) -> Array:
        """Reshape ``(R, S, N, H, W, C)`` to ``(R, S N, H, W C)``, contiguous."""
        return self.contiguous(x, dtype).reshape(
            x.shape[0], x.shape[1] * x.shape[2], x.shape[3], x.shape[4] * x.shape[5]
        )

    def _matrices(self, w: Array, dtype: np.dtype[Any]) -> Array:
        """Reshape weights ``(R, O, size, size, I)`` to ``(R, O, size size I)``."""
        return w.astype(dtype, copy=False).reshape(*w.shape[:2], math.prod(w.shape[2:]))

    def conv(self, x: Array, w: Array, window: Window) -> Array:
        """Compute ``y[h,w] = sum_{u,v} w[u,v] x[h t + u - pad, w t + v - pad]``."""
        dtype = common(x, w)
        windows = Windows(window, x.shape[3:5], x.shape[5], MOST_ELEMENTS)
        images, weights = self._images(x, dtype), self._matrices(w, dtype)
        models, outputs = max(len(x), len(w)), w.shape[1]
        y = self.empty((models, *x.shape[1:3], *windows.places, outputs), dtype)
        flat = y.reshape(models, images.shape[1] * windows.count, outputs)
        for tile in windows.tiles(images.shape[1]):
            to = flat[:, tile.start * windows.count : tile.stop * windows.count]
            self.gemm(self._gathered(images[:, tile], windows), weights, tb=True, out=to)
        return y

    def conv_adjoint_x(self, gy: Array, w: Array, window: Window, image: Shape) -> Array:
        """Compute ``gx``, where ``gx[h t + u - pad, w t + v - pad] += w[u,v]' gy[h,w]`` from zero."""
        dtype = common(gy, w)
        windows = Windows(window, image, w.shape[4], MOST_ELEMENTS)
        weights, count = self._matrices(w, dtype), gy.shape[1] * gy.shape[2]
        models, outputs = max(len(gy), len(w)), gy.shape[5]
        cotangents = self.contiguous(gy, dtype).reshape(len(gy), count * windows.count, outputs)
        gx = self.empty((models, *gy.shape[1:3], *image, w.shape[4]), dtype)
        flat = gx.reshape(models, count, image[0], image[1] * w.shape[4])
        for tile in windows.tiles(count):
            part = cotangents[:, tile.start * windows.count : tile.stop * windows.count]
            self._scattered(self.gemm(part, weights), windows, flat[:, tile])
        return gx

    def conv_adjoint_w(self, gy: Array, x: Array, window: Window, out: Array) -> None:
        """Add to the gradient ``gw[u,v] += sum_{h,w} gy[h,w] x[h t + u - pad, w t + v - pad]'``."""
        windows = Windows(window, x.shape[3:5], x.shape[5], MOST_ELEMENTS)
        images, outputs = self._images(x, out.dtype), gy.shape[5]
        cotangents = self.contiguous(gy, out.dtype).reshape(len(gy), images.shape[1] * windows.count, outputs)
        flat = out.reshape(len(out), outputs, windows.width)
        for tile in windows.tiles(images.shape[1]):
            part = cotangents[:, tile.start * windows.count : tile.stop * windows.count]
            rows = self._gathered(images[:, tile], windows)
            self.gemm(part, rows, ta=True, out=flat, accumulate=True)
        # A copy lies apart from out; whether bounds overlap is known without the device.
        if not np.may_share_memory(flat, out):
            out[...] = flat.reshape(out.shape)

    def channel_moments(self, x: Array) -> tuple[Array, Array]:
        """Compute mean and variance over S, N and space, centred on a first estimate of the mean."""
        count = math.prod(x.shape[1:-1])
        first = self._of_all_samples(self.activation_sums(None, None, x, None, None)[1]) / count
        centred = self.channel_combine([(x, first * 0 + 1)], -first)
        _, total, square = self.activation_sums(None, None, centred, centred, None)
        off = self._of_all_samples(total) / count
        return first + off, self._of_all_samples(square) / count - off * off

    def _of_all_samples(self, sums: Array | None) -> Array:
        assert sums is not None
        total: Array = sums.sum(1, keepdims=True)
        return total

    def activation_sums(
        self, f: ActivationName | None, y: Array | None, gy: Array, x: Array | None, centre: Array | None
    ) -> tuple[Array, Array, Array | None]:
        """Compute ``u = f'(a) gy``, ``sum u`` and ``sum u (x - centre)`` in one pass over chunks of rows.

        A second launch adds up the sums of the chunks.
        """
        given = [v for v in (gy, y, x, centre) if v is not None]
        dtype, channels = common(*given), gy.shape[-1]
        models, samples = np.broadcast_shapes(*(v.shape[:2] for v in given))
        rows = math.prod(gy.shape[2:-1])
        columns = min(WARP, 1 << (channels - 1).bit_length())
        chunk = ROWS_A_THREAD * (self.threads // columns)
        chunks = max(1, blocks(rows, chunk))
        sums = self.machine.xp.zeros((2, models * samples, chunks, channels), dtype)
        u = gy if y is None else self.empty((models, samples, *gy.shape[2:]), dtype)
        if u.size:
            centre = self.machine.xp.zeros((1, 1, channels), dtype) if centre is None else centre
            filled = (gy if y is None else y, gy, gy if x is None else x, centre)
            steps = [operand(self.contiguous(v, dtype)) for v in filled]
            grid = chunks, blocks(channels, columns), min(models * samples, self.most_rows)
            self.launch("channels", dtype, f"{f or 'no'}_sums", grid,
                        *(number for step in steps for number in step), flag(x is not None), models, samples,
                        rows, channels, chunk, np.int32(columns), sums if y is None else u,
                        flag(y is not None), sums)  # fmt: skip
        if chunks > 1:
            joined = self.machine.xp.zeros((2 * models * samples, channels), dtype)
            sums = self.sum_rows(sums.reshape(2 * models * samples, 1, chunks, channels), joined)
        total, cross = sums.reshape(2, models, samples, channels)
        if y is not None:  # if only x differs between models or samples, u has one copy too many
            u = u[: max(len(y), len(gy)), : max(y.shape[1], gy.shape[1])]
        return u, total, None if x is None else cross

    def channel_combine(
        self, parts: Sequence[tuple[Array, Array]], shift: Array | None, out: Array | None = None
    ) -> Array:
        """Compute ``sum_i c_i v_i + shift``, two parts in a pass."""
        small = [] if shift is None else [shift]
        lead = np.broadcast_shapes(*(x.shape[:2] for x in (*(v for part in parts for v in part), *small)))
        u = parts[0][0]
        to = self.empty((*lead, *u.shape[2:]), u.dtype) if out is None else out
        with self.in_place(to) as (whole,):
            for i in range(0, len(parts) if to.size else 0, 2):
                self._combine(parts[i : i + 2], None if i else shift, i > 0, whole)
        return to

    def _combine(
        self, parts: Sequence[tuple[Array, Array]], shift: Array | None, accumulate: bool, out: Array
    ) -> None:
        """Combine one or two parts, and write or add them to a contiguous ``out``."""
        (u, a), (v, b) = parts[0], parts[-1]
        models, samples, *inner = out.shape
        size = math.prod(inner)
        steps = [operand(self.contiguous(x, out.dtype)) for x in (u, a, v, b, a if shift is None else shift)]
        self.launch("channels", out.dtype, "combine", self.flat_grid(size, models * samples),
                    *(number for step in steps for number in step), flag(len(parts) > 1),
                    flag(shift is not None), flag(accumulate), models, samples, size, inner[-1],
                    out)  # fmt: skip


def _numbers(windows: Windows) -> tuple[np.int32, ...]:
    """Return the geometry of the windows as kernel arguments."""
    return tuple(np.int32(number) for number in (*windows.numbers, *windows.places))
