r"""Philox4x32-10 as LLVM code for the vector unit, with eight blocks in registers for all rounds.

A round multiplies two words of a block by constants and uses both halves of the products,

.. math:: (c_0, c_1, c_2, c_3) \to (h_1 \oplus c_1 \oplus k_0,\ l_1,\ h_0 \oplus c_3 \oplus k_1,\ l_0)

with :math:`h_0, l_0` the halves of :math:`M_0 c_0` and :math:`h_1, l_1` of :math:`M_1 c_2` (Salmon et al.,
SC 2011).
"""

from __future__ import annotations

from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from ..formulas.scalar import PHILOX_KEYS, PHILOX_MULTIPLIERS, PHILOX_ROUNDS
from .llvm import WORD, Formula, Writer

#: Number of blocks that are computed together.
BLOCKS = 8

_HALF = ir.IntType(32)
_HALVES, _WORDS = ir.VectorType(_HALF, BLOCKS), ir.VectorType(WORD, BLOCKS // 2)
_LOW, _HIGH = 0xFFFFFFFF, 0xFFFFFFFF << 32


def _all(kind: ir.VectorType, value: int) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count)


class _Philox:
    """The generated loop over blocks of Philox words."""

    def __init__(self, builder: ir.IRBuilder, words: ir.Value, given: Any) -> None:
        self.words = words
        self.apart, self.count, seed, self.stream, self.step, self.start = given
        self.at = Writer(builder, types.float32)
        high = builder.lshr(seed, ir.Constant(WORD, 32))
        self.keys = [builder.trunc(half, _HALF) for half in (seed, high)]

    def splat(self, word: ir.Value) -> ir.Value:
        builder = self.at.builder
        half = word if word.type == _HALF else builder.trunc(word, _HALF)
        one = builder.insert_element(ir.Constant(_HALVES, ir.Undefined), half, ir.Constant(_HALF, 0))
        return self.at.shuffled(one, None, [0] * BLOCKS)

    def product(self, c: ir.Value, multiplier: int) -> tuple[ir.Value, ir.Value]:
        """Compute high and low halves of the products, separately for even and odd lanes."""
        builder = self.at.builder
        pairs, factor, half = builder.bitcast(c, _WORDS), _all(_WORDS, multiplier), _all(_WORDS, 32)
        low, high = _all(_WORDS, _LOW), _all(_WORDS, _HIGH)
        even = builder.mul(builder.and_(pairs, low), factor)
        odd = builder.mul(builder.lshr(pairs, half), factor)
        upper = builder.or_(builder.lshr(even, half), builder.and_(odd, high))
        lower = builder.or_(builder.and_(even, low), builder.shl(odd, half))
        return builder.bitcast(upper, _HALVES), builder.bitcast(lower, _HALVES)

    def rounds(self, c: list[ir.Value]) -> list[ir.Value]:
        builder = self.at.builder
        keys = self.keys
        for _ in range(PHILOX_ROUNDS):
            high0, low0 = self.product(c[0], PHILOX_MULTIPLIERS[0])
            high1, low1 = self.product(c[2], PHILOX_MULTIPLIERS[1])
            k0, k1 = (self.splat(key) for key in keys)
            c = [
                builder.xor(builder.xor(high1, c[1]), k0),
                low1,
                builder.xor(builder.xor(high0, c[3]), k1),
                low0,
            ]
            keys = [
                builder.add(key, ir.Constant(_HALF, step))
                for key, step in zip(keys, PHILOX_KEYS, strict=True)
            ]
        return c

    def write(self) -> None:
        at, builder = self.at, self.at.builder
        wide = ir.VectorType(WORD, BLOCKS)
        lanes = ir.Constant(wide, list(range(BLOCKS)))
        stream, step = self.splat(self.stream), self.splat(self.step)

        def some(j: ir.Value) -> None:
            first = builder.insert_element(
                ir.Constant(wide, ir.Undefined), at.plus(self.start, j), ir.Constant(_HALF, 0)
            )
            number = builder.add(at.shuffled(first, None, [0] * BLOCKS), lanes)
            upper = builder.trunc(builder.lshr(number, _all(wide, 32)), _HALVES)
            c = self.rounds([builder.trunc(number, _HALVES), step, stream, upper])
            for lane, words in enumerate(c):
                place = builder.gep(self.words, [at.plus(at.times(self.apart, lane), j)])
                builder.store(words, builder.bitcast(place, _HALVES.as_pointer()), align=4)

        at.loop(ir.Constant(WORD, 0), self.count, BLOCKS, some)


def _philox(
    context: Any, words: Any, apart: Any, count: Any, seed: Any, stream: Any, step: Any, start: Any
) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        array, *numbers = arguments
        _Philox(builder, make_array(words)(context, builder, array).data, numbers).write()
        return context.get_dummy_value()

    word = types.int64
    return types.void(words, word, word, word, word, word, word), generate


#: Write the words of blocks ``start .. start + count`` to ``words``, four lanes ``apart`` elements apart;
#: ``count`` must be a multiple of ``BLOCKS``. Of seed, stream and step only the low bits are used.
philox: Formula = cast(Formula, intrinsic(_philox))
