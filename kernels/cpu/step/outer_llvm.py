r"""Gradients of weights and biases on a tile, generated as LLVM code in register blocks.

.. math:: g_{oi} \mathrel{+}= y_o \cdot x_i, \qquad b_o \mathrel{+}= y_o \cdot 1

for planes y, x, contiguous along the rows: the sums of a block stay in registers for all rows, one vector
each, and are reduced four at a time at the end. The bias is computed with the last few inputs, as one more
input of ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..llvm import REGISTERS, VECTOR_BYTES, WORD, Formula, Writer

#: Inputs and outputs of a full block: three quarters of the registers hold sums; the smaller side of the
#: block and one vector of the other are in the rest.
INPUTS, OUTPUTS = 4, 3 * REGISTERS // 16
#: Outputs of a block of the last few inputs and the bias, by the number of these inputs.
LAST_OUTPUTS = {inputs: most * REGISTERS // 32 for inputs, most in enumerate((12, 12, 8, 6))}


class _Outer:
    """The generated loops of one outer product."""

    def __init__(self, builder: ir.IRBuilder, dtype: Any, factors: Sequence[Any], given: Any) -> None:
        self.factors = factors  # pairs of y and x, whose products are added; the bias is that of the first
        self.g, self.b, biased, self.g_o, self.n_out, self.n_in, self.rows, self.stride = given
        self.at = Writer(builder, dtype)
        self.lanes, self.zero = VECTOR_BYTES // self.at.size, ir.Constant(WORD, 0)
        self.has_bias = builder.icmp_signed("!=", biased, self.zero)

    def block(self, o: ir.Value, i: ir.Value, outputs: int, inputs: int, last: bool) -> None:
        """Compute a block of outputs and inputs over all rows; the ``last`` block includes the bias."""
        at, lanes = self.at, self.lanes
        y_planes = [at.times(at.plus(o, n), self.stride) for n in range(outputs)]
        x_planes = [at.times(at.plus(i, n), self.stride) for n in range(inputs)]

        def add(y: ir.Value, x: ir.Value, biased: bool, r: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            rows = [sums[n * each : (n + 1) * each] for n in range(outputs)]
            ys, xs = (
                [(base, at.plus(plane, r)) for plane in planes]
                for base, planes in ((y, y_planes), (x, x_planes))
            )
            if inputs <= outputs:  # the smaller side is kept in registers, the other passes through one
                kept = [at.load(*place, lanes) for place in xs]
                for row, place in zip(rows, ys, strict=True):
                    passing = at.load(*place, lanes)
                    row[:inputs] = [at.fma(passing, x, total) for x, total in zip(kept, row, strict=False)]
                    if biased:
                        row[inputs] = at.builder.fadd(passing, row[inputs])
            else:
                kept = [at.load(*place, lanes) for place in ys]
                for m, place in enumerate(xs):
                    passing = at.load(*place, lanes)
                    for y, row in zip(kept, rows, strict=True):
                        row[m] = at.fma(y, passing, row[m])
                if biased:
                    for y, row in zip(kept, rows, strict=True):
                        row[inputs] = at.builder.fadd(y, row[inputs])
            return [total for row in rows for total in row]

        each = inputs + last
        sums = [at.all(0.0, lanes)] * (outputs * each)
        for place, (y, x) in enumerate(self.factors):
            sums = at.count(self.zero, self.rows, lanes, sums, partial(add, y, x, last and place == 0))
        for n in range(outputs):
            row = at.plus(at.times(at.plus(o, n), self.g_o), i)
            self._gather(sums[n * each : n * each + inputs], row)
        if last:
            with at.builder.if_then(self.has_bias):
                for n in range(outputs):
                    self._add(self.b, at.plus(o, n), at.folded(sums[n * each + inputs]))

    def _gather(self, sums: list[ir.Value], place: ir.Value) -> None:
        """Reduce the lanes of neighbouring sums, and add the results to the gradient."""
        if len(sums) == INPUTS:
            self._add(self.g, place, self.at.folded_four(sums), INPUTS)
        else:
            for m, total in enumerate(sums):
                self._add(self.g, self.at.plus(place, m), self.at.folded(total))

    def _add(self, to: ir.Value, place: ir.Value, value: ir.Value, lanes: int = 1) -> None:
        at = self.at
        at.store(at.builder.fadd(at.load(to, place, lanes), value), to, place, lanes)

    def rows_of(self, o: ir.Value, outputs: int) -> None:
        """Compute a block of outputs for all inputs but the last few."""
        self.at.loop(self.zero, self.whole, INPUTS, lambda i: self.block(o, i, outputs, INPUTS, False))

    def columns(self, inputs: int) -> None:
        """Compute the last few inputs and the bias for all outputs."""
        at, most = self.at, LAST_OUTPUTS[inputs]
        whole = at.whole(self.n_out, most)
        at.loop(self.zero, whole, most, lambda o: self.block(o, self.whole, most, inputs, True))
        rest = at.builder.sub(self.n_out, whole)
        at.remainders(rest, most, lambda outputs: self.block(whole, self.whole, outputs, inputs, True))

    def write(self) -> None:
        at, most = self.at, OUTPUTS
        self.whole = at.whole(self.n_in, INPUTS)
        whole = at.whole(self.n_out, most)
        at.loop(self.zero, whole, most, lambda o: self.rows_of(o, most))
        at.remainders(at.builder.sub(self.n_out, whole), most, lambda outputs: self.rows_of(whole, outputs))
        rest = at.builder.sub(self.n_in, self.whole)
        at.remainders(rest, INPUTS, self.columns, lambda: self.columns(0))


def _outer(
    context: Any, y: Any, x: Any, g: Any, b: Any, biased: Any, g_o: Any, n_out: Any, n_in: Any, rows: Any,
    stride: Any,
) -> Any:  # fmt: skip
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        y, x, *others = arguments
        _Outer(builder, g.dtype, [(y, x)], others).write()
        return context.get_dummy_value()

    word = types.int64
    return types.void(y, x, g, b, word, word, word, word, word, word), generate


#: Add ``g[o g_o + i] += sum_r y[o, r] x[i, r]`` and, if biased, ``b[o] += sum_r y[o, r]``. Arrays are given
#: as pointers, planes are ``stride`` apart, and ``rows`` must be whole vectors.
outer: Formula = cast(Formula, intrinsic(_outer))


def _outer_sum(
    context: Any, y: Any, x: Any, v: Any, u: Any, g: Any, b: Any, biased: Any, g_o: Any, n_out: Any,
    n_in: Any, rows: Any, stride: Any,
) -> Any:  # fmt: skip
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        y, x, v, u, *others = arguments
        _Outer(builder, g.dtype, [(y, x), (v, u)], others).write()
        return context.get_dummy_value()

    word = types.int64
    return types.void(y, x, v, u, g, b, word, word, word, word, word, word), generate


#: Add the sum of two products, ``g += y x' + v u'`` and, if biased, ``b += sum y``, like :data:`outer`: their
#: lanes are reduced once.
outer_sum: Formula = cast(Formula, intrinsic(_outer_sum))
