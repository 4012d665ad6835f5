r"""The inner loops of products on a tile, written block by block for the vector unit.

A tile keeps each feature of its rows in a *plane*, contiguous along the rows. A product is then a sum of
planes times single weights: blocks of a few outputs and two vectors of rows stay in registers, nothing is
packed, no width needs padding, and weights are read where they lie in the flat vector. BLAS, which packs
its operands at every call, reaches half of this for widths of thirty.

======== ============================================================= =================================
product  formula                                                       used for
======== ============================================================= =================================
affine   :math:`y_o = b_o + \sum_i w_{oi} x_i` for planes x, y         forward, tangent, cotangent
outer    :math:`g_{oi} \mathrel{+}= y_o \cdot x_i`                     gradients of weights
======== ============================================================= =================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core.cgutils import create_struct_proxy, get_or_insert_function
from numba.extending import intrinsic

Formula = Callable[..., Any]

#: Bytes of the rows that a block of ``affine`` takes: two vectors of AVX2, one of AVX-512.
ROW_BYTES = 64
#: Outputs of a block of ``affine``; its sums, rows and weight fill sixteen vector registers.
OUTPUTS = 6
#: Outputs and inputs of a block of ``outer``.
OUTER = (4, 3)
#: Bytes of a vector of ``outer``.
VECTOR_BYTES = 32

_WORD = ir.IntType(64)
_REALS = {types.float32: (ir.FloatType(), 4), types.float64: (ir.DoubleType(), 8)}


class Writer:
    """Writes loops of the low-level language, with vectors in registers."""

    def __init__(self, builder: ir.IRBuilder, dtype: Any) -> None:
        self.builder = builder
        self.real, self.size = _REALS[dtype]

    def vector(self, lanes: int) -> ir.VectorType:
        return ir.VectorType(self.real, lanes)

    def splat(self, value: ir.Value, lanes: int) -> ir.Value:
        kind = self.vector(lanes)
        nothing, first = ir.Constant(kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        one = self.builder.insert_element(nothing, value, first)
        order = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
        return self.builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), order)

    def load(self, base: ir.Value, at: ir.Value, lanes: int = 1) -> ir.Value:
        place = self.builder.gep(base, [at])
        if lanes == 1:
            return self.builder.load(place)
        wide = self.builder.bitcast(place, self.vector(lanes).as_pointer())
        return self.builder.load(wide, align=self.size)

    def store(self, value: ir.Value, base: ir.Value, at: ir.Value, lanes: int = 1) -> None:
        place = self.builder.gep(base, [at])
        if lanes > 1:
            place = self.builder.bitcast(place, self.vector(lanes).as_pointer())
        self.builder.store(value, place, align=self.size)

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        letter = "f32" if self.size == 4 else "f64"
        kind = ir.FunctionType(a.type, [a.type] * 3)
        fma = get_or_insert_function(self.builder.module, kind, f"llvm.fma.v{a.type.count}{letter}")
        return self.builder.call(fma, [a, b, c])

    def times(self, a: ir.Value, b: Any) -> ir.Value:
        return self.builder.mul(a, b if isinstance(b, ir.Value) else ir.Constant(_WORD, b))

    def plus(self, a: ir.Value, b: Any) -> ir.Value:
        return self.builder.add(a, b if isinstance(b, ir.Value) else ir.Constant(_WORD, b))

    def count(
        self, start: ir.Value, stop: ir.Value, by: int, sums: list[ir.Value], body: Formula
    ) -> list[Any]:
        """``for i in range(start, stop, by): sums = body(i, sums)``; returns the last sums."""
        builder = self.builder
        before = builder.block
        head, inside, after = (builder.append_basic_block(name) for name in ("head", "inside", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        i = builder.phi(_WORD)
        i.add_incoming(start, before)
        carried = [builder.phi(total.type) for total in sums]
        for phi, total in zip(carried, sums, strict=True):
            phi.add_incoming(total, before)
        builder.cbranch(builder.icmp_signed("<", i, stop), inside, after)
        builder.position_at_end(inside)
        updated = body(i, carried)
        end = builder.block
        i.add_incoming(self.plus(i, by), end)
        for phi, total in zip(carried, updated, strict=True):
            phi.add_incoming(total, end)
        builder.branch(head)
        builder.position_at_end(after)
        return carried

    def folded(self, v: ir.Value) -> ir.Value:
        """The sum of a vector's lanes: the upper half onto the lower one, again and again."""
        width = v.type.count
        while width > 1:
            width //= 2
            kind, undefined = ir.VectorType(ir.IntType(32), width), ir.Constant(v.type, ir.Undefined)
            low = self.builder.shuffle_vector(v, undefined, ir.Constant(kind, list(range(width))))
            high = self.builder.shuffle_vector(v, undefined, ir.Constant(kind, list(range(width, 2 * width))))
            v = self.builder.fadd(low, high)
        return self.builder.extract_element(v, ir.Constant(ir.IntType(32), 0))

    def remainders(self, rest: ir.Value, most: int, body: Formula) -> None:
        """``body(n)`` of the one ``n < most`` that ``rest`` is; nothing for 0."""
        builder = self.builder
        done = builder.append_basic_block("done")
        choice = builder.switch(rest, done)
        for n in range(1, most):
            case = builder.append_basic_block(f"rest{n}")
            choice.add_case(ir.Constant(_WORD, n), case)
            builder.position_at_end(case)
            body(n)
            builder.branch(done)
        builder.position_at_end(done)


