"""The ``numba-cuda`` kernel set: the ``cuda`` set with terms, randomness and Adam compiled by Numba.

They share the formulas of ``scalar.py`` with the ``cpu`` set. Float32 and float64; it agrees with
``reference`` up to rounding, words and uniforms to the last bit. Importing it needs neither a card nor CuPy;
the first array does.
"""

from __future__ import annotations

from ..cuda.machine import card
from .kernel_set import NumbaCudaKernels

_set = NumbaCudaKernels(card())

name = _set.name
asarray, to_host, zeros = _set.asarray, _set.to_host, _set.zeros
gemm, add_bias, sum_rows = _set.gemm, _set.add_bias, _set.sum_rows
conv, conv_adjoint_x, conv_adjoint_w = _set.conv, _set.conv_adjoint_x, _set.conv_adjoint_w
channel_moments, channel_combine = _set.channel_moments, _set.channel_combine
activation, activation_slope = _set.activation, _set.activation_slope
activation_curve, activation_sums = _set.activation_curve, _set.activation_sums
words, uniform, normal, sample = _set.words, _set.uniform, _set.normal, _set.sample
residual_forms, posterior_fisher = _set.residual_forms, _set.posterior_fisher
adam, sgd, finite = _set.adam, _set.sgd, _set.finite
fused_step, recorder = _set.fused_step, _set.recorder
room, gather = _set.room, _set.gather


def with_tf32() -> NumbaCudaKernels:
    """The same set with products whose factors are rounded to TF32 (10 bits of mantissa)."""
    return NumbaCudaKernels(card(tf32=True))
