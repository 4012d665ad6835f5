"""Records laid out in memory once, as compiled code stores them, and passed to it by address.

A call from Python that passes a record unboxes every array in it at each call: ten microseconds for the
record of an update of the fused step. The address of the same record in memory is one number.
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
    """Yield a value's 64-bit words; an array's are two null owner words, sizes, address, shape, strides."""
    if isinstance(value, np.ndarray):
        yield from (0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides)
    elif isinstance(value, tuple):
        for each in value:
            yield from _words(each)
    elif isinstance(value, float):
        yield int(np.float64(value).view(np.int64))
    elif type(value) is int:
        yield value
    else:  # a bool does not fill a word
        raise TypeError(f"{value!r} is neither an array, an integer, a real nor a record")


def packed(record: tuple[Any, ...]) -> Array:
    """Pack a record of arrays, integers, reals and records in the layout that :func:`held` reads.

    The result holds no reference to any array: the caller has to keep the record as well.
    """
    return np.array(list(_words(record)), np.int64)


def _held(context: Any, place: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        return builder.load(builder.bitcast(arguments[0], kind.as_pointer()))

    return place.dtype(place), generate


#: Load the record at a pointer; the type of the pointer gives the type of the record.
held: Formula = cast(Formula, intrinsic(_held))
