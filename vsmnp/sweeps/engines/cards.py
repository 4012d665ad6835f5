"""Find the GPUs that this process may use, of which an engine gives each of its processes one."""

from __future__ import annotations

import os
from itertools import takewhile

#: The variable by which CUDA shows a process some GPUs only: their numbers or names, separated by commas.
VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_cards() -> tuple[str, ...]:
    """List the GPUs of this process as ``CUDA_VISIBLE_DEVICES`` names them; none without CuPy or a driver.

    As for CUDA, a place that names no GPU, such as -1, ends the list.
    """
    named = os.environ.get(VISIBLE)
    if named is not None:
        return tuple(takewhile(lambda name: name not in ("", "-1"), map(str.strip, named.split(","))))
    try:
        import cupy

        return tuple(map(str, range(cupy.cuda.runtime.getDeviceCount())))
    except Exception:  # of several classes: each training then says what is missing
        return ()
