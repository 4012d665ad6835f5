"""Freed memory stays with the process, so that the temporaries of a step are not mapped anew each step.

The C library hands large blocks back to the operating system as soon as they are freed; the next step
then pays for fresh pages, a third of the time of a step of two layers of 100. Where the library is not
glibc, nothing is changed.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST = 2**31 - 1


def keep_freed_memory() -> None:
    """Ask the allocator to keep what is freed for the next temporary."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        mallopt(_M_TRIM_THRESHOLD, _LARGEST)
