"""Arrange many small images in one large image."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError
from ..types import Array, Shape

#: Number of images along one side.
SIDE = 8


def mosaic(x: Array, shape: Shape) -> Array:
    """Arrange up to 64 images row by row.

    Parameters
    ----------
    x : Array
        ``(N, D)``; missing images have the value of the brightest pixel.
    shape : tuple of int
        ``(H, W)``, or with one or three channels before or after.

    Returns
    -------
    Array
        ``(8 H, 8 W)`` for grey images, ``(8 H, 8 W, 3)`` for coloured ones.

    Raises
    ------
    ConfigError
        If samples of that shape are not pictures.
    """
    rows = np.full((SIDE**2, x.shape[1]), x.max(), x.dtype)
    rows[: len(x)] = x[: len(rows)]
    pictures = _channels_last(rows.reshape(-1, *shape))
    height, width, channels = pictures.shape[1:]
    grid = pictures.reshape(SIDE, SIDE, height, width, channels).swapaxes(1, 2)
    return grid.reshape(SIDE * height, SIDE * width, channels).squeeze(-1 if channels == 1 else ())


def _channels_last(x: Array) -> Array:
    """Convert ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)`` to ``(N, H, W, C)``, C being 1 or 3."""
    if x.ndim == 3:
        return x[..., None]
    if x.ndim == 4 and x.shape[-1] in (1, 3):
        return x
    if x.ndim == 4 and x.shape[1] in (1, 3):
        return np.moveaxis(x, 1, -1)
    raise ConfigError(
        f"Samples of shape {x.shape[1:]} are no pictures: they can be drawn as (height, width), or with one "
        "or three channels before or after."
    )
