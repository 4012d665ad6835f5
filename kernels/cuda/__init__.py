"""The ``cuda`` kernel set: CUDA C kernels through CuPy, and matrix products by cuBLAS."""