def pointers(context: Any, builder: ir.IRBuilder, kinds: Any, arguments: Any) -> list[ir.Value]:
    """Arrays as pointers to their first elements, numbers as they are."""
    return [
        create_struct_proxy(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(kinds, arguments, strict=True)
    ]


#: What ``affine`` does to a sum before it stores it: nothing; zero what is negative (a relu); zero what lies
#: where the mask is not positive (a cotangent or a tangent past a relu).
PLAIN, RELU, MASKED = range(3)


def _affine_body(builder: ir.IRBuilder, dtype: Any, given: Any) -> None:
    w, w_o, w_i, b, biased, x, y, mask, mode, n_out, n_in, rows, stride = given
    at = Writer(builder, dtype)
    lanes = ROW_BYTES // at.size
    zero, zero_word = ir.Constant(at.vector(lanes), [0.0] * lanes), ir.Constant(_WORD, 0)
    is_relu, is_masked, has_bias = (
        builder.icmp_signed("==", flag, ir.Constant(_WORD, value))
        for flag, value in ((mode, RELU), (mode, MASKED), (biased, 1))
    )

    def block(r: ir.Value, o: ir.Value, outputs: int) -> None:
        start = []
        for n in range(outputs):  # without a bias nothing is read but its first number
            value = at.load(b, at.builder.select(has_bias, at.plus(o, n), zero_word))
            start.append(at.splat(at.builder.select(has_bias, value, ir.Constant(at.real, 0.0)), lanes))
        first = [at.times(at.plus(o, n), w_o) for n in range(outputs)]

        def add(i: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            plane = at.load(x, at.plus(at.times(i, stride), r), lanes)
            column = at.times(i, w_i)
            weights = [at.splat(at.load(w, at.plus(place, column)), lanes) for place in first]
            return [at.fma(weight, plane, total) for weight, total in zip(weights, sums, strict=True)]

        sums = at.count(zero_word, n_in, 1, start, add)
        places = [at.plus(at.times(at.plus(o, n), stride), r) for n in range(outputs)]
        relu, masked, plain, done = (
            builder.append_basic_block(kind) for kind in ("relu", "masked", "plain", "kept")
        )
        other = builder.append_basic_block("other")
        builder.cbranch(is_relu, relu, other)
        builder.position_at_end(other)
        builder.cbranch(is_masked, masked, plain)
        builder.position_at_end(relu)
        for total, place in zip(sums, places, strict=True):  # NaN stays NaN
            at.store(builder.select(builder.fcmp_ordered("<", total, zero), zero, total), y, place, lanes)
        builder.branch(done)
        builder.position_at_end(masked)
        for total, place in zip(sums, places, strict=True):
            alive = builder.fcmp_ordered(">", at.load(mask, place, lanes), zero)
            at.store(builder.select(alive, total, zero), y, place, lanes)
        builder.branch(done)
        builder.position_at_end(plain)
        for total, place in zip(sums, places, strict=True):
            at.store(total, y, place, lanes)
        builder.branch(done)
        builder.position_at_end(done)

    def across(r: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        whole = at.times(at.builder.sdiv(n_out, ir.Constant(_WORD, OUTPUTS)), OUTPUTS)

        def each(o: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            block(r, o, OUTPUTS)
            return []

        at.count(zero_word, whole, OUTPUTS, [], each)
        at.remainders(at.builder.sub(n_out, whole), OUTPUTS, lambda n: block(r, whole, n))
        return []

    at.count(zero_word, rows, lanes, [], across)


def _affine(
    context: Any, w: Any, w_o: Any, w_i: Any, b: Any, biased: Any, x: Any, y: Any, mask: Any, mode: Any,
    n_out: Any, n_in: Any, rows: Any, stride: Any,
) -> Any:  # fmt: skip
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _affine_body(builder, y.dtype, arguments)
        return context.get_dummy_value()

    word = types.int64
    return types.void(w, word, word, b, word, x, y, mask, word, word, word, word, word), generate


#: ``y[o] = b[o] (if biased) + sum_i w[o w_o + i w_i] x[i]`` over planes ``stride`` apart, for pointers;
#: ``rows`` must be whole blocks. The last thing that happens to a sum is its mode's.
affine: Formula = cast(Formula, intrinsic(_affine))


def _outer_body(builder: ir.IRBuilder, dtype: Any, given: Any) -> None:
    y, x, g, g_o, n_out, n_in, rows, stride = given
    at = Writer(builder, dtype)
    lanes = VECTOR_BYTES // at.size
    zero, zero_word = ir.Constant(at.vector(lanes), [0.0] * lanes), ir.Constant(_WORD, 0)
    most_out, most_in = OUTER

    def block(o: ir.Value, i: ir.Value, outputs: int, inputs: int) -> None:
        y_planes = [at.times(at.plus(o, n), stride) for n in range(outputs)]
        x_planes = [at.times(at.plus(i, n), stride) for n in range(inputs)]

        def add(r: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            x_rows = [at.load(x, at.plus(plane, r), lanes) for plane in x_planes]
            updated = []
            for n, plane in enumerate(y_planes):
                y_rows = at.load(y, at.plus(plane, r), lanes)
                for m, x_row in enumerate(x_rows):
                    updated.append(at.fma(y_rows, x_row, sums[n * inputs + m]))
            return updated

        sums = at.count(zero_word, rows, lanes, [zero] * (outputs * inputs), add)
        for n in range(outputs):
            row = at.times(at.plus(o, n), g_o)
            for m in range(inputs):
                place = at.plus(at.plus(i, m), row)
                at.store(at.builder.fadd(at.load(g, place), at.folded(sums[n * inputs + m])), g, place)

    def across(o: ir.Value, outputs: int) -> None:
        whole = at.times(at.builder.sdiv(n_in, ir.Constant(_WORD, most_in)), most_in)

        def each(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            block(o, i, outputs, most_in)
            return []

        at.count(zero_word, whole, most_in, [], each)
        at.remainders(at.builder.sub(n_in, whole), most_in, lambda n: block(o, whole, outputs, n))

    def each_out(o: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        across(o, most_out)
        return []

    whole_out = at.times(at.builder.sdiv(n_out, ir.Constant(_WORD, most_out)), most_out)
    at.count(zero_word, whole_out, most_out, [], each_out)
    at.remainders(at.builder.sub(n_out, whole_out), most_out, lambda n: across(whole_out, n))


def _outer(
    context: Any, y: Any, x: Any, g: Any, g_o: Any, n_out: Any, n_in: Any, rows: Any, stride: Any
) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _outer_body(builder, g.dtype, arguments)
        return context.get_dummy_value()

    word = types.int64
    return types.void(y, x, g, word, word, word, word, word), generate


#: ``g[o g_o + i] += sum_r y[o, r] x[i, r]`` over planes ``stride`` apart, for pointers; ``rows`` must be
#: whole vectors.
outer: Formula = cast(Formula, intrinsic(_outer))


def _invoke(context: Any, address: Any, arguments: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> Any:
        place, packed = given
        values = []
        for n, kind in enumerate(signature.args[1]):
            value = builder.extract_value(packed, n)
            if isinstance(kind, types.Array):
                value = create_struct_proxy(kind)(context, builder, value).data
            elif isinstance(kind, types.Integer):
                value = context.cast(builder, value, kind, types.int64)
            values.append(value)
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        builder.call(builder.inttoptr(place, kind.as_pointer()), values)
        return context.get_dummy_value()

    return types.void(types.int64, arguments), generate


#: Call the function at an address: arrays go as pointers to their first elements, integers as 64 bits.
invoke: Formula = cast(Formula, intrinsic(_invoke))
