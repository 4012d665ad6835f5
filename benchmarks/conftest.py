"""Restrict every library to one thread, before NumPy loads."""

import os

for pool in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ.setdefault(f"{pool}_NUM_THREADS", "1")
