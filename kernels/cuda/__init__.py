"""The ``cuda`` kernel set: CUDA C through CuPy, products by cuBLAS."""
