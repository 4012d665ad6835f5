"""The ``cpu`` kernel set: BLAS products, and loops compiled by Numba.

The set takes float32 and float64. It agrees with ``reference`` up to rounding; words, uniforms and the
optimisers agree to the last bit.
"""

from __future__ import annotations

import inspect
from types import ModuleType, SimpleNamespace
from typing import cast

from vsmnp.types import Kernels

from ..reference import kernel_set as reference
from . import channels, linear, optimizers, pointwise, random, terms
from .conv import conv
from .step import step


def _gathered(name: str, *modules: ModuleType) -> Kernels:
    """Make a kernel set: each kernel of the protocol is that of the first module which has it."""
    kernels = {
        kernel: next(getattr(module, kernel) for module in modules if hasattr(module, kernel))
        for kernel, _ in inspect.getmembers(Kernels, inspect.isfunction)
        if not kernel.startswith("_")
    }
    return cast(Kernels, SimpleNamespace(name=name, **kernels))


#: The set; kernels that its modules lack are the reference's.
KERNELS = _gathered("cpu", channels, conv, linear, optimizers, pointwise, random, step, terms, reference)
