"""Test that the views of compiled loops equal slices of NumPy."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from vsmnp.kernels.cpu.views import beyond, row_of, run_of, window


@numba.njit
def _of_two(a: Any, p: int, first: int, count: int) -> Any:
    return run_of(a, p, first, count), row_of(a, p), beyond(row_of(a, p), first), window(a[p], first, count)


@numba.njit
def _of_three(a: Any, r: int, s: int, first: int, count: int) -> Any:
    return run_of(a, (r, s), first, count), row_of(a, (r, s))


@numba.njit
def _filled(a: Any, p: int) -> None:
    part = run_of(a, p, 1, 2)
    for i in range(part.size):
        part[i] = -1


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_views_of_matrices(dtype: Any) -> None:
    a = np.arange(35).astype(dtype).reshape(5, 7)
    for p, first, count in ((0, 0, 7), (4, 3, 2), (2, 6, 0)):
        part, whole, rest, same = _of_two(a, p, first, count)
        np.testing.assert_array_equal(part, a[p, first : first + count])
        np.testing.assert_array_equal(whole, a[p])
        np.testing.assert_array_equal(rest, a[p, first:])
        np.testing.assert_array_equal(same, part)


def test_views_of_more_axes() -> None:
    a = np.arange(60.0).reshape(3, 4, 5)
    for r, s, first, count in ((0, 0, 0, 5), (2, 3, 1, 4), (1, 2, 3, 1)):
        part, whole = _of_three(a, r, s, first, count)
        np.testing.assert_array_equal(part, a[r, s, first : first + count])
        np.testing.assert_array_equal(whole, a[r, s])


def test_views_are_the_memory_itself() -> None:
    a = np.zeros((3, 4))
    _filled(a, 1)
    np.testing.assert_array_equal(a, [[0, 0, 0, 0], [0, -1, -1, 0], [0, 0, 0, 0]])
