"""Test that a record in memory is the record that compiled code receives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from numba import types

from vsmnp.kernels.cpu.compilation import callback
from vsmnp.kernels.cpu.step.packed_records import held, packed
from vsmnp.types.arrays import Array


class Inner(NamedTuple):
    table: Array
    flags: Array
    rate: float


class Outer(NamedTuple):
    count: int
    inner: Inner
    data: Array


def record() -> Outer:
    cut = np.arange(24.0).reshape(4, 6)[::2, 1::3]  # of strides that do not belong to its shape
    return Outer(-7, Inner(cut, np.array([True, False]), -0.1), np.arange(3, dtype=np.float32))


def _read(place: Any, out: Any) -> None:
    count, inner, data = held(place)
    to = numba.carray(out, (12,), np.float64)
    to[0], to[1] = count, inner.rate
    to[2], to[3] = inner.table.shape[0], inner.table.shape[1]
    for i in range(2):
        for j in range(2):
            to[4 + 2 * i + j] = inner.table[i, j]
    to[8], to[9] = inner.flags[0], inner.flags[1]
    to[10], to[11] = data[2], data.size
    data[0] = 5


def test_a_packed_record_is_read_where_its_arrays_are() -> None:
    given, out = record(), np.zeros(12)
    memory = packed(given)
    read = callback(_read, types.void(types.CPointer(numba.typeof(given)), types.voidptr)).ctypes
    read(memory.ctypes.data, out.ctypes.data)
    np.testing.assert_array_equal(out, [-7, -0.1, 2, 2, *given.inner.table.ravel(), 1, 0, 2, 3])
    assert given.data[0] == 5


def test_what_fills_no_word_is_refused() -> None:
    with pytest.raises(TypeError, match="True is neither"):
        packed((True,))
