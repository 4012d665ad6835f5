"""The ``cpu`` kernel set: BLAS for matrix products, loops compiled by Numba for all other kernels."""
