"""Test products through cuBLAS's C interface, with a library on this machine's memory in its place."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from cushim.runner import ShimLauncher
from cushim.sets import libraries
from hypothesis import given
from test_kernels import Draws, draws, many, test_gemm  # noqa: F401  (asked of the door of this file)

from vsmnp.errors import DeviceError
from vsmnp.kernels.cuda import cublas
from vsmnp.kernels.cuda.cublas import WORKSPACE, Cublas
from vsmnp.kernels.cuda.kernel_set import CudaKernels
from vsmnp.kernels.cuda.machine import Machine
from vsmnp.kernels.cuda.matrices import Matrices, MatrixProduct
from vsmnp.types import Array

_int, _pointer, _long = ctypes.c_int, ctypes.c_void_p, ctypes.c_longlong


class FakeLibrary:
    """C functions with cuBLAS's names and types that multiply where the addresses point."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.status = 0
        product = (_pointer, _int, _int, _int, _int, _int, _pointer, _pointer, _int, _long, _pointer, _int,
                   _long, _pointer, _pointer, _int, _long, _int)  # fmt: skip
        self.cublasCreate_v2 = self._function("create", ctypes.POINTER(_pointer))
        self.cublasSetStream_v2 = self._function("stream", _pointer, _pointer)
        self.cublasSetWorkspace_v2 = self._function("workspace", _pointer, _pointer, ctypes.c_size_t)
        self.cublasSetMathMode = self._function("math", _pointer, _int)
        self.cublasSgemmStridedBatched = ctypes.CFUNCTYPE(_int, *product)(self._multiply(np.float32))
        self.cublasDgemmStridedBatched = ctypes.CFUNCTYPE(_int, *product)(self._multiply(np.float64))

    def _function(self, name: str, *types: Any) -> Any:
        def called(*arguments: Any) -> int:
            if name == "create":
                arguments[0][0] = 77
            self.calls.append((name, *arguments[1:]))
            return self.status

        return ctypes.CFUNCTYPE(_int, *types)(called)

    def _multiply(self, number: type[np.floating[Any]]) -> Any:
        size = np.dtype(number).itemsize
        kind = ctypes.c_float if size == 4 else ctypes.c_double

        def columns(address: int, rows: int, width: int, leading: int) -> Array:
            """Return a matrix stored by columns as an array of its memory."""
            assert leading >= rows
            flat = np.ctypeslib.as_array((kind * (leading * (width - 1) + rows)).from_address(address))
            return np.lib.stride_tricks.as_strided(flat, (rows, width), (size, leading * size))

        def multiply(
            handle: int, ta: int, tb: int, m: int, n: int, k: int, alpha: int, a: int, lda: int, a_apart: int,
            b: int, ldb: int, b_apart: int, beta: int, c: int, ldc: int, c_apart: int, batch: int,
        ) -> int:  # fmt: skip
            assert handle == 77
            one, before = (kind.from_address(address).value for address in (alpha, beta))
            for i in range(batch):
                left = columns(a + i * a_apart * size, *((k, m) if ta else (m, k)), lda)
                right = columns(b + i * b_apart * size, *((n, k) if tb else (k, n)), ldb)
                out = columns(c + i * c_apart * size, m, n, ldc)
                product = one * (left.T if ta else left) @ (right.T if tb else right)
                out[...] = product + before * out if before else product
            self.calls.append(("multiply", number))
            return self.status

        return multiply


class Launcher(ShimLauncher):
    """The shim, with its products by cuBLAS."""

    stream = 5

    def connect(self, library: Any, tf32: bool = False) -> Cublas:
        self.spaces: list[Array] = []

        def workspace(count: int) -> Array:
            assert count == WORKSPACE
            self.spaces.append(np.empty(8, np.uint8))
            return self.spaces[-1]

        self.cublas = Cublas(lambda: library, workspace, lambda x: x.ctypes.data, tf32)
        return self.cublas

    def multiply(self, *arguments: Any) -> None:
        self.cublas.multiply(self.stream, *arguments)


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Launcher:
    return Launcher(libraries(tmp_path_factory))


@pytest.fixture(scope="module")
def k(launcher: Launcher) -> CudaKernels:
    launcher.connect(FakeLibrary())
    return CudaKernels(Machine(lambda: np, launcher))


@many
@given(draws)
def test_parts_of_wider_matrices_are_multiplied_where_they_lie(k: CudaKernels, draws: Draws) -> None:
    models, rows, inner, columns = (draws.size() for _ in range(4))
    a = np.zeros((models, rows, inner + 3), draws.dtype)[..., 2 : 2 + inner]
    out = np.zeros((models, rows + 2, columns), draws.dtype)
    a[...], b = draws.rng.standard_normal(a.shape), draws.normal(models, inner, columns)
    k.gemm(a, b, out=out[:, 1:-1])
    np.testing.assert_allclose(out[:, 1:-1], a @ b, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(out[:, [0, -1]], 0)


def test_the_workspace_follows_the_stream(launcher: Launcher) -> None:
    """A new stream resets the workspace; on the same stream, a product is one call."""
    library, x = FakeLibrary(), np.ones((1, 2, 2), np.float32)
    door, matrices = launcher.connect(library), Matrices(x, 2, 0)
    ones = np.zeros_like(x)
    for stream in (5, 5, 9):
        door.multiply(
            stream,
            MatrixProduct((False, False), (2, 2, 2), matrices, matrices, False, Matrices(ones, 2, 0), 1),
        )
    space = launcher.spaces[0].ctypes.data
    product = ("multiply", np.float32)
    assert library.calls == [
        ("create",), ("math", cublas.DEFAULT_MATH),
        ("stream", 5), ("workspace", space, WORKSPACE), product, product,
        ("stream", 9), ("workspace", space, WORKSPACE), product,
    ]  # fmt: skip
    assert len(launcher.spaces) == 1
    np.testing.assert_array_equal(ones, 2 * x)


@pytest.mark.parametrize(("tf32", "mode"), [(False, 0), (True, 3)])
def test_tf32_is_a_mode_of_the_handle(launcher: Launcher, tf32: bool, mode: int) -> None:
    library, x = FakeLibrary(), Matrices(np.ones((1, 1, 1), np.float32), 1, 0)
    launcher.connect(library, tf32).multiply(1, MatrixProduct((False, False), (1, 1, 1), x, x, False, x, 1))
    assert ("math", mode) in library.calls


def test_a_refusal_is_a_sentence(launcher: Launcher) -> None:
    library, x = FakeLibrary(), Matrices(np.ones((1, 1, 1)), 1, 0)
    library.status = 3
    with pytest.raises(DeviceError, match=r"cuBLAS refused cublasCreate with status 3.*--device cpu"):
        launcher.connect(library).multiply(1, MatrixProduct((False, False), (1, 1, 1), x, x, False, x, 1))
