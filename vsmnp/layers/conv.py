"""Layers of images ``(R, S, N, H, W, C)``: convolution, its transpose, and changes of size.

Channels are innermost: the window of a pixel is then a few long runs of memory, a convolution is one matrix
product whose rows are pixels, and biases, activations and statistics treat pixels as rows of a dense layer.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..types import Array, Kernels, Shape, Shapes, Window
from .families import Bilinear, LinearMap


def _parameters(w: Shape, channels: int, bias: bool) -> Shapes:
    """Return the parameter shapes of a convolution, with a bias for each output channel if there is one."""
    return {"w": w, "b": (channels,)} if bias else {"w": w}


@dataclass(frozen=True)
class _Convolution(Bilinear):
    """The common fields of a convolution and its transpose."""

    n_in: int
    n_out: int
    window: Window
    image: Shape
    bias: bool = True


@dataclass(frozen=True)
class Conv(_Convolution):
    """``y[h,w,o] = sum_{u,v,i} w[o,u,v,i] x[h t + u - pad, w t + v - pad, i] + b[o]``, t the stride.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    window : Window
        Window of the input that one output pixel depends on.
    image : tuple of int
        ``(H, W)`` of the input.
    bias : bool
        Whether there is a ``b``.
    """

    @property
    def shapes(self) -> Shapes:
        size = self.window.size
        return _parameters((self.n_out, size, size, self.n_in), self.n_out, self.bias)

    def apply(self, k: Kernels, w: Array, x: Array) -> Array:
        return k.conv(x, w, self.window)

    def adjoint_x(self, k: Kernels, gy: Array, w: Array) -> Array:
        return k.conv_adjoint_x(gy, w, self.window, self.image)

    def adjoint_w(self, k: Kernels, gy: Array, x: Array, out: Array) -> None:
        k.conv_adjoint_w(gy, x, self.window, out)


@dataclass(frozen=True)
class ConvTranspose(_Convolution):
    """The adjoint of a convolution from ``n_out`` to ``n_in`` channels: conv and conv_adjoint_x exchanged.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    window : Window
        Window of the output that one *input* pixel contributes to.
    image : tuple of int
        ``(H, W)`` of the *output*.
    bias : bool
        Whether there is a ``b``.
    """

    @property
    def shapes(self) -> Shapes:
        size = self.window.size
        return _parameters((self.n_in, size, size, self.n_out), self.n_out, self.bias)

    def apply(self, k: Kernels, w: Array, x: Array) -> Array:
        return k.conv_adjoint_x(x, w, self.window, self.image)

    def adjoint_x(self, k: Kernels, gy: Array, w: Array) -> Array:
        return k.conv(gy, w, self.window)

    def adjoint_w(self, k: Kernels, gy: Array, x: Array, out: Array) -> None:
        k.conv_adjoint_w(x, gy, self.window, out)


#: The window of the output that one input pixel contributes to, after doubling and a 3 x 3 convolution.
_ENLARGING = Window(4, stride=2, pad=1)


def _boxes(w: Array) -> Array:
    """Sum 2 x 2 neighbouring taps of ``w (R, ., size, size, .)``, one tap fewer per side."""
    rows = w[:, :, :-1] + w[:, :, 1:]
    sums: Array = rows[:, :, :, :-1] + rows[:, :, :, 1:]
    return sums


@dataclass(frozen=True)
class UpsampledConv(Bilinear):
    """``Conv`` of 3 x 3 pixels with pad 1 after ``Upsample(2)``, without storing the larger image.

    Taps that fall on copies of one pixel are added first: the result is a transposed convolution of
    4 x 4 pixels with stride 2, with 16 products per input pixel instead of 36.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    image : tuple of int
        ``(H, W)`` of the input.
    bias : bool
        Whether there is a ``b``.
    """

    n_in: int
    n_out: int
    image: Shape
    bias: bool = True

    @property
    def shapes(self) -> Shapes:
        return _parameters((self.n_out, 3, 3, self.n_in), self.n_out, self.bias)

    def _taps(self, k: Kernels, w: Array) -> Array:
        """Compute the taps of the transposed convolution, ``(R, I, 4, 4, O)``."""
        framed = k.zeros((len(w), self.n_out, 5, 5, self.n_in), w.dtype)
        framed[:, :, 1:4, 1:4] = w
        return _boxes(framed)[:, :, ::-1, ::-1].swapaxes(1, 4)

    def apply(self, k: Kernels, w: Array, x: Array) -> Array:
        height, width = self.image
        return k.conv_adjoint_x(x, self._taps(k, w), _ENLARGING, (2 * height, 2 * width))

    def adjoint_x(self, k: Kernels, gy: Array, w: Array) -> Array:
        return k.conv(gy, self._taps(k, w), _ENLARGING)

    def adjoint_w(self, k: Kernels, gy: Array, x: Array, out: Array) -> None:
        taps = k.zeros((len(out), self.n_in, 4, 4, self.n_out), out.dtype)
        k.conv_adjoint_w(x, gy, _ENLARGING, taps)
        out += _boxes(taps.swapaxes(1, 4)[:, :, ::-1, ::-1])


@dataclass(frozen=True)
class Upsample(LinearMap):
    """Nearest-neighbour upsampling: every pixel is repeated ``factor x factor`` times."""

    factor: int

    def apply(self, k: Kernels, x: Array) -> Array:
        return x.repeat(self.factor, axis=3).repeat(self.factor, axis=4)

    def adjoint(self, k: Kernels, gy: Array) -> Array:
        f = self.factor
        height, width, channels = gy.shape[3:]
        blocks = gy.reshape(*gy.shape[:3], height // f, f, width // f, f, channels)
        total: Array = blocks.sum((4, 6))
        return total


@dataclass(frozen=True)
class AveragePool(LinearMap):
    """Means over blocks of ``factor x factor`` pixels: the adjoint of :class:`Upsample`, scaled."""

    factor: int

    def apply(self, k: Kernels, x: Array) -> Array:
        return Upsample(self.factor).adjoint(k, x) / self.factor**2

    def adjoint(self, k: Kernels, gy: Array) -> Array:
        return Upsample(self.factor).apply(k, gy / self.factor**2)


@dataclass(frozen=True)
class GlobalMean(LinearMap):
    """The mean over the pixels of an image of size ``image``: ``(H, W, C) -> (C,)``."""

    image: Shape

    def apply(self, k: Kernels, x: Array) -> Array:
        mean: Array = x.mean((3, 4))
        return mean

    def adjoint(self, k: Kernels, gy: Array) -> Array:
        height, width = self.image
        each = gy / (height * width)
        return each[:, :, :, None, None].repeat(height, axis=3).repeat(width, axis=4)


@dataclass(frozen=True)
class ChannelsLast(LinearMap):
    """Convert flat data ``(C*H*W,)``, the layout of data files, to an image ``(H, W, C)``."""

    image: Shape  # (C, H, W)

    def apply(self, k: Kernels, x: Array) -> Array:
        images = x.reshape(*x.shape[:3], *self.image)
        return images.transpose(0, 1, 2, 4, 5, 3)

    def adjoint(self, k: Kernels, gy: Array) -> Array:
        return gy.transpose(0, 1, 2, 5, 3, 4).reshape(*gy.shape[:3], -1)


@dataclass(frozen=True)
class ChannelsFirst(LinearMap):
    """Convert an image ``(H, W, C)`` to flat data ``(C*H*W,)``."""

    image: Shape  # (C, H, W)

    def apply(self, k: Kernels, x: Array) -> Array:
        return ChannelsLast(self.image).adjoint(k, x)

    def adjoint(self, k: Kernels, gy: Array) -> Array:
        return ChannelsLast(self.image).apply(k, gy)
