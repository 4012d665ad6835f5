"""NumPy, but memory that nobody wrote yet is NaN: what a kernel forgets to write shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from vsmnp.types import Array, DType, Shape


class Poisoned:
    """NumPy's names, with another ``empty``."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Shape, dtype: DType) -> Array:
        """All bits set: NaN, or the largest word."""
        out = np.empty(shape, dtype)
        out.reshape(-1).view(np.uint8)[:] = 0xFF
        return out
