r"""The matrices of minimal filtering: two outputs of a short filter from fewer products.

In one dimension, two outputs :math:`y_i = \sum_m w_m x_{i+m}` of a filter of :math:`\tau` taps need only
:math:`\tau + 1` products,

.. math:: y = M [(G w) \odot (B x)],

of combinations of weights and of inputs; M combines the products. In two dimensions all three matrices act on
both axes, and a product of numbers becomes a product of matrices over channels: 9 instead of 16 for two taps,
16 instead of 36 for three. No combination divides by more than two, and little accuracy is lost.

A filter with a stride of t is the sum of t filters of stride 1, each of every t-th tap over every t-th pixel:
if t divides the size, these filters have equally many taps and are treated as additional channels.

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
    """The matrices of minimal filtering in one dimension.

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


#: The filterings by the number of taps.
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
    """Return the filtering of a window's taps along an axis, or None if there is none."""
    taps, left = divmod(window.size, window.stride)
    return None if left else FILTERINGS.get(taps)
