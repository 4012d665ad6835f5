"""The ``numba-cuda`` kernel set, which is the ``cuda`` set with some kernels compiled by Numba."""
