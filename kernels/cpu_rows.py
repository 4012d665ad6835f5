"""The Gaussian terms of one datum in a single pass, its samples side by side in registers.

A vector of dimensions at a time: all S residuals are summed, then the cotangent of each sample is written
while its g is still in the first-level cache. Nothing but x, g, s^q and the result ever touches memory.
"""

from __future__ import annotations

from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .cpu_vectors import VECTOR_BYTES, Formula, Writer, pointers

_WORD = ir.IntType(64)


def _terms(crosses: bool, wanted: bool) -> Formula:
    """Write the loop for one kind of form."""

    def body(builder: ir.IRBuilder, dtype: Any, given: Any) -> None:
        x, g, q, v, samples, apart, count, numbers, sums = given
        at = Writer(builder, dtype)
        lanes = VECTOR_BYTES // at.size
        zero = ir.Constant(at.vector(lanes), [0.0] * lanes)
        none = ir.Constant(_WORD, 0)
        share, each, mean, cross_each, cross_mean = (
            at.splat(at.load(numbers, ir.Constant(_WORD, n)), lanes) for n in range(5)
        )

        def some(r: ir.Value, totals: list[ir.Value]) -> list[ir.Value]:
            x_r = at.load(x, r, lanes)

            def add(s: ir.Value, inner: list[ir.Value]) -> list[ir.Value]:
                place = at.plus(at.times(s, apart), r)
                e = builder.fsub(at.load(g, place, lanes), x_r)
                updated = [builder.fadd(inner[0], e), at.fma(e, e, inner[1])]
                if crosses:
                    q_s = at.load(q, place, lanes)
                    updated += [builder.fadd(inner[2], q_s), at.fma(q_s, e, inner[3])]
                return updated

            first = [zero, totals[0], *([zero, totals[2]] if crosses else [])]
            found = at.count(none, samples, 1, first, add)
            e_mean = builder.fmul(found[0], share)
            q_mean = builder.fmul(found[2], share) if crosses else zero
            if wanted:
                start = builder.fmul(mean, e_mean)
                if crosses:
                    start = at.fma(cross_mean, q_mean, start)

                def write(s: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
                    place = at.plus(at.times(s, apart), r)
                    slope = at.fma(each, builder.fsub(at.load(g, place, lanes), x_r), start)
                    if crosses:
                        slope = at.fma(cross_each, at.load(q, place, lanes), slope)
                    at.store(slope, v, place, lanes)
                    return []

                at.count(none, samples, 1, [], write)
            updated = [found[1], at.fma(e_mean, e_mean, totals[1])]
            if crosses:
                updated += [found[3], at.fma(q_mean, e_mean, totals[3])]
            return updated

        totals = at.count(none, count, lanes, [zero] * (4 if crosses else 2), some)
        for n, total in enumerate(totals):
            at.store(at.folded(total), sums, ir.Constant(_WORD, n))

    def typed(
        context: Any,
        x: Any,
        g: Any,
        q: Any,
        v: Any,
        samples: Any,
        apart: Any,
        count: Any,
        numbers: Any,
        sums: Any,
    ) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            body(builder, sums.dtype, pointers(context, builder, signature.args, arguments))
            return context.get_dummy_value()

        word = types.int64
        return types.void(x, g, q, v, word, word, word, numbers, sums), generate

    return cast(Formula, intrinsic(typed))


#: For arrays that start at a datum: its ``x (D,)``; ``g``, ``q`` and ``v (S, .)`` with samples ``apart``
#: elements apart; and ``count`` dimensions, whole vectors. ``numbers``: 1/S, then what multiplies e, mean e,
#: s^q and its mean in v. ``sums``: of e.e over all samples, of (mean e)^2, of q.e and of (mean q).(mean e).
#: Without a cross term, q is not read; with ``_only``, v is not written.
square_terms = _terms(False, True)
square_only = _terms(False, False)
cross_terms = _terms(True, True)
cross_only = _terms(True, False)
