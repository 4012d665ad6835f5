"""A batch of matrices as BLAS sees it."""

from __future__ import annotations

from typing import NamedTuple

from vsmnp.types import Array


class Matrices(NamedTuple):
    """A batch of matrices, stored by columns.

    Attributes
    ----------
    array : Array
        Its first element is the first element of the first matrix.
    leading : int
        Elements from one column to the next.
    stride : int
        Elements from one matrix to the next; 0 where all are the same.
    """

    array: Array
    leading: int
    stride: int
