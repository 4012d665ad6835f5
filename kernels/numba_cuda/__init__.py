"""The ``numba-cuda`` kernel set: the ``cuda`` set with some kernels compiled by Numba."""
