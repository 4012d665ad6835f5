"""Test that products on planes are products of matrices."""

from __future__ import annotations

from ctypes import CFUNCTYPE, c_longlong, c_void_p
from typing import Any

import numpy as np
import pytest

from vsmnp.kernels.cpu.step.affine_llvm import MASKED, PLAIN, RELU, ROW_BYTES
from vsmnp.kernels.cpu.step.inner_loops import AFFINE, AFFINE_SUM, OUTER, OUTER_SUM, addresses
from vsmnp.types.arrays import Array

SHAPES = [
    (1, 1), (2, 30), (30, 2), (7, 5), (6, 12), (13, 9), (4, 4), (5, 3), (9, 6), (8, 7), (3, 11), (17, 14),
]  # fmt: skip
DTYPES = [np.float32, np.float64]


def leaf(which: int, letters: str, dtype: Any) -> Any:
    kinds = {"p": c_void_p, "w": c_longlong}
    address = int(addresses(np.dtype(dtype), ["exp"], True, True)[which])
    return CFUNCTYPE(None, *(kinds[letter] for letter in letters))(address)


def planes(rng: np.random.Generator, n: int, stride: int, dtype: Any) -> Array:
    return rng.standard_normal((n, stride)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mode", [PLAIN, RELU, MASKED])
def test_affine(dtype: Any, shape: tuple[int, int], mode: int) -> None:
    (n_out, n_in), rng = shape, np.random.default_rng(0)
    lanes = ROW_BYTES // np.dtype(dtype).itemsize
    rows, stride = 3 * lanes, 3 * lanes + 5
    w, b = planes(rng, n_out, n_in, dtype), planes(rng, 1, n_out, dtype)[0]
    x, mask = planes(rng, n_in, stride, dtype), planes(rng, n_out, stride, dtype)
    for turned, biased in ((False, 1), (True, 0)):
        stored = np.ascontiguousarray(w.T if turned else w)
        steps = (1, n_out) if turned else (n_in, 1)
        y = np.full((n_out, stride), np.nan, dtype)
        ends = (x.ctypes.data, y.ctypes.data, mask.ctypes.data)
        leaf(AFFINE, "pwwpwpppwwwww", dtype)(
            stored.ctypes.data, *steps, b.ctypes.data, biased, *ends, mode, n_out, n_in, rows, stride
        )
        expected = w @ x + biased * b[:, None]
        expected = {PLAIN: expected, RELU: np.maximum(expected, 0), MASKED: expected * (mask > 0)}[mode]
        np.testing.assert_allclose(
            y[:, :rows], expected[:, :rows], rtol=0, atol=30 * np.finfo(dtype).eps * n_in
        )
        assert np.isnan(y[:, rows:]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_sum_of_two_affine_products(dtype: Any, shape: tuple[int, int]) -> None:
    (n_out, n_in), rng = shape, np.random.default_rng(2)
    rows = 3 * ROW_BYTES // np.dtype(dtype).itemsize
    stride = rows + 5
    (w, v), b = (planes(rng, n_out, n_in, dtype) for _ in range(2)), planes(rng, 1, n_out, dtype)[0]
    (x, u), mask = (planes(rng, n_in, stride, dtype) for _ in range(2)), planes(rng, n_out, stride, dtype)
    for turned, biased, mode in ((False, 1, PLAIN), (True, 0, MASKED)):
        stored = [np.ascontiguousarray(each.T if turned else each) for each in (w, v)]
        steps = (1, n_out) if turned else (n_in, 1)
        y = np.full((n_out, stride), np.nan, dtype)
        ends = (each.ctypes.data for each in (x, u, y, mask))
        leaf(AFFINE_SUM, "ppwwpwppppwwwww", dtype)(
            *(each.ctypes.data for each in stored), *steps, b.ctypes.data, biased, *ends, mode, n_out, n_in,
            rows, stride,
        )  # fmt: skip
        expected = (w @ x + v @ u + biased * b[:, None]) * (mask > 0 if mode == MASKED else 1)
        np.testing.assert_allclose(
            y[:, :rows], expected[:, :rows], rtol=0, atol=60 * np.finfo(dtype).eps * n_in
        )
        assert np.isnan(y[:, rows:]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_sum_of_two_outer_products_has_the_bias_of_the_first(dtype: Any, shape: tuple[int, int]) -> None:
    (n_out, n_in), rng = shape, np.random.default_rng(3)
    rows = 4 * ROW_BYTES // np.dtype(dtype).itemsize
    stride = rows + 3
    (gy, dgy), (x, dx) = ([planes(rng, n, stride, dtype) for _ in range(2)] for n in shape)
    w, b = planes(rng, n_out, n_in, dtype), planes(rng, 1, n_out, dtype)[0]
    for biased in (0, 1):
        gw, gb = w.copy(), b.copy()
        ends = (each.ctypes.data for each in (gy, x, dgy, dx, gw, gb))
        leaf(OUTER_SUM, "ppppppwwwww", dtype)(*ends, biased, n_out, n_in, rows, stride)
        bound = {"rtol": 0, "atol": 60 * np.finfo(dtype).eps * rows}
        expected = gy[:, :rows] @ x[:, :rows].T + dgy[:, :rows] @ dx[:, :rows].T
        np.testing.assert_allclose(gw, w + expected, **bound)
        np.testing.assert_allclose(gb, b + biased * gy[:, :rows].sum(1), **bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_outer_accumulates(dtype: Any, shape: tuple[int, int]) -> None:
    (n_out, n_in), rng = shape, np.random.default_rng(1)
    lanes = ROW_BYTES // np.dtype(dtype).itemsize
    rows, stride = 4 * lanes, 4 * lanes + 3
    gy, x = planes(rng, n_out, stride, dtype), planes(rng, n_in, stride, dtype)
    w, b = planes(rng, n_out, n_in, dtype), planes(rng, 1, n_out, dtype)[0]
    for biased in (0, 1):
        gw, gb = w.copy(), b.copy()
        leaf(OUTER, "ppppwwwww", dtype)(
            gy.ctypes.data, x.ctypes.data, gw.ctypes.data, gb.ctypes.data, biased, n_out, n_in, rows, stride
        )
        bound = {"rtol": 0, "atol": 30 * np.finfo(dtype).eps * rows}
        np.testing.assert_allclose(gw, w + gy[:, :rows] @ x[:, :rows].T, **bound)
        np.testing.assert_allclose(gb, b + biased * gy[:, :rows].sum(1), **bound)


def test_a_relu_lets_what_is_no_number_through() -> None:
    rows = ROW_BYTES // 4
    x, w, b = np.full((1, rows), np.nan, np.float32), np.ones(1, np.float32), np.zeros(1, np.float32)
    y = np.zeros((1, rows), np.float32)
    ends = (x.ctypes.data, y.ctypes.data, y.ctypes.data)
    leaf(AFFINE, "pwwpwpppwwwww", np.float32)(
        w.ctypes.data, 1, 1, b.ctypes.data, 1, *ends, RELU, 1, 1, rows, rows
    )
    assert np.isnan(y).all()
