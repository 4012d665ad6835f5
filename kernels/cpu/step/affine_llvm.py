r"""Affine layers on a tile, generated as LLVM code in register blocks for the vector unit.

A tile keeps each feature of its rows in a *plane*, contiguous along the rows. A product is then a sum of
planes times single weights: blocks of a few outputs and two vectors of rows stay in registers, nothing is
packed, no width needs padding, and weights are read directly from the flat vector. BLAS, which packs
its operands at every call, reaches half of this throughput for widths of thirty. The multiply-adds are then
the limit: what remains is to issue few other instructions beside them.

.. math:: y_o = b_o + \sum_i w_{oi} x_i

With planes x this is the forward pass of a layer, its tangent (without bias), and with w transposed its
cotangent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..llvm import REGISTERS, VECTOR_BYTES, WORD, Formula, Writer

#: Bytes of the rows of a block.
ROW_BYTES = 2 * VECTOR_BYTES
#: Outputs of a block; its sums, rows and weight fill the registers of AVX2.
OUTPUTS = 6
#: Inputs per iteration of the loop of a full block: fewer instructions beside the multiply-adds, as some
#: processors issue only four at a time.
UNROLLED = REGISTERS // 8
#: Outputs of a block whose weights are addressed from one pointer, at distances of 0, 1 and 2 times ``w_o``.
ADDRESSED = 3
#: Up to so many outputs, a block takes twice the rows: more independent sums hide the latency of the adds.
#: Three outputs would need 17 registers.
FEW_OUTPUTS = 3 if REGISTERS > 16 else 2
#: Up to so many inputs, all inputs stay in registers and the loop runs over the outputs.
FEW_INPUTS = 4
#: Outputs per iteration of that loop.
PASSING = 3

#: Operation on a sum before it is stored: none; zero if negative (a relu); zero where the mask is not
#: positive (the cotangent or tangent of a relu).
PLAIN, RELU, MASKED = range(3)


class _Affine:
    """The generated loops of one affine product."""

    def __init__(self, builder: ir.IRBuilder, dtype: Any, factors: Sequence[Any], given: Any) -> None:
        self.factors = factors  # pairs of w and x, whose products are added
        self.w_o, self.w_i, self.b, biased, self.y, self.mask, mode, *sizes = given
        self.n_out, self.n_in, self.rows, self.stride = sizes
        self.at = Writer(builder, dtype)
        self.lanes = ROW_BYTES // self.at.size
        self.zero = ir.Constant(WORD, 0)
        self.is_relu, self.is_masked, self.has_bias = (
            builder.icmp_signed("==", flag, ir.Constant(WORD, value))
            for flag, value in ((mode, RELU), (mode, MASKED), (biased, 1))
        )

    def start(self, o: ir.Value, lanes: int) -> ir.Value:
        """Load the bias of output o into all lanes, or zero if there is none (then b[0] is read)."""
        at, select = self.at, self.at.builder.select
        value = at.load(self.b, select(self.has_bias, o, self.zero))
        return at.splat(select(self.has_bias, value, ir.Constant(at.real, 0.0)), lanes)

    def plane(self, base: ir.Value, n: Any, r: ir.Value, lanes: int) -> ir.Value:
        return self.at.load(base, self.at.plus(self.at.times(n, self.stride), r), lanes)

    def finish(self, sums: list[ir.Value], o: ir.Value, r: ir.Value, lanes: int) -> None:
        """Apply the operation of the mode to the sums of outputs ``o ..``, and store them."""
        at, builder = self.at, self.at.builder
        zero = at.all(0.0, lanes)
        places = [at.plus(at.times(at.plus(o, n), self.stride), r) for n in range(len(sums))]
        relu, masked, plain, other, done = (
            builder.append_basic_block(kind) for kind in ("relu", "masked", "plain", "other", "kept")
        )
        builder.cbranch(self.is_relu, relu, other)
        builder.position_at_end(other)
        builder.cbranch(self.is_masked, masked, plain)
        builder.position_at_end(relu)
        for total, place in zip(sums, places, strict=True):  # NaN stays NaN
            at.store(
                builder.select(builder.fcmp_ordered("<", total, zero), zero, total), self.y, place, lanes
            )
        builder.branch(done)
        builder.position_at_end(masked)
        for total, place in zip(sums, places, strict=True):
            is_positive = builder.fcmp_ordered(">", at.load(self.mask, place, lanes), zero)
            at.store(builder.select(is_positive, total, zero), self.y, place, lanes)
        builder.branch(done)
        builder.position_at_end(plain)
        for total, place in zip(sums, places, strict=True):
            at.store(total, self.y, place, lanes)
        builder.branch(done)
        builder.position_at_end(done)

    def block(self, r: ir.Value, o: ir.Value, outputs: int, lanes: int) -> None:
        """Compute a block of outputs and rows with a loop over all inputs."""
        at, zero = self.at, self.zero
        unrolled = UNROLLED if outputs == OUTPUTS else 1
        whole = at.whole(self.n_in, unrolled)
        heads = range(0, outputs, ADDRESSED)
        apart = [at.times(self.w_o, n) for n in range(ADDRESSED)]
        sums = [self.start(at.plus(o, n), lanes) for n in range(outputs)]

        def add(_: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
            """Add an input's product; after the sums come the pointers to its rows and to its weights."""
            x, *weights = carried[outputs:]
            rows, updated = at.load(x, zero, lanes), []
            for n, total in enumerate(carried[:outputs]):
                weight = at.load(weights[n // ADDRESSED], apart[n % ADDRESSED])
                updated.append(at.fma(at.splat(weight, lanes), rows, total))
            # the optimiser would compute one pointer from another, with an addition for each output
            moved = [at.opaque(at.builder.gep(w, [self.w_i])) for w in weights]
            return [*updated, at.builder.gep(x, [self.stride]), *moved]

        def several(i: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
            for _ in range(unrolled):
                carried = add(i, carried)
            return carried

        for w, x in self.factors:
            weights = [at.builder.gep(w, [at.times(at.plus(o, n), self.w_o)]) for n in heads]
            carried = at.count(zero, whole, unrolled, [*sums, at.builder.gep(x, [r]), *weights], several)
            if unrolled > 1:
                carried = at.count(whole, self.n_in, 1, carried, add)
            sums = carried[:outputs]
        self.finish(sums, o, r, lanes)

    def few_inputs(self, inputs: int) -> None:
        """Compute all rows and outputs, with the inputs of a block of rows kept in registers."""
        at, lanes, ((w, x),) = self.at, self.lanes, self.factors
        whole = at.whole(self.n_out, PASSING)
        columns = [at.times(ir.Constant(WORD, i), self.w_i) for i in range(inputs)]

        def across(r: ir.Value) -> None:
            planes = [self.plane(x, ir.Constant(WORD, i), r, lanes) for i in range(inputs)]

            def each(first: ir.Value, outputs: int) -> None:
                sums = []
                for o in [at.plus(first, n) for n in range(outputs)]:
                    total, row = self.start(o, lanes), at.times(o, self.w_o)
                    for column, plane in zip(columns, planes, strict=True):
                        total = at.fma(at.splat(at.load(w, at.plus(row, column)), lanes), plane, total)
                    sums.append(total)
                self.finish(sums, first, r, lanes)

            at.loop(self.zero, whole, PASSING, lambda o: each(o, PASSING))
            at.loop(whole, self.n_out, 1, lambda o: each(o, 1))

        at.loop(self.zero, self.rows, lanes, across)

    def many_inputs(self) -> None:
        """Compute all rows and outputs in blocks."""
        at, lanes = self.at, self.lanes
        whole = at.whole(self.n_out, OUTPUTS)
        rest = at.builder.sub(self.n_out, whole)

        def across(r: ir.Value) -> None:
            at.loop(self.zero, whole, OUTPUTS, lambda o: self.block(r, o, OUTPUTS, lanes))

        at.loop(self.zero, self.rows, lanes, across)

        def left(outputs: int) -> None:
            wide = 2 * lanes if outputs <= FEW_OUTPUTS else lanes
            most = at.whole(self.rows, wide)
            at.loop(self.zero, most, wide, lambda r: self.block(r, whole, outputs, wide))
            if wide > lanes:
                at.loop(most, self.rows, lanes, lambda r: self.block(r, whole, outputs, lanes))

        at.remainders(rest, OUTPUTS, left)

    def write(self) -> None:
        if len(self.factors) == 1:
            self.at.remainders(self.n_in, FEW_INPUTS + 1, self.few_inputs, self.many_inputs)
        else:
            self.many_inputs()


def _affine(
    context: Any, w: Any, w_o: Any, w_i: Any, b: Any, biased: Any, x: Any, y: Any, mask: Any, mode: Any,
    n_out: Any, n_in: Any, rows: Any, stride: Any,
) -> Any:  # fmt: skip
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        w, w_o, w_i, b, biased, x, *others = arguments
        _Affine(builder, y.dtype, [(w, x)], (w_o, w_i, b, biased, *others)).write()
        return context.get_dummy_value()

    word = types.int64
    return types.void(w, word, word, b, word, x, y, mask, word, word, word, word, word), generate


#: Compute ``y[o] = b[o] (if biased) + sum_i w[o w_o + i w_i] x[i]`` and apply the operation of the mode.
#: Arrays are given as pointers, planes are ``stride`` apart, and ``rows`` must be whole blocks.
affine: Formula = cast(Formula, intrinsic(_affine))


def _affine_sum(
    context: Any, w: Any, v: Any, w_o: Any, w_i: Any, b: Any, biased: Any, x: Any, u: Any, y: Any, mask: Any,
    mode: Any, n_out: Any, n_in: Any, rows: Any, stride: Any,
) -> Any:  # fmt: skip
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        w, v, w_o, w_i, b, biased, x, u, *others = arguments
        _Affine(builder, y.dtype, [(w, x), (v, u)], (w_o, w_i, b, biased, *others)).write()
        return context.get_dummy_value()

    word = types.int64
    return types.void(w, v, word, word, b, word, x, u, y, mask, word, word, word, word, word), generate


#: Compute the sum of two products, ``y = b (if biased) + w x + v u``, like :data:`affine`: the sums of the
#: first stay in registers for the second.
affine_sum: Formula = cast(Formula, intrinsic(_affine_sum))
