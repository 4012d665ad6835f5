r"""Compute convolutions with fewer products than taps, by minimal filtering (``winograd_matrices.py``).

For each block of outputs, B combines pixels, G combines weights, and M combines their products into
outputs. These three maps are linear, and the adjoints of the convolution are composed of their adjoints:

.. math:: y = M(B(x)\,G(w)^T), \quad g_x = B^T(M^T(g_y)\,G(w)), \quad g_w = G^T(M^T(g_y)^T\,B(x)) .

Each map acts on one axis after the other, on runs of pixels, and on one tile of images at a time.
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

#: The most bytes of the combined pixels and the products of a tile, unless it would have too few blocks.
TILE = 2**22
#: The fewest blocks of a tile: with fewer, a product has too few rows to be fast.
FEWEST_BLOCKS = 256


@dataclass(frozen=True)
class Blocks:
    """The blocks of a window's outputs on images ``(H, W, I)``, and the linear maps on them.

    Parameters
    ----------
    window : Window
        A window that has a filtering.
    image : tuple of int
        ``(H, W)``, whose outputs form blocks of a filtering along both axes.
    n_in, n_out : int
        Channels of the images and of the outputs.
    dtype : numpy.dtype
        Type of all arrays.
    """

    window: Window
    image: Shape
    n_in: int
    n_out: int
    dtype: np.dtype[Any]

    @cached_property
    def rule(self) -> Filtering:
        """Filtering of the window along an axis."""
        found = filtering(self.window, self.image)
        assert found is not None
        return found

    @property
    def products(self) -> int:
        """Number of products for both axes together."""
        return len(self.rule.inputs) ** 2

    @property
    def counts(self) -> tuple[int, int]:
        """Number of blocks down and right."""
        down, right = (self.window.places(pixels) // self.each for pixels in self.image)
        return down, right

    @property
    def each(self) -> int:
        """Number of outputs of a block along an axis."""
        return len(self.rule.outputs)

    @property
    def width(self) -> int:
        """Length of a product's inner axis: the channels of ``stride^2`` filters."""
        return self.window.stride**2 * self.n_in

    @cached_property
    def terms(self) -> tuple[Array, Array, Array]:
        """The rows of B: their even numbers of terms, the indices of the inputs, and the factors of these."""
        rows = [np.flatnonzero(row) for row in self.rule.inputs]
        counts = np.array([len(row) + len(row) % 2 for row in rows])
        inputs = np.zeros((len(rows), counts.max()), np.int64)
        factors = np.zeros(inputs.shape, self.dtype)
        for row, of, to, factor in zip(rows, self.rule.inputs, inputs, factors, strict=True):
            to[: len(row)], factor[: len(row)] = row, of[row]
        return counts, inputs, factors

    @cached_property
    def weights(self) -> Array:
        """The matrix G of the rule, for weights."""
        return self.rule.weights.astype(self.dtype)

    @cached_property
    def outputs(self) -> Array:
        """The matrix M of the rule, for outputs."""
        return self.rule.outputs.astype(self.dtype)

    def tiles(self, images: int) -> Iterator[tuple[slice, Array, Array]]:
        """Yield slices of consecutive images, and memory for their combined pixels and products.

        The memory has a block more than the images, so that the products of one block, which are written
        together, are not a power of two apart and do not displace each other from the cache.
        """
        blocks = self.counts[0] * self.counts[1]
        each = self.products * blocks
        fitting = TILE // (each * (self.width + self.n_out) * self.dtype.itemsize)
        most = max(fitting, math.ceil(FEWEST_BLOCKS / blocks))
        tile = math.ceil(images / math.ceil(images / most))
        room = tile * each + self.products
        buffers = [(np.empty(room * c, self.dtype), c) for c in (self.width, self.n_out)]
        for first in range(0, images, tile):
            last = min(first + tile, images)
            size = (last - first) * each + self.products
            pixels, products = (buffer[: size * c].reshape(self.products, -1, c) for buffer, c in buffers)
            yield slice(first, last), pixels, products

    def apply_b(self, x: Array, pixels: Array) -> Array:
        """Combine the pixels of images ``x (T, H, W I)`` into ``pixels (products, blocks + 1, width)``.

        Returns those of the blocks, without the one that is not used; so does :meth:`apply_m_adjoint`.
        """
        loops.apply_b(x, pixels, *self.terms, *self._geometry)
        return pixels[:, :-1]

    def apply_b_adjoint(self, pixels: Array, x: Array) -> None:
        """Apply the adjoint of :meth:`apply_b`, and write the resulting images to x."""
        loops.apply_b_adjoint(pixels, x, *self.terms, *self._geometry)

    @property
    def _geometry(self) -> tuple[int, ...]:
        return self.each, self.window.stride, self.window.pad, self.n_in, *self.counts

    def apply_m(self, products: Array, y: Array) -> None:
        """Combine the products ``(products, blocks + 1, O)`` into outputs ``y (T, H', W' O)``."""
        loops.apply_m(products, y, self.outputs, self.n_out, *self.counts)

    def apply_m_adjoint(self, y: Array, products: Array) -> Array:
        """Apply the adjoint of :meth:`apply_m`: the cotangents of the products, from those of the outputs."""
        loops.apply_m_adjoint(y, products, self.outputs, self.n_out, *self.counts)
        return products[:, :-1]

    def apply_g(self, w: Array) -> Array:
        """Combine weights ``(R, O, size, size, I)`` into ``(R, products, O, width)``."""
        weights = np.zeros((len(w), self.products, self.n_out, self.width), self.dtype)
        for one, each in zip(w, weights, strict=True):
            loops.apply_g(
                one.reshape(self.n_out, self.window.size, -1), each, self.weights, self.window.stride
            )
        return weights

    def apply_g_adjoint(self, weights: Array) -> Array:
        """Apply the adjoint of :meth:`apply_g` to one model: a gradient ``(O, size, size, I)``."""
        size = self.window.size
        w = np.zeros((self.n_out, size, size * self.n_in), self.dtype)
        loops.apply_g_adjoint(weights, w, self.weights, self.window.stride)
        return w.reshape(self.n_out, size, size, self.n_in)


