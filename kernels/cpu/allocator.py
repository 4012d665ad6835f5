"""Arrays that begin where vectors and cache lines do; NumPy's own begin anywhere in a line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vsmnp.types import Array, Shape


def empty_at(multiple: int, shape: Shape, dtype: Any) -> Array:
    """An array that is not filled yet and begins at a multiple of so many bytes, such as a cache line."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + multiple, np.uint8)
    start = -memory.ctypes.data % multiple
    made: Array = memory[start : start + size].view(dtype).reshape(shape)
    return made
