"""The environment variables that set numbers of threads; libraries read them when they are loaded."""

from __future__ import annotations

#: Variables of the libraries of linear algebra.
LINEAR_ALGEBRA = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
#: Variable of Numba, whose threads share the models of an ensemble and the parts of a batch.
NUMBA = "NUMBA_NUM_THREADS"
