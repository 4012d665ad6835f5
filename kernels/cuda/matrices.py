"""The layout of a batch of matrices for BLAS."""

from __future__ import annotations

from typing import NamedTuple

from vsmnp.types import Array


class Matrices(NamedTuple):
    """A batch of matrices, stored in column-major order.

    Attributes
    ----------
    array : Array
        An array whose first element is the first element of the first matrix.
    leading : int
        Number of elements from one column to the next.
    stride : int
        Number of elements from one matrix to the next; 0 if all are the same.
    """

    array: Array
    leading: int
    stride: int
