r"""Compute convolutions with fewer products than taps, by minimal filtering (``winograd_matrices``).

Blocks of 2 x 2 places are *seen* by as many combinations of pixels as there are products, weights are
*mixed*, and outputs *made* of the products. These three are linear, and the adjoints of the convolution
are made of theirs:

.. math:: y = \mathrm{make}(\mathrm{see}(x)\,\mathrm{mix}(w)^T), \quad
          g_x = \mathrm{see}^T(\mathrm{make}^T(g_y)\,\mathrm{mix}(w)), \quad
          g_w = \mathrm{mix}^T(\mathrm{make}^T(g_y)^T\,\mathrm{see}(x)) .

Each acts on one axis after the other, on runs of pixels, and on a tile of images at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vsmnp.types import Array, Shape, Window

from ..linear import gemm
from . import winograd_loops as loops
from .winograd_matrices import Filtering, filtering

#: Bytes that what is seen and made of a tile may take,
TILE = 2**22
#: unless that leaves fewer blocks than a fast product has rows.
FEWEST_BLOCKS = 512


@dataclass(frozen=True)
class Blocks:
    """The blocks of 2 x 2 places of a window on images ``(H, W, I)``, and what is seen and made of them.

    Parameters
    ----------
    window : Window
        With a filtering.
    image : tuple of int
        ``(H, W)``, with an even number of places along both axes.
    n_in, n_out : int
        Channels of the images and of the places.
    dtype : numpy.dtype
        Of everything.
    """

    window: Window
    image: Shape
    n_in: int
    n_out: int
    dtype: np.dtype[Any]

    @cached_property
    def rule(self) -> Filtering:
        """Its filtering."""
        found = filtering(self.window)
        assert found is not None
        return found

    @property
    def products(self) -> int:
        """Along both axes."""
        return len(self.rule.pairs) ** 2

    @property
    def counts(self) -> tuple[int, int]:
        """Blocks down and right."""
        down, right = (self.window.places(pixels) // 2 for pixels in self.image)
        return down, right

    @property
    def width(self) -> int:
        """What a product takes of a block: the channels of ``stride^2`` filters."""
        return self.window.stride**2 * self.n_in

    @cached_property
    def pairs(self) -> tuple[Array, Array, Array]:
        """First and second pixel of every combination, and the second one's factor."""
        first, second, factor = zip(*self.rule.pairs, strict=True)
        return np.array(first), np.array(second), np.array(factor, self.dtype)

    @cached_property
    def weights(self) -> Array:
        """G."""
        return np.array(self.rule.weights, self.dtype)

    @cached_property
    def outputs(self) -> Array:
        """M."""
        return np.array(self.rule.outputs, self.dtype)

    def tiles(self, images: int) -> Iterator[tuple[slice, Array, Array]]:
        """Consecutive images, and room for what is seen and made of them."""
        blocks = self.counts[0] * self.counts[1]
        each = self.products * blocks
        fitting = TILE // (each * (self.width + self.n_out) * self.dtype.itemsize)
        most = max(fitting, math.ceil(FEWEST_BLOCKS / blocks))
        tile = math.ceil(images / math.ceil(images / most))
        rooms = [(np.empty(tile * each * c, self.dtype), c) for c in (self.width, self.n_out)]
        for first in range(0, images, tile):
            last = min(first + tile, images)
            size = (last - first) * each
            seen, made = (room[: size * c].reshape(self.products, -1, c) for room, c in rooms)
            yield slice(first, last), seen, made

    def see(self, x: Array, seen: Array) -> Array:
        """``seen (products, blocks, width)`` of images ``x (T, H, W I)``."""
        loops.see(x, seen, *self.pairs, self.window.stride, self.window.pad, self.n_in, *self.counts)
        return seen

    def see_adjoint(self, seen: Array, x: Array) -> None:
        """Images that are the sum of what is seen of them."""
        loops.see_adjoint(seen, x, *self.pairs, self.window.stride, self.window.pad, self.n_in, *self.counts)

    def make(self, made: Array, y: Array) -> None:
        """Places ``y (T, H', W' O)`` of the products ``made (products, blocks, O)``."""
        loops.make(made, y, self.outputs, self.n_out, *self.counts)

    def make_adjoint(self, y: Array, made: Array) -> Array:
        """What each product hears of the cotangents of the places that it goes into."""
        loops.make_adjoint(y, made, self.outputs, self.n_out, *self.counts)
        return made

    def mix(self, w: Array) -> Array:
        """``(R, products, O, width)`` of weights ``(R, O, size, size, I)``."""
        mixed = np.zeros((len(w), self.products, self.n_out, self.width), self.dtype)
        for one, each in zip(w, mixed, strict=True):
            loops.mix(one.reshape(self.n_out, self.window.size, -1), each, self.weights, self.window.stride)
        return mixed

    def mix_adjoint(self, mixed: Array) -> Array:
        """``(O, size, size, I)``: what each weight hears of what it is mixed into."""
        size = self.window.size
        w = np.zeros((self.n_out, size, size * self.n_in), self.dtype)
        loops.mix_adjoint(mixed, w, self.weights, self.window.stride)
        return w.reshape(self.n_out, size, size, self.n_in)


# --- the three kernels ---------------------------------------------------------------------------


def _blocks(w: Array, window: Window, image: Shape, dtype: np.dtype[Any]) -> Blocks:
    return Blocks(window, image, w.shape[4], w.shape[1], dtype)


def conv(x: Array, w: Array, window: Window, image: Shape) -> Array:
    """``y (R, N, H', W' O)`` of images ``x (R|1, N, H, W I)``."""
    blocks = _blocks(w, window, image, x.dtype)
    mixed, (down, right) = blocks.mix(w), blocks.counts
    models, count = max(len(x), len(w)), x.shape[1]
    y = np.empty((models, count, 2 * down, 2 * right * blocks.n_out), x.dtype)
    for r in range(models):
        for tile, seen, made in blocks.tiles(count):
            gemm(blocks.see(x[r % len(x), tile], seen), mixed[r % len(w)], tb=True, out=made)
            blocks.make(made, y[r, tile])
    return y


def conv_adjoint_x(gy: Array, w: Array, window: Window, image: Shape) -> Array:
    """``gx (R, N, H, W I)`` of cotangents ``gy (R|1, N, H', W' O)``."""
    blocks = _blocks(w, window, image, gy.dtype)
    mixed = blocks.mix(w)
    models, count = max(len(gy), len(w)), gy.shape[1]
    gx = np.empty((models, count, image[0], image[1] * blocks.n_in), gy.dtype)
    for r in range(models):
        for tile, seen, made in blocks.tiles(count):
            gemm(blocks.make_adjoint(gy[r % len(gy), tile], made), mixed[r % len(w)], out=seen)
            blocks.see_adjoint(seen, gx[r, tile])
    return gx


def conv_adjoint_w(gy: Array, x: Array, window: Window, image: Shape, out: Array) -> None:
    """``out (R, O, size, size, I) += `` that of ``gy (R|1, N, H', W' O)`` and ``x (R|1, N, H, W I)``."""
    blocks = _blocks(out, window, image, x.dtype)
    for r in range(len(out)):
        mixed = np.zeros((blocks.products, blocks.n_out, blocks.width), x.dtype)
        for tile, seen, made in blocks.tiles(x.shape[1]):
            heard = blocks.make_adjoint(gy[r % len(gy), tile], made)
            gemm(heard, blocks.see(x[r % len(x), tile], seen), ta=True, out=mixed, accumulate=True)
        out[r] += blocks.mix_adjoint(mixed)
