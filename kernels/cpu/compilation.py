"""Compile the loops of the ``cpu`` set, and convert arrays to the layout that these loops take.

Loops are compiled at their first call, for C-contiguous arrays only; the machine code is cached on disk.
They run without the interpreter's lock, so that threads can train models in parallel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

from vsmnp.types import Array, Shape

from ..formulas.elementary import OPTIONS
from .machine_code import keep

_Function = TypeVar("_Function")

#: Numba options of a loop in which every operation rounds as NumPy's does. ``fastmath`` is given explicitly:
#: Numba takes an option that is left out from the first function that calls this one.
ROUNDED: Any = {"error_model": "numpy", "fastmath": False}


def _njit(function: _Function, options: Any) -> _Function:
    made = numba.njit(nogil=True, no_cfunc_wrapper=True, **options)(function)
    keep(made, function)
    return cast(_Function, made)


def callback(function: Callable[..., None], signature: Any, options: Any = OPTIONS) -> Any:
    """Compile a loop immediately for one signature; the result has its ``address``."""
    made = CFunc(function, normalize_signature(signature), locals={}, options=options)
    keep(made, function)
    made.compile()
    return made


def compiled(function: _Function) -> _Function:
    """Compile a loop in which products and sums may contract to fused multiply-adds."""
    return _njit(function, OPTIONS)


def rounded(function: _Function) -> _Function:
    """Compile a loop in which every operation rounds as NumPy's does: bit-equal to the reference."""
    return _njit(function, ROUNDED)


def contiguous(x: Array, dtype: Any = None) -> Array:
    """Return ``x`` itself if it is C-contiguous and of that type, else a copy."""
    return np.ascontiguousarray(x, dtype)


def stretched(x: Array, shape: Shape, dtype: Any = None) -> Array:
    """Return ``x`` broadcast to ``shape`` and C-contiguous, as :func:`contiguous` does.

    A broadcast copy is writable: for read-only arrays each loop would be compiled a second time.
    """
    return np.ascontiguousarray(x if x.shape == shape else np.array(np.broadcast_to(x, shape)), dtype)


@contextmanager
def in_place(*arrays: Array) -> Iterator[list[Array]]:
    """Yield C-contiguous versions of ``arrays``, whose changes are written back at the end."""
    stand_ins = [np.ascontiguousarray(x) for x in arrays]
    yield stand_ins
    for x, stand_in in zip(arrays, stand_ins, strict=True):
        if stand_in is not x:
            x[...] = stand_in
