"""Write loops in LLVM's intermediate representation with vectors in registers, and calls by address.

Numba's compiler decides by itself how a loop uses registers; for the products of the fused step the registers
are assigned explicitly instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, cast

from llvmlite import ir
from numba import config, types
from numba.core.cgutils import create_struct_proxy, get_or_insert_function
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

Formula = Callable[..., Any]


def _features() -> str:
    """Return the features of the target processor in LLVM's notation."""
    return str(get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES)


#: Number of vector registers, and bytes of one: AVX-512 doubles both.
REGISTERS, VECTOR_BYTES = (32, 64) if "+avx512vl" in _features() else (16, 32)

#: Number of bytes of a cache line.
LINE_BYTES = 64
#: Bytes of the parts of a vector within which shuffles are fast.
LANE_BYTES = 16

WORD = ir.IntType(64)
_REALS = {types.float32: (ir.FloatType(), 4), types.float64: (ir.DoubleType(), 8)}


class Writer:
    """A builder of LLVM loops and vector instructions for one real type."""

    def __init__(self, builder: ir.IRBuilder, dtype: Any) -> None:
        self.builder = builder
        self.real, self.size = _REALS[dtype]

    def vector(self, lanes: int) -> ir.Type:
        """Return the type of a vector of ``lanes`` numbers, or the scalar type for one lane."""
        return ir.VectorType(self.real, lanes) if lanes > 1 else self.real

    def all(self, value: float, lanes: int) -> ir.Constant:
        """Return a vector with a constant in all lanes."""
        return ir.Constant(self.vector(lanes), [value] * lanes if lanes > 1 else value)

    def splat(self, value: ir.Value, lanes: int) -> ir.Value:
        if lanes == 1:
            return value
        kind = self.vector(lanes)
        one = self.builder.insert_element(
            ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
        )
        return self.shuffled(one, None, [0] * lanes)

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

    def stream(self, value: ir.Value, base: ir.Value, at: ir.Value) -> None:
        """Store one whole, aligned cache line with a non-temporal write, which bypasses the cache."""
        place = self.builder.bitcast(self.builder.gep(base, [at]), value.type.as_pointer())
        stored = self.builder.store(value, place, align=LINE_BYTES)
        one = ir.Constant(ir.IntType(32), 1)
        stored.set_metadata("nontemporal", self.builder.module.add_metadata([one]))

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        letter = "f32" if self.size == 4 else "f64"
        lanes = f"v{a.type.count}" if isinstance(a.type, ir.VectorType) else ""
        kind = ir.FunctionType(a.type, [a.type] * 3)
        fma = get_or_insert_function(self.builder.module, kind, f"llvm.fma.{lanes}{letter}")
        return self.builder.call(fma, [a, b, c])

    def opaque(self, value: ir.Value) -> ir.Value:
        """Return an integer or a pointer that the optimiser does not relate to those it was computed from."""
        kind = ir.FunctionType(value.type, [value.type])
        return self.builder.asm(kind, "", "=r,0", [value], False)

    def times(self, a: ir.Value, b: Any) -> ir.Value:
        return self.builder.mul(a, b if isinstance(b, ir.Value) else ir.Constant(WORD, b))

    def plus(self, a: ir.Value, b: Any) -> ir.Value:
        return self.builder.add(a, b if isinstance(b, ir.Value) else ir.Constant(WORD, b))

    def count(
        self, start: ir.Value, stop: ir.Value, by: int, sums: list[ir.Value], body: Formula
    ) -> list[Any]:
        """Write ``for i in range(start, stop, by): sums = body(i, sums)``, and return the final sums."""
        builder = self.builder
        before = builder.block
        head, inside, after = (builder.append_basic_block(name) for name in ("head", "inside", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        i = builder.phi(WORD)
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

    def each(self, stop: ir.Value, known: int, sums: list[ir.Value], body: Formula) -> list[Any]:
        """Write ``for i in range(stop): sums = body(i, sums)``, unrolled if ``known`` (= stop) is not 0."""
        if not known:
            return self.count(ir.Constant(WORD, 0), stop, 1, sums, body)
        for i in range(known):
            sums = body(ir.Constant(WORD, i), sums)
        return sums

    def loop(self, start: ir.Value, stop: ir.Value, by: int, body: Formula) -> None:
        """Write the loop ``for i in range(start, stop, by): body(i)``."""

        def once(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            body(i)
            return []

        self.count(start, stop, by, [], once)

    def whole(self, count: ir.Value, size: int) -> ir.Value:
        """Compute the largest multiple of ``size`` that is at most ``count``."""
        return self.times(self.builder.sdiv(count, ir.Constant(WORD, size)), size)

    def shuffled(self, a: ir.Value, b: ir.Value | None, order: Sequence[int]) -> ir.Value:
        """Select lanes of ``a`` followed by ``b`` in the given order."""
        b = ir.Constant(a.type, ir.Undefined) if b is None else b
        places = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), list(order))
        return self.builder.shuffle_vector(a, b, places)

    def halved(self, v: ir.Value) -> ir.Value:
        """Add the upper half of a vector's lanes to the lower half."""
        half = v.type.count // 2
        low, high = (self.shuffled(v, None, range(start, start + half)) for start in (0, half))
        return self.builder.fadd(low, high)

    def folded(self, v: ir.Value) -> ir.Value:
        """Compute the sum of a vector's lanes."""
        while v.type.count > 1:
            v = self.halved(v)
        return self.builder.extract_element(v, ir.Constant(ir.IntType(32), 0))

    def _halved_together(self, a: ir.Value, b: ir.Value, each: int, alternating: bool) -> ir.Value:
        """Add the upper half of each group of ``each`` lanes to the lower half, for two vectors in one.

        The groups of the result are those of ``a``, then those of ``b``, or ``alternating``.
        """
        lanes, half = a.type.count, each // 2
        groups = range(0, lanes, each), range(lanes, 2 * lanes, each)
        starts = [n for pair in zip(*groups, strict=True) for n in pair] if alternating else chain(*groups)
        low = [start + n for start in starts for n in range(half)]
        return self.builder.fadd(self.shuffled(a, b, low), self.shuffled(a, b, [n + half for n in low]))

    def folded_four(self, vectors: list[ir.Value]) -> ir.Value:
        """Compute the sums of the lanes of four vectors, as a vector of four."""
        a, b, c, d = vectors
        lanes, each = a.type.count, a.type.count // 4
        ab, cd = (self._halved_together(*pair, lanes, False) for pair in ((a, b), (c, d)))
        alternating = each * self.size < LANE_BYTES
        v = self._halved_together(ab, cd, lanes // 2, alternating)
        step = each // 2
        while step:
            v = self.builder.fadd(v, self.shuffled(v, None, [n ^ step for n in range(lanes)]))
            step //= 2
        return self.shuffled(v, None, [n * each for n in ((0, 2, 1, 3) if alternating else range(4))])

    def remainders(
        self, rest: ir.Value, most: int, body: Formula, otherwise: Callable[[], None] | None = None
    ) -> None:
        """Write a switch: ``body(n)`` if ``rest == n`` for 0 < n < most, else ``otherwise()`` if given."""
        builder = self.builder
        other, done = builder.append_basic_block("otherwise"), builder.append_basic_block("done")
        choice = builder.switch(rest, other)
        for n in range(1, most):
            case = builder.append_basic_block(f"rest{n}")
            choice.add_case(ir.Constant(WORD, n), case)
            builder.position_at_end(case)
            body(n)
            builder.branch(done)
        builder.position_at_end(other)
        if otherwise is not None:
            otherwise()
        builder.branch(done)
        builder.position_at_end(done)


def pointers(context: Any, builder: ir.IRBuilder, kinds: Any, arguments: Any) -> list[ir.Value]:
    """Convert arrays to pointers to their first elements, and leave numbers as they are."""
    return [
        create_struct_proxy(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(kinds, arguments, strict=True)
    ]


def _passed(kind: Any) -> Any:
    if isinstance(kind, types.Integer | types.Boolean):
        return types.int64
    return types.float64 if isinstance(kind, types.Float) else kind


def _call_with_pointers(context: Any, address: Any, arguments: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> Any:
        place, packed = given
        values = []
        for n, kind in enumerate(signature.args[1]):
            value = builder.extract_value(packed, n)
            if isinstance(kind, types.Array):
                value = create_struct_proxy(kind)(context, builder, value).data
            values.append(context.cast(builder, value, kind, _passed(kind)))
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        builder.call(builder.inttoptr(place, kind.as_pointer()), values)
        return context.get_dummy_value()

    return types.void(types.int64, arguments), generate


#: Call the function at an address: arrays are passed as pointers to their first elements, integers and flags
#: as 64 bits, reals in double precision.
call_with_pointers: Formula = cast(Formula, intrinsic(_call_with_pointers))


def _call(context: Any, builder: ir.IRBuilder, place: ir.Value, kinds: Any, given: Sequence[ir.Value]) -> Any:
    values = [
        context.cast(builder, value, kind, _passed(kind)) for value, kind in zip(given, kinds, strict=True)
    ]
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    builder.call(builder.inttoptr(place, kind.as_pointer()), values)
    return context.get_dummy_value()


def _call_with_records(context: Any, address: Any, arguments: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> Any:
        place, packed = given
        kinds = signature.args[1]
        values = [builder.extract_value(packed, n) for n in range(len(kinds))]
        return _call(context, builder, place, kinds, values)

    return types.void(types.int64, arguments), generate


#: Call the function at an address: arrays and records are passed as they are, integers and flags as 64 bits,
#: reals in double precision.
call_with_records: Formula = cast(Formula, intrinsic(_call_with_records))


def call_by_place(field: str, place: int) -> Formula:
    """Make a function that calls the address at index ``place`` of a field of its first argument.

    All arguments, the first included, are passed on.
    """

    def call(context: Any, record: Any, *rest: Any) -> Any:
        n = record.fields.index(field)

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> Any:
            first, packed = given
            table = create_struct_proxy(record[n])(context, builder, builder.extract_value(first, n))
            address = builder.load(builder.gep(table.data, [ir.Constant(WORD, place)]))
            others = [builder.extract_value(packed, i) for i in range(len(rest))]
            return _call(context, builder, address, (record, *rest), (first, *others))

        return types.void(record, types.StarArgTuple(rest)), generate

    return cast(Formula, intrinsic(call))
