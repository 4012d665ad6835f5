"""The ``cpu`` kernel set: BLAS for products, loops compiled by Numba for everything between them."""
