"""Views of rows and contiguous ranges of arrays for compiled loops, cheaper than slices.

A slice handles negative bounds, steps and reference counts; this code is compiled into each use, and often
takes longer than the loop over the slice. The views here are a pointer and a length: nothing is checked, and
the array must outlive them.
"""

from __future__ import annotations

from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core.cgutils import unpack_tuple
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from ..formulas.elementary import Formula

_WORD = ir.IntType(64)


def _vector(context: Any, builder: ir.IRBuilder, kind: Any, data: ir.Value, count: ir.Value) -> Any:
    """Build the array of ``count`` numbers that begin at ``data``."""
    made = make_array(kind)(context, builder)
    size = ir.Constant(_WORD, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    populate_array(made, data=data, shape=[count], strides=[size], itemsize=size, meminfo=None)
    return made._getvalue()


def _start(builder: ir.IRBuilder, array: Any, place: list[ir.Value]) -> ir.Value:
    """Compute the pointer to the row of an array with indices ``place`` on the axes before the last."""
    lengths, at = unpack_tuple(builder, array.shape), ir.Constant(_WORD, 0)
    for index, length in zip(place, lengths[1:], strict=True):
        at = builder.mul(builder.add(at, index), length)
    return builder.gep(array.data, [at])


def _places(context: Any, builder: ir.IRBuilder, kind: Any, value: ir.Value) -> list[ir.Value]:
    """Return one index or a tuple of indices as 64-bit words."""
    kinds, values = (
        ([kind], [value]) if isinstance(kind, types.Integer) else (kind, unpack_tuple(builder, value))
    )
    return [context.cast(builder, one, each, types.int64) for one, each in zip(values, kinds, strict=True)]


def _run_of(context: Any, a: Any, place: Any, first: Any, count: Any) -> Any:
    result = types.Array(a.dtype, 1, "C")

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> Any:
        array = make_array(a)(context, builder, given[0])
        start = _start(builder, array, _places(context, builder, place, given[1]))
        return _vector(context, builder, result, builder.gep(start, [given[2]]), given[3])

    return result(a, place, types.int64, types.int64), generate


#: ``run_of(a, p, first, count)`` is ``a[p, first : first + count]``; of more axes, p has all but the last.
run_of: Formula = cast(Formula, intrinsic(_run_of))


def _row_of(context: Any, a: Any, place: Any) -> Any:
    result = types.Array(a.dtype, 1, "C")

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> Any:
        array = make_array(a)(context, builder, given[0])
        start = _start(builder, array, _places(context, builder, place, given[1]))
        return _vector(context, builder, result, start, unpack_tuple(builder, array.shape)[-1])

    return result(a, place), generate


#: ``row_of(a, p)`` is ``a[p]``, a vector; of more axes, p has all but the last.
row_of: Formula = cast(Formula, intrinsic(_row_of))


def _beyond(context: Any, a: Any, first: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> Any:
        array, first = make_array(a)(context, builder, given[0]), given[1]
        count = builder.sub(unpack_tuple(builder, array.shape)[0], first)
        return _vector(context, builder, a, builder.gep(array.data, [first]), count)

    return a(a, types.int64), generate


def _window(context: Any, v: Any, first: Any, count: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> Any:
        array = make_array(v)(context, builder, given[0])
        return _vector(context, builder, v, builder.gep(array.data, [given[1]]), given[2])

    return v(v, types.int64, types.int64), generate


#: ``window(v, first, count)`` is ``v[first : first + count]``.
window: Formula = cast(Formula, intrinsic(_window))

#: ``beyond(v, first)`` is ``v[first:]``.
beyond: Formula = cast(Formula, intrinsic(_beyond))
