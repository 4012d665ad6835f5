"""Find the GPUs that this process may use, of which an engine gives each of its processes one."""

from __future__ import annotations

import os

#: The variable by which CUDA shows a process some GPUs only: their numbers or names, separated by commas.
VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_cards() -> tuple[str, ...]:
    """List the GPUs of this process as ``CUDA_VISIBLE_DEVICES`` names them; none without CuPy or a driver."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return tuple(each.strip() for each in named.split(",") if each.strip() not in ("", "-1"))
    try:
        import cupy

        return tuple(map(str, range(cupy.cuda.runtime.getDeviceCount())))
    except Exception:  # of several classes: each training then says what is missing
        return ()
