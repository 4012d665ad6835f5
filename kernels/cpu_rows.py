"""The Gaussian terms in a single pass, the samples of some dimensions side by side in registers.

A vector of dimensions at a time: all S residuals are summed, then the cotangent of each sample is written
while its g is still in the first-level cache. Nothing but x, g, s^q and the result ever touches memory.
"""

from __future__ import annotations

from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .cpu_vectors import VECTOR_BYTES, WORD, Formula, Writer, pointers

_NONE = ir.Constant(WORD, 0)


class _Terms:
    """The loops for one kind of form.

    Parameters
    ----------
    crosses, wanted, summed : bool
        Whether s^q is read; whether v is written; whether all dimensions are summed, or each is kept.
    """

    def __init__(
        self, builder: ir.IRBuilder, dtype: Any, crosses: bool, wanted: bool, summed: bool, given: Any
    ) -> None:
        self.x, self.g, self.q, self.v, self.samples, self.apart, self.count, self.numbers, *self.out = given
        self.at, self.crosses, self.wanted, self.summed = Writer(builder, dtype), crosses, wanted, summed
        self.factors = [
            self.at.load(self.numbers, ir.Constant(WORD, n)) for n in range(9)
        ]  # before any store

    def some(self, r: ir.Value, lanes: int, totals: list[ir.Value]) -> list[ir.Value]:
        """Dimensions ``r .. r + lanes``: the sums of e.e, (mean e)^2, q.e and (mean q).(mean e) go on."""
        at, builder = self.at, self.at.builder
        share, each, mean, cross_each, cross_mean, *parts = (at.splat(n, lanes) for n in self.factors)
        zero, x_r = at.all(0.0, lanes), at.load(self.x, r, lanes)

        def add(s: ir.Value, inner: list[ir.Value]) -> list[ir.Value]:
            place = at.plus(at.times(s, self.apart), r)
            e = builder.fsub(at.load(self.g, place, lanes), x_r)
            updated = [builder.fadd(inner[0], e), at.fma(e, e, inner[1])]
            if self.crosses:
                q_s = at.load(self.q, place, lanes)
                updated += [builder.fadd(inner[2], q_s), at.fma(q_s, e, inner[3])]
            return updated

        squares, products = (totals[0], totals[2 % len(totals)]) if self.summed else (zero, zero)
        first = [zero, squares, *([zero, products] if self.crosses else [])]
        found = at.count(_NONE, self.samples, 1, first, add)
        e_mean = builder.fmul(found[0], share)
        q_mean = builder.fmul(found[2], share) if self.crosses else zero
        if self.wanted:
            start = builder.fmul(mean, e_mean)
            if self.crosses:
                start = at.fma(cross_mean, q_mean, start)

            def write(s: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
                place = at.plus(at.times(s, self.apart), r)
                slope = at.fma(each, builder.fsub(at.load(self.g, place, lanes), x_r), start)
                if self.crosses:
                    slope = at.fma(cross_each, at.load(self.q, place, lanes), slope)
                at.store(slope, self.v, place, lanes)
                return []

            at.count(_NONE, self.samples, 1, [], write)
        if self.summed:
            updated = [found[1], at.fma(e_mean, e_mean, totals[1])]
            return [*updated, found[3], at.fma(q_mean, e_mean, totals[3])] if self.crosses else updated
        a = builder.fmul(parts[1], builder.fmul(e_mean, e_mean))
        at.store(at.fma(parts[0], found[1], a), self.out[0], r, lanes)
        if self.crosses:
            h = builder.fmul(parts[3], builder.fmul(q_mean, e_mean))
            at.store(at.fma(parts[2], found[3], h), self.out[1], r, lanes)
        return []

    def write(self) -> None:
        """Whole vectors, and then one by one what does not fill a vector."""
        at = self.at
        lanes = VECTOR_BYTES // at.size
        whole = at.whole(self.count, lanes)
        sums = (4 if self.crosses else 2) if self.summed else 0
        vectors = at.count(
            _NONE, whole, lanes, [at.all(0.0, lanes)] * sums, lambda r, totals: self.some(r, lanes, totals)
        )
        folded = [at.folded(total) for total in vectors]
        totals = at.count(whole, self.count, 1, folded, lambda r, totals: self.some(r, 1, totals))
        for n, total in enumerate(totals):
            at.store(total, self.out[0], ir.Constant(WORD, n))


def _form_terms(
    context: Any, crosses: Any, wanted: Any, summed: Any, x: Any, g: Any, q: Any, v: Any, samples: Any,
    apart: Any, count: Any, numbers: Any, out: Any, out_h: Any,
) -> Any:  # fmt: skip
    kinds = crosses.literal_value, wanted.literal_value, summed.literal_value

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        given = pointers(context, builder, signature.args[3:], arguments[3:])
        _Terms(builder, x.dtype, *kinds, given).write()
        return context.get_dummy_value()

    word = types.int64
    return types.void(crosses, wanted, summed, x, g, q, v, word, word, word, numbers, out, out_h), generate


#: For three literal flags (whether there is a cross term, whether the cotangent is wanted, whether dimensions
#: are summed) and arrays that start at a datum: its ``x (D,)``; ``g``, ``q`` and ``v (S, .)`` with samples
#: ``apart`` elements apart; ``count`` dimensions; and ``numbers``: 1/S, then what multiplies e, mean e, s^q
#: and its mean in v, then what multiplies the four sums below in a and h. The result is ``(4,)`` sums, of e.e
#: over all samples, of (mean e)^2, of q.e and of (mean q).(mean e); or a and h of each dimension.
form_terms: Formula = cast(Formula, intrinsic(prefer_literal=True)(_form_terms))


class _Gaps:
    """The loop of the posterior Fisher divergence."""

    def __init__(self, builder: ir.IRBuilder, dtype: Any, given: Any) -> None:
        self.mu, self.s, self.eps, self.b, self.samples, self.apart, self.count, self.numbers, *out = given
        self.d, self.loss, self.gmu, self.gs = out
        self.at = Writer(builder, dtype)
        self.factors = [self.at.load(self.numbers, ir.Constant(WORD, n)) for n in range(3)]

    def some(self, r: ir.Value, lanes: int) -> None:
        """Dimensions ``r .. r + lanes`` of all samples."""
        at, builder = self.at, self.at.builder
        share, twice, half = (at.splat(n, lanes) for n in self.factors)
        mu, s = at.load(self.mu, r, lanes), at.load(self.s, r, lanes)
        inverse = builder.fdiv(at.all(1.0, lanes), s)
        width = builder.fsub(s, inverse)

        def add(k: ir.Value, inner: list[ir.Value]) -> list[ir.Value]:
            place = at.plus(at.times(k, self.apart), r)
            eps = at.load(self.eps, place, lanes)
            d = builder.fsub(at.fma(width, eps, mu), at.load(self.b, place, lanes))
            at.store(d, self.d, place, lanes)
            return [builder.fadd(inner[0], d), at.fma(d, eps, inner[1]), at.fma(d, d, inner[2])]

        found = at.count(_NONE, self.samples, 1, [at.all(0.0, lanes)] * 3, add)
        information = builder.fmul(inverse, inverse)
        weights = builder.fmul(share, information), builder.fmul(twice, information), half
        for total, weight, to in zip(found, weights, (self.gmu, self.gs, self.loss), strict=True):
            at.store(builder.fmul(total, weight), to, r, lanes)

    def write(self) -> None:
        """Whole vectors, and then one by one what does not fill a vector."""
        at = self.at
        lanes = VECTOR_BYTES // at.size
        whole = at.whole(self.count, lanes)
        at.loop(_NONE, whole, lanes, lambda r: self.some(r, lanes))
        at.loop(whole, self.count, 1, lambda r: self.some(r, 1))


def _gap_terms(
    context: Any, mu: Any, s: Any, eps: Any, b: Any, samples: Any, apart: Any, count: Any, numbers: Any,
    d: Any, loss: Any, gmu: Any, gs: Any,
) -> Any:  # fmt: skip
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _Gaps(builder, mu.dtype, pointers(context, builder, signature.args, arguments)).write()
        return context.get_dummy_value()

    word = types.int64
    return types.void(mu, s, eps, b, word, word, word, numbers, d, loss, gmu, gs), generate


#: ``d = mu + (s - 1/s) eps - b`` of ``count`` dimensions, whose samples are ``apart``; ``|d|^2/2`` averaged
#: over the samples, of each dimension; and its gradients ``mean d/s^2`` and ``mean 2 d eps/s^2``.
#: ``numbers``: 1/S, 2/S and 1/(2 S).
gap_terms: Formula = cast(Formula, intrinsic(_gap_terms))