# --- the three kernels ---------------------------------------------------------------------------


def _blocks(w: Array, window: Window, image: Shape, dtype: np.dtype[Any]) -> Blocks:
    return Blocks(window, image, w.shape[4], w.shape[1], dtype)


def conv(x: Array, w: Array, window: Window, image: Shape) -> Array:
    """Compute the convolution ``y (R, N, H', W' O)`` of images ``x (R|1, N, H, W I)``."""
    blocks = _blocks(w, window, image, x.dtype)
    weights, (down, right) = blocks.apply_g(w), blocks.counts
    models, count = max(len(x), len(w)), x.shape[1]
    y = np.empty((models, count, blocks.each * down, blocks.each * right * blocks.n_out), x.dtype)
    for r in range(models):
        for tile, pixels, products in blocks.tiles(count):
            combined = blocks.apply_b(x[r % len(x), tile], pixels)
            gemm(combined, weights[r % len(w)], tb=True, out=products[:, :-1])
            blocks.apply_m(products, y[r, tile])
    return y


def conv_adjoint_x(gy: Array, w: Array, window: Window, image: Shape) -> Array:
    """Compute ``gx (R, N, H, W I)`` from cotangents ``gy (R|1, N, H', W' O)``."""
    blocks = _blocks(w, window, image, gy.dtype)
    weights = blocks.apply_g(w)
    models, count = max(len(gy), len(w)), gy.shape[1]
    gx = np.empty((models, count, image[0], image[1] * blocks.n_in), gy.dtype)
    for r in range(models):
        for tile, pixels, products in blocks.tiles(count):
            cotangents = blocks.apply_m_adjoint(gy[r % len(gy), tile], products)
            gemm(cotangents, weights[r % len(w)], out=pixels[:, :-1])
            blocks.apply_b_adjoint(pixels, gx[r, tile])
    return gx


def conv_adjoint_w(gy: Array, x: Array, window: Window, image: Shape, out: Array) -> None:
    """Add the weight gradient of ``gy (R|1, N, H', W' O)``, ``x (R|1, N, H, W I)`` to ``out (R, O, ...)``."""
    blocks = _blocks(out, window, image, x.dtype)
    for r in range(len(out)):
        gradient = np.zeros((blocks.products, blocks.n_out, blocks.width), x.dtype)
        for tile, pixels, products in blocks.tiles(x.shape[1]):
            cotangents = blocks.apply_m_adjoint(gy[r % len(gy), tile], products)
            combined = blocks.apply_b(x[r % len(x), tile], pixels)
            gemm(cotangents, combined, ta=True, out=gradient, accumulate=True)
        out[r] += blocks.apply_g_adjoint(gradient)
