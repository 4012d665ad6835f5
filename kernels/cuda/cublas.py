"""cuBLAS by its C interface: strided-batched products on any stream, including one that is being captured.

CuPy refuses its own cuBLAS calls while a stream is captured. The library that CuPy has loaded is called here
directly, with a separate handle and workspace: a product allocates nothing, so the same call can be run and
recorded.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from vsmnp.errors import DeviceError
from vsmnp.types import Array

from .matrices import MatrixProduct

#: cublasOperation_t.
PLAIN, TRANSPOSED = 0, 1
#: cublasMath_t: float32 products in float32, or with factors rounded to TF32.
DEFAULT_MATH, TF32_MATH = 0, 3
#: Bytes of the workspace: NVIDIA's recommendation for Hopper, which exceeds that for older GPUs.
WORKSPACE = 32 * 2**20

_int, _pointer, _long = ctypes.c_int, ctypes.c_void_p, ctypes.c_longlong
#: Types of the arguments of cublas<t>gemmStridedBatched after the handle.
_PRODUCT = (_int, _int, _int, _int, _int, _pointer, _pointer, _int, _long, _pointer, _int, _long,
            _pointer, _pointer, _int, _long, _int)  # fmt: skip
_ARGUMENTS = {
    "cublasCreate_v2": (ctypes.POINTER(_pointer),),
    "cublasSetStream_v2": (_pointer, _pointer),
    "cublasSetWorkspace_v2": (_pointer, _pointer, ctypes.c_size_t),
    "cublasSetMathMode": (_pointer, _int),
    "cublasSgemmStridedBatched": (_pointer, *_PRODUCT),
    "cublasDgemmStridedBatched": (_pointer, *_PRODUCT),
}
_NAMES = {
    np.dtype(np.float32): "cublasSgemmStridedBatched",
    np.dtype(np.float64): "cublasDgemmStridedBatched",
}


@dataclass
class Cublas:
    """The cuBLAS handle of one device, and its batched matrix products.

    Parameters
    ----------
    load : callable
        Returns the library; called at the first product.
    workspace : callable
        Allocates an array of so many bytes on the device, which cuBLAS uses until the end.
    address : callable
        Returns the address of the first element of an array.
    tf32 : bool
        Whether float32 factors are rounded to TF32.
    """

    load: Callable[[], Any]
    workspace: Callable[[int], Array]
    address: Callable[[Array], int]
    tf32: bool = False
    _stream: int | None = field(default=None, init=False)
    _space: Array | None = field(default=None, init=False)

    @cached_property
    def _library(self) -> Any:
        library = self.load()
        for name, types in _ARGUMENTS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = types, _int
        return library

    @cached_property
    def _handle(self) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(handle))
        self._call("cublasSetMathMode", handle, TF32_MATH if self.tf32 else DEFAULT_MATH)
        self._space = self.workspace(WORKSPACE)
        return handle

    def multiply(self, stream: int, product: MatrixProduct) -> None:
        """Compute a product of batches of matrices on the stream at that address.

        Raises
        ------
        DeviceError
            If cuBLAS returns an error status.
        """
        handle = self._handle
        if stream != self._stream:
            self._call("cublasSetStream_v2", handle, stream)  # this resets the workspace
            assert self._space is not None
            self._call("cublasSetWorkspace_v2", handle, self.address(self._space), WORKSPACE)
            self._stream = stream
        dtype = product.c.array.dtype
        one, before = np.ones((), dtype), np.full((), product.accumulate, dtype)
        operations = (TRANSPOSED if t else PLAIN for t in product.transposed)
        a, b, c = ((self.address(m.array), m.leading, m.stride) for m in (product.a, product.b, product.c))
        self._call(
            _NAMES[dtype], handle, *operations, *product.sizes, one.ctypes.data, *a, *b,
            before.ctypes.data, *c, product.batch,
        )  # fmt: skip

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise DeviceError(
                f"cuBLAS refused {name.removesuffix('_v2')} with status {status}: look whether other "
                "programs fill the GPU's memory, or use --device cpu."
            )


def library_of_cupy() -> ctypes.CDLL:
    """Load the cuBLAS library that CuPy uses, from the path where CuPy found it.

    Raises
    ------
    DeviceError
        If CuPy has loaded no cuBLAS.
    """
    import cupy

    cupy.cuda.device.get_cublas_handle()  # CuPy loads the library
    with open("/proc/self/maps", encoding="utf-8") as maps:
        paths = {line.split(maxsplit=5)[-1].strip() for line in maps if "libcublas.so" in line}
    if not paths:
        raise DeviceError("CuPy loaded no cuBLAS: reinstall it with pip install 'vsmnp[cuda13]'.")
    return ctypes.CDLL(min(paths))
