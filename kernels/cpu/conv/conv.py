"""The convolution kernels of the ``cpu`` set, which choose the faster algorithm for a shape."""

from __future__ import annotations

from types import ModuleType

from vsmnp.types import Array, Shape, Window

from ..compilation import contiguous
from . import gather, winograd
from .winograd_matrices import filtering

#: With fewer channels, the linear combinations of minimal filtering cost more than the products saved.
FEWEST_CHANNELS = 16


def _way(window: Window, image: Shape, w: Array) -> ModuleType:
    """Choose minimal filtering if the outputs form several blocks, else gathered windows."""
    fewer = filtering(window, image) is not None and min(w.shape[1], w.shape[4]) >= FEWEST_CHANNELS
    return winograd if fewer else gather


def _listed(x: Array) -> Array:
    """Reshape ``(R, S, N, H, W, C)`` to ``(R, S N, H, W C)``, contiguous."""
    models, samples, count, height, width, channels = x.shape
    return contiguous(x).reshape(models, samples * count, height, width * channels)


def conv(x: Array, w: Array, window: Window) -> Array:
    """Compute ``y[h,w] = sum_{u,v} w[u,v] x[h t + u - pad, w t + v - pad]``."""
    image = x.shape[3:5]
    y = _way(window, image, w).conv(_listed(x), contiguous(w, x.dtype), window, image)
    places = [window.places(pixels) for pixels in image]
    result: Array = y.reshape(-1, *x.shape[1:3], *places, w.shape[1])
    return result


def conv_adjoint_x(gy: Array, w: Array, window: Window, image: Shape) -> Array:
    """Compute ``gx``, where ``gx[h t + u - pad, w t + v - pad] += w[u,v]' gy[h,w]`` from zero."""
    gx = _way(window, image, w).conv_adjoint_x(_listed(gy), contiguous(w, gy.dtype), window, image)
    result: Array = gx.reshape(-1, *gy.shape[1:3], *image, w.shape[4])
    return result


def conv_adjoint_w(gy: Array, x: Array, window: Window, out: Array) -> None:
    """Add to the weight gradient ``gw[u,v] += sum_{h,w} gy[h,w] x[h t + u - pad, w t + v - pad]'``."""
    image = x.shape[3:5]
    _way(window, image, out).conv_adjoint_w(_listed(contiguous(gy, x.dtype)), _listed(x), window, image, out)
