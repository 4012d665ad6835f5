"""Measure the limits of the machine with the kernels: one large product, and a plain copy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ...types import Array, Kernels
from ..timing import Call


def product(k: Kernels, rows: int, width: int, dtype: str) -> tuple[Call, int]:
    """Return a product ``(rows, width) (width, width)`` through ``gemm``, and its operations."""
    rng = np.random.default_rng(0)
    a = k.asarray(rng.standard_normal((1, rows, width)).astype(dtype))
    b = k.asarray(rng.standard_normal((1, width, width)).astype(dtype))
    out = k.zeros((1, rows, width), dtype)
    return Call(lambda: k.gemm(a, b, out=out)), 2 * rows * width * width


def copies(k: Kernels, size: int) -> list[Call]:
    """Return copies that read and write ``size`` bytes in all; the fastest of them is the limit."""
    count = max(1, size // 8)
    source, target = k.asarray(np.ones(count, np.float32)), k.zeros((count,), np.float32)
    if isinstance(source, np.ndarray):
        loop = _loop()
        return [Call(lambda: np.copyto(target, source)), Call(lambda: loop(target, source))]
    return [Call(lambda: target.__setitem__(..., source))]


@cache
def _loop() -> Callable[[Array, Array], None]:
    """Compile a copy loop, which may be faster or slower than the library's."""
    import numba

    @numba.njit(nogil=True)  # type: ignore[untyped-decorator]
    def copy(target: Any, source: Any) -> None:
        for i in range(target.size):
            target[i] = source[i]

    return copy  # type: ignore[no-any-return]
