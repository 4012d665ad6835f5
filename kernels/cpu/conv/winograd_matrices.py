r"""The matrices of minimal filtering: a few outputs of a short filter from fewer products.

In one dimension, m outputs :math:`y_i = \sum_t w_t x_{i+t}` of a filter of :math:`\tau` taps need only
:math:`m + \tau - 1` products,

.. math:: y = M [(G w) \odot (B x)],

of combinations of weights and of inputs; M combines the products. In two dimensions all three matrices act
on both axes, and a product of numbers becomes a product of matrices over channels: for 4 x 4 outputs there
are 25 instead of 64 for two taps, and 36 instead of 144 for three; for 2 x 2 outputs 9 instead of 16, and 16
instead of 36.

The product of two polynomials, of degrees :math:`m - 1` and :math:`\tau - 1`, is known from its values at
:math:`m + \tau - 2` points and its leading coefficient. M and G evaluate the polynomials, G with the
denominators of Lagrange's formula, and the filter is the transpose of this product; the rows of B are the
numerators of the formula. The more points there are, the larger the rounding errors in float32: those of 2
outputs are one to three times those of the plain sum, those of 4 about four to twelve times
(``tests/test_image_kernels.py`` has bounds). The points are fractions of small numbers, with small errors.

A filter with a stride of t is the sum of t filters of stride 1, each of every t-th tap over every t-th pixel:
if t divides the size, these filters have equally many taps and are treated as additional channels.

References
----------
S. Winograd, "Arithmetic complexity of computations", SIAM 1980. A. Lavin, S. Gray, "Fast algorithms for
convolutional neural networks", CVPR 2016. B. Barabasz, A. Anderson, K. M. Soodhalter, D. Gregg, "Error
analysis and improving the accuracy of Winograd convolution for deep neural networks", ACM TOMS 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from vsmnp.types import Array, Shape, Window


class Filtering(NamedTuple):
    """The matrices of minimal filtering in one dimension, in double precision.

    Attributes
    ----------
    inputs : Array
        B, a row for each product and a column for each input.
    weights : Array
        G, a row for each product and a column for each tap.
    outputs : Array
        M, a row for each output and a column for each product.
    """

    inputs: Array
    weights: Array
    outputs: Array


def _with_roots(roots: Sequence[Fraction]) -> list[Fraction]:
    """Return the coefficients of ``prod_q (x - q)``, the constant first."""
    found = [Fraction(1)]
    for q in roots:
        found = [a - q * b for a, b in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found


def _filtering(outputs: int, taps: int, *points: str) -> Filtering:
    """Compute the matrices from the points, exactly; each number is rounded at the end."""
    at = [Fraction(point) for point in points]
    others = [[q for q in at if q != p] for p in at]
    scales = [1 / prod((p - q for q in rest), start=Fraction(1)) for p, rest in zip(at, others, strict=True)]
    inputs = [*([*_with_roots(rest), Fraction(0)] for rest in others), _with_roots(at)]
    weights = [[scale * p**tap for tap in range(taps)] for p, scale in zip(at, scales, strict=True)]
    weights.append([Fraction(tap == taps - 1) for tap in range(taps)])
    values = [[*(p**i for p in at), Fraction(i == outputs - 1)] for i in range(outputs)]
    return Filtering(*(np.array(matrix, np.float64) for matrix in (inputs, weights, values)))


#: The filterings by the numbers of taps and of outputs; for each number of taps the most outputs come first.
FILTERINGS: Mapping[tuple[int, int], Filtering] = MappingProxyType({
    (2, 4): _filtering(4, 2, "0", "1", "-1", "1/2"),
    (2, 2): _filtering(2, 2, "0", "1"),
    (3, 4): _filtering(4, 3, "0", "1", "-1", "1/2", "-2"),
    (3, 2): _filtering(2, 3, "0", "1", "-1"),
})  # fmt: skip


def filtering(window: Window, image: Shape) -> Filtering | None:
    """Return the filtering with the most outputs of which an image has several blocks each way, or None."""
    taps, left = divmod(window.size, window.stride)
    places = [window.places(pixels) for pixels in image]
    for (of, outputs), found in FILTERINGS.items():
        if of == taps and not left and all(n % outputs == 0 and n > outputs for n in places):
            return found
    return None
