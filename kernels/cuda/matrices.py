"""Batches of matrices and their products, in the layout of BLAS."""

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


class MatrixProduct(NamedTuple):
    """The product ``c (+)= op(a) op(b)`` for each matrix of a batch.

    Attributes
    ----------
    transposed : tuple of bool
        Whether a and b are transposed.
    sizes : tuple of int
        Rows, columns and inner size.
    accumulate : bool
        Whether the product is added to c.
    """

    transposed: tuple[bool, bool]
    sizes: tuple[int, int, int]
    a: Matrices
    b: Matrices
    accumulate: bool
    c: Matrices
    batch: int
