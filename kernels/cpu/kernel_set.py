"""The functions of the ``cpu`` kernel set: BLAS products, and loops compiled by Numba.

The set takes float32 and float64. It agrees with ``reference`` up to rounding; words, uniforms and the
optimisers agree to the last bit.
"""

from __future__ import annotations

from ..reference.kernel_set import asarray, data_memory, finite, gather, recorder, to_host, zeros
from .channels import activation_sums, channel_combine, channel_moments
from .conv.conv import conv, conv_adjoint_w, conv_adjoint_x
from .linear import add_bias, gemm, sum_rows
from .optimizers import adam, sgd
from .pointwise import activation, activation_curve, activation_slope
from .random import normal, sample, uniform, words
from .step.step import fused_step
from .terms import posterior_fisher, residual_forms

__all__ = [
    "activation",
    "activation_curve",
    "activation_slope",
    "activation_sums",
    "adam",
    "add_bias",
    "asarray",
    "channel_combine",
    "channel_moments",
    "conv",
    "conv_adjoint_w",
    "conv_adjoint_x",
    "finite",
    "fused_step",
    "gather",
    "gemm",
    "name",
    "normal",
    "posterior_fisher",
    "recorder",
    "residual_forms",
    "data_memory",
    "sample",
    "sgd",
    "sum_rows",
    "to_host",
    "uniform",
    "words",
    "zeros",
]

name = "cpu"
