"""What a process owes a training run: a thread count, and memory that stays."""

from __future__ import annotations

import os

_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def prepare_process(threads: int) -> None:
    """Use so many threads, whatever the environment says, and keep freed memory.

    The environment must be set before the linear algebra is loaded, so nothing above imports it.
    """
    for name in _VARIABLES:
        os.environ[name] = str(threads)
    from vsmnp.kernels.cpu.allocator import keep_freed_memory

    keep_freed_memory()
