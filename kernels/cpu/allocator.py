"""Memory of the ``cpu`` set: aligned arrays, and an allocator that keeps freed memory in the process."""

from __future__ import annotations

import ctypes
import math
import sys
from typing import Any

import numpy as np

from vsmnp.types import Array, Shape


def empty_at(multiple: int, shape: Shape, dtype: Any) -> Array:
    """Allocate an uninitialised array aligned to ``multiple`` bytes, such as a cache line."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + multiple, np.uint8)
    start = -memory.ctypes.data % multiple
    made: Array = memory[start : start + size].view(dtype).reshape(shape)
    return made


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST = 2**31 - 1


def keep_freed_memory() -> None:
    """Ask the allocator to keep freed memory for later temporaries instead of returning it to the system."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        mallopt(_M_TRIM_THRESHOLD, _LARGEST)
