"""Thread counts must be in the environment before the linear algebra library is loaded."""

from __future__ import annotations

import os

_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def limit_threads(count: int) -> None:
    """Use ``count`` threads; an explicit choice overrides the environment."""
    for name in _VARIABLES:
        os.environ[name] = str(count)
