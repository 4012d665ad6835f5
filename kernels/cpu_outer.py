r"""Gradients of weights on a tile, written block by block for the vector unit.

.. math:: g_{oi} \mathrel{+}= y_o \cdot x_i

for planes y, x, contiguous along the rows: the sums of a block stay in registers all along the rows, a vector
each. Four of them are folded together at the end.
"""

from __future__ import annotations

from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .cpu_vectors import VECTOR_BYTES, WORD, Formula, Writer

#: Outputs of a block by its inputs: twelve sums in flight, as far as there are registers.
OUTPUTS = {4: 3, 3: 4, 2: 6, 1: 6}
#: Inputs of most blocks.
INPUTS = 4


class _Outer:
    """The loops of one outer product."""

    def __init__(self, builder: ir.IRBuilder, dtype: Any, given: Any) -> None:
        self.y, self.x, self.g, self.g_o, self.n_out, self.n_in, self.rows, self.stride = given
        self.at = Writer(builder, dtype)
        self.lanes, self.zero = VECTOR_BYTES // self.at.size, ir.Constant(WORD, 0)

    def block(self, o: ir.Value, i: ir.Value, outputs: int, inputs: int) -> None:
        """Some outputs and inputs, all rows."""
        at, lanes = self.at, self.lanes
        y_planes = [at.times(at.plus(o, n), self.stride) for n in range(outputs)]
        x_planes = [at.times(at.plus(i, n), self.stride) for n in range(inputs)]

        def add(r: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            updated = list(sums)
            few, many = sorted([(y_planes, self.y), (x_planes, self.x)], key=lambda side: len(side[0]))
            kept = [at.load(few[1], at.plus(plane, r), lanes) for plane in few[0]]
            for p, plane in enumerate(many[0]):  # the longer side passes by in one register
                passing = at.load(many[1], at.plus(plane, r), lanes)
                for q, row in enumerate(kept):
                    n = q * inputs + p if many[1] is self.x else p * inputs + q
                    updated[n] = at.fma(passing, row, sums[n])
            return updated

        nothing = at.all(0.0, lanes)
        sums = at.count(self.zero, self.rows, lanes, [nothing] * (outputs * inputs), add)
        for n in range(outputs):
            row = at.plus(at.times(at.plus(o, n), self.g_o), i)
            self._gather(sums[n * inputs : (n + 1) * inputs], row)

    def _gather(self, sums: list[ir.Value], place: ir.Value) -> None:
        """Add what the lanes of neighbours come to."""
        at = self.at
        if len(sums) == INPUTS:
            folded, lanes = at.folded_four(sums), INPUTS
            at.store(at.builder.fadd(at.load(self.g, place, lanes), folded), self.g, place, lanes)
            return
        for m, total in enumerate(sums):
            one = at.plus(place, m)
            at.store(at.builder.fadd(at.load(self.g, one), at.folded(total)), self.g, one)

    def rows_of(self, o: ir.Value, outputs: int) -> None:
        """Some outputs, all inputs but the last few."""
        self.at.loop(self.zero, self.whole, INPUTS, lambda i: self.block(o, i, outputs, INPUTS))

    def columns(self, inputs: int) -> None:
        """The last few inputs, all outputs."""
        at, most = self.at, OUTPUTS[inputs]
        whole = at.whole(self.n_out, most)
        at.loop(self.zero, whole, most, lambda o: self.block(o, self.whole, most, inputs))
        rest = at.builder.sub(self.n_out, whole)
        at.remainders(rest, most, lambda outputs: self.block(whole, self.whole, outputs, inputs))

    def write(self) -> None:
        at, most = self.at, OUTPUTS[INPUTS]
        self.whole = at.whole(self.n_in, INPUTS)
        whole = at.whole(self.n_out, most)
        at.loop(self.zero, whole, most, lambda o: self.rows_of(o, most))
        at.remainders(at.builder.sub(self.n_out, whole), most, lambda outputs: self.rows_of(whole, outputs))
        at.remainders(at.builder.sub(self.n_in, self.whole), INPUTS, self.columns)


def _outer(
    context: Any, y: Any, x: Any, g: Any, g_o: Any, n_out: Any, n_in: Any, rows: Any, stride: Any
) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _Outer(builder, g.dtype, arguments).write()
        return context.get_dummy_value()

    word = types.int64
    return types.void(y, x, g, word, word, word, word, word), generate


#: ``g[o g_o + i] += sum_r y[o, r] x[i, r]`` over planes ``stride`` apart, for pointers; ``rows`` must be
#: whole vectors.
outer: Formula = cast(Formula, intrinsic(_outer))
