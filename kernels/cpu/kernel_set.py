"""The ``cpu`` kernel set: BLAS products, and loops compiled by Numba.

The set takes float32 and float64. It agrees with ``reference`` up to rounding; words, uniforms and the
optimisers agree to the last bit.
"""

from __future__ import annotations

import inspect
from collections import ChainMap
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any, cast

from vsmnp.types import Kernels

from ..reference import kernel_set as reference
from . import channels, likelihood, linear, optimizers, pointwise, random, terms
from .conv import conv
from .step import step


def _functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Return the functions that a module defines, without what it imports."""
    return dict(
        inspect.getmembers(module, lambda f: inspect.isfunction(f) and f.__module__ == module.__name__)
    )


def _gathered(name: str, *modules: ModuleType) -> Kernels:
    """Make a kernel set: each kernel of the protocol is that of the first module which defines it.

    Raises
    ------
    KeyError
        If no module defines a kernel of the protocol.
    """
    known: ChainMap[str, Callable[..., Any]] = ChainMap(*map(_functions, modules))
    names = [kernel for kernel in vars(Kernels) if inspect.isfunction(vars(Kernels)[kernel])]
    kernels = {kernel: known[kernel] for kernel in names if not kernel.startswith("_")}
    return cast(Kernels, SimpleNamespace(name=name, **kernels))


#: The set; kernels that its modules lack are the reference's.
KERNELS = _gathered(
    "cpu", channels, conv, likelihood, linear, optimizers, pointwise, random, step, terms, reference
)
