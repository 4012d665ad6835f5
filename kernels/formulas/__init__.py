"""Scalar formulas that the kernel sets compiled by Numba share."""
