"""The ``cuda`` kernel set: CUDA C through CuPy for everything but products, which are cuBLAS.

Float32 and float64. It agrees with ``reference`` up to rounding; words and uniforms agree to the last bit.
Nothing in it waits for the card but ``to_host``. Importing it needs neither CuPy nor a card; the first array
does.
"""

from __future__ import annotations

from .kernel_set import CudaKernels
from .machine import card

_set = CudaKernels(card())

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


def with_tf32() -> CudaKernels:
    """The same set with products whose factors are rounded to TF32 (10 bits of mantissa)."""
    return CudaKernels(card(tf32=True))
