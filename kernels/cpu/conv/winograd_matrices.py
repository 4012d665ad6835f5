r"""Minimal filtering: two neighbouring outputs of a short filter from fewer products than taps.

In one dimension, two outputs :math:`y_i = \sum_m w_m x_{i+m}` of a filter of :math:`\tau` taps need only
:math:`\tau + 1` products,

.. math:: y = M [(G w) \odot (B x)],

of combinations of weights and of inputs; M puts them together. In two dimensions all three act on both axes,
and a product of numbers becomes one of matrices, over channels: 9 in place of 16 for two taps, 16 in place of
36 for three. No combination divides by more than two, and little accuracy is lost.

A filter with a stride of t is t filters of stride 1, of every t-th tap over every t-th pixel, added up: where
t divides its size, they differ only in their taps and are as many channels more.

References
----------
S. Winograd, "Arithmetic complexity of computations", SIAM 1980. A. Lavin, S. Gray, "Fast algorithms for
convolutional neural networks", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from vsmnp.types import Window


class Filtering(NamedTuple):
    """The matrices of one dimension.

    Attributes
    ----------
    pairs : tuple of (int, int, float)
        The rows of B: ``x[first] + factor x[second]``.
    weights : tuple of tuple of float
        G, a row for each product and a column for each tap.
    outputs : tuple of tuple of float
        M, a row for each of the two outputs and a column for each product.
    """

    pairs: tuple[tuple[int, int, float], ...]
    weights: tuple[tuple[float, ...], ...]
    outputs: tuple[tuple[float, ...], tuple[float, ...]]


#: By the number of taps.
FILTERINGS: Mapping[int, Filtering] = MappingProxyType({
    2: Filtering(
        ((0, 1, -1.0), (1, 1, 0.0), (2, 1, -1.0)),
        ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0)),
        ((1.0, 1.0, 0.0), (0.0, 1.0, 1.0)),
    ),
    3: Filtering(
        ((0, 2, -1.0), (1, 2, 1.0), (2, 1, -1.0), (1, 3, -1.0)),
        ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0)),
        ((1.0, 1.0, 1.0, 0.0), (0.0, 1.0, -1.0, -1.0)),
    ),
})  # fmt: skip


def filtering(window: Window) -> Filtering | None:
    """That of a window's taps along an axis, or None where it has none."""
    taps, left = divmod(window.size, window.stride)
    return None if left else FILTERINGS.get(taps)
