"""Records laid out in memory once, as compiled code holds them, and read there by their address.

A call from Python that passes a record takes apart every array in it, again at each call: ten microseconds
for what an update of the fused step works on. The address of the same record in memory is one number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from vsmnp.types.arrays import Array

from ..llvm import Formula


def _words(value: Any) -> Iterator[int]:
    """The 64-bit words of a value: an array's owner (nobody counts references), size, place and strides."""
    if isinstance(value, np.ndarray):
        yield from (0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides)
    elif isinstance(value, tuple):
        for each in value:
            yield from _words(each)
    elif isinstance(value, float):
        yield int(np.float64(value).view(np.int64))
    elif type(value) is int:
        yield value
    else:  # a flag fills no word
        raise TypeError(f"{value!r} is neither an array, an integer, a real nor a record")


def packed(record: tuple[Any, ...]) -> Array:
    """A record of arrays, integers, reals and records, as :func:`held` reads it.

    It holds no reference to any array: whoever keeps it has to keep the record as well.
    """
    return np.array(list(_words(record)), np.int64)


def _held(context: Any, place: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        return builder.load(builder.bitcast(arguments[0], kind.as_pointer()))

    return place.dtype(place), generate


#: The record behind a pointer, whose type says what it is.
held: Formula = cast(Formula, intrinsic(_held))
