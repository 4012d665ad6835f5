"""The Gaussian terms as LLVM code: a single pass with the samples of a few dimensions in registers.

For one cache line of dimensions at a time, all S residuals are summed, then each sample's cotangent is
computed from registers or the first-level cache. Only x, g, s^q and the result are read from or written to
memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .llvm import LINE_BYTES, WORD, Formula, Writer, pointers

_NONE = ir.Constant(WORD, 0)


class _Kind(NamedTuple):
    """The compile-time variant of the quadratic form's loops.

    Attributes
    ----------
    crosses, wanted, summed : bool
        Whether s^q is read; whether v is written; whether dimensions are summed or kept separately.
    held : int
        The number of samples if all of them stay in registers from their sum to their cotangent. Otherwise 0,
        and g and s^q are read twice, the second time from the first-level cache, unless the distance between
        samples makes them evict each other from it.
    streamed : bool
        Whether v is written past the caches; each of its rows must be whole cache lines.
    """

    crosses: bool
    wanted: bool
    summed: bool
    held: int
    streamed: bool


class _Terms:
    """The generated loops for one variant of the form."""

    def __init__(self, builder: ir.IRBuilder, dtype: Any, kind: _Kind, given: Any) -> None:
        self.x, self.g, self.q, self.v, self.samples, self.apart, self.count, self.numbers, *self.out = given
        self.at, self.kind = Writer(builder, dtype), kind
        self.factors = [
            self.at.load(self.numbers, ir.Constant(WORD, n)) for n in range(9)
        ]  # before any store

    def some(self, r: ir.Value, lanes: int, totals: list[ir.Value]) -> list[ir.Value]:
        """Process dimensions ``r .. r + lanes``; update sums of e.e, (mean e)^2, q.e, (mean q).(mean e)."""
        at, builder, kind = self.at, self.at.builder, self.kind
        share, each, mean, cross_each, cross_mean, *parts = (at.splat(n, lanes) for n in self.factors)
        zero, x_r = at.all(0.0, lanes), at.load(self.x, r, lanes)
        held: list[list[ir.Value]] = []

        def read(s: ir.Value) -> list[ir.Value]:
            place = at.plus(at.times(s, self.apart), r)
            e = builder.fsub(at.load(self.g, place, lanes), x_r)
            return [place, e, at.load(self.q, place, lanes) if kind.crosses else zero]

        def add(s: ir.Value, inner: list[ir.Value]) -> list[ir.Value]:
            held.append(read(s))
            _, e, q_s = held[-1]
            updated = [builder.fadd(inner[0], e), at.fma(e, e, inner[1])]
            if kind.crosses:
                updated += [builder.fadd(inner[2], q_s), at.fma(q_s, e, inner[3])]
            return updated

        squares, products = (totals[0], totals[2 % len(totals)]) if kind.summed else (zero, zero)
        first = [zero, squares, *([zero, products] if kind.crosses else [])]
        found = at.each(self.samples, kind.held, first, add)
        e_mean = builder.fmul(found[0], share)
        q_mean = builder.fmul(found[2], share) if kind.crosses else zero
        if kind.wanted:
            start = builder.fmul(mean, e_mean)
            if kind.crosses:
                start = at.fma(cross_mean, q_mean, start)

            def write(s: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
                place, e, q_s = held[s.constant] if kind.held else read(s)
                slope = at.fma(each, e, start)
                value = at.fma(cross_each, q_s, slope) if kind.crosses else slope
                if kind.streamed and lanes > 1:
                    at.stream(value, self.v, place)
                else:
                    at.store(value, self.v, place, lanes)
                return []

            at.each(self.samples, kind.held, [], write)
        if kind.summed:
            updated = [found[1], at.fma(e_mean, e_mean, totals[1])]
            return [*updated, found[3], at.fma(q_mean, e_mean, totals[3])] if kind.crosses else updated
        a = builder.fmul(parts[1], builder.fmul(e_mean, e_mean))
        at.store(at.fma(parts[0], found[1], a), self.out[0], r, lanes)
        if kind.crosses:
            h = builder.fmul(parts[3], builder.fmul(q_mean, e_mean))
            at.store(at.fma(parts[2], found[3], h), self.out[1], r, lanes)
        return []

    def write(self) -> None:
        """Write the loop over whole vectors, then the loop over the remaining elements."""
        at, kind = self.at, self.kind
        lanes = LINE_BYTES // at.size
        whole = at.whole(self.count, lanes)
        sums = (4 if kind.crosses else 2) if kind.summed else 0
        vectors = at.count(
            _NONE, whole, lanes, [at.all(0.0, lanes)] * sums, lambda r, totals: self.some(r, lanes, totals)
        )
        folded = [at.folded(total) for total in vectors]
        totals = at.count(whole, self.count, 1, folded, lambda r, totals: self.some(r, 1, totals))
        for n, total in enumerate(totals):
            at.store(total, self.out[0], ir.Constant(WORD, n))


def _form_terms(
    context: Any, crosses: Any, wanted: Any, summed: Any, held: Any, streamed: Any, x: Any, g: Any, q: Any,
    v: Any, samples: Any, apart: Any, count: Any, numbers: Any, out: Any, out_h: Any,
) -> Any:  # fmt: skip
    literals = crosses, wanted, summed, held, streamed
    kind = _Kind(*(literal.literal_value for literal in literals))

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        given = pointers(context, builder, signature.args[5:], arguments[5:])
        _Terms(builder, x.dtype, kind, given).write()
        return context.get_dummy_value()

    word = types.int64
    return types.void(*literals, x, g, q, v, word, word, word, numbers, out, out_h), generate


#: Compute the terms of a datum. The first five arguments are the literals of :class:`_Kind`. The arrays start
#: at the datum: its ``x (D,)``; ``g``, ``q`` and ``v (S, .)`` with samples ``apart`` elements apart.
#: ``count`` is the number of dimensions; ``numbers`` holds 1/S, then the factors of e, mean e, s^q and mean
#: s^q in v, then the factors of the four sums below in a and h. The result is ``(4,)`` sums, of e.e over all
#: samples, of (mean e)^2, of q.e and of (mean q).(mean e); or a and h of each dimension.
form_terms: Formula = cast(Formula, intrinsic(prefer_literal=True)(_form_terms))


def _store_fence(context: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


#: Issue a memory fence, after which other threads see the writes that bypassed the caches.
store_fence: Formula = cast(Formula, intrinsic(_store_fence))


class _Gaps:
    """The generated loop of the posterior Fisher divergence; ``known`` is the number of samples, or 0."""

    def __init__(self, builder: ir.IRBuilder, dtype: Any, known: int, given: Any) -> None:
        self.mu, self.s, self.eps, self.b, self.samples, self.apart, self.count, self.numbers, *out = given
        self.d, self.loss, self.gmu, self.gs = out
        self.known, self.at = known, Writer(builder, dtype)
        self.factors = [self.at.load(self.numbers, ir.Constant(WORD, n)) for n in range(3)]

    def some(self, r: ir.Value, lanes: int) -> None:
        """Process dimensions ``r .. r + lanes`` of all samples."""
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

        found = at.each(self.samples, self.known, [at.all(0.0, lanes)] * 3, add)
        information = builder.fmul(inverse, inverse)
        weights = builder.fmul(share, information), builder.fmul(twice, information), half
        for total, weight, to in zip(found, weights, (self.gmu, self.gs, self.loss), strict=True):
            at.store(builder.fmul(total, weight), to, r, lanes)

    def write(self) -> None:
        """Write the loop over whole vectors, then the loop over the remaining elements."""
        at = self.at
        lanes = LINE_BYTES // at.size
        whole = at.whole(self.count, lanes)
        at.loop(_NONE, whole, lanes, lambda r: self.some(r, lanes))
        at.loop(whole, self.count, 1, lambda r: self.some(r, 1))


def _gap_terms(
    context: Any, known: Any, mu: Any, s: Any, eps: Any, b: Any, samples: Any, apart: Any, count: Any,
    numbers: Any, d: Any, loss: Any, gmu: Any, gs: Any,
) -> Any:  # fmt: skip
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        given = pointers(context, builder, signature.args[1:], arguments[1:])
        _Gaps(builder, mu.dtype, known.literal_value, given).write()
        return context.get_dummy_value()

    word = types.int64
    return types.void(known, mu, s, eps, b, word, word, word, numbers, d, loss, gmu, gs), generate


#: Compute ``d = mu + (s - 1/s) eps - b`` of ``count`` dimensions, with samples ``apart`` elements apart; the
#: mean over samples of ``d^2/2`` of each dimension; its gradients ``mean d/s^2`` and ``mean 2 d eps/s^2``.
#: The first argument is the literal number of samples to unroll, or 0; ``numbers`` holds 1/S, 2/S, 1/(2 S).
gap_terms: Formula = cast(Formula, intrinsic(prefer_literal=True)(_gap_terms))
