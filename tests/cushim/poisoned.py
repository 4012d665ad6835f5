"""NumPy with uninitialised memory filled by NaN, which shows what a kernel does not write."""

from __future__ import annotations

from typing import Any

import numpy as np

from vsmnp.types import Array, DType, Shape


class Poisoned:
    """NumPy's names, with another ``empty``."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Shape, dtype: DType) -> Array:
        """Allocate memory with all bits set: NaN, or the largest word."""
        out = np.empty(shape, dtype)
        out.reshape(-1).view(np.uint8)[:] = 0xFF
        return out
