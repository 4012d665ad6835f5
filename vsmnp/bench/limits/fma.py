"""Measure the arithmetic peak of a core by a loop of independent fused multiply-adds on whole vectors."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..timing import Call

#: Number of vector multiply-adds of one call of the loop: some 20 microseconds.
STEPS = 200_000
#: Number of independent sums: at least latency times units of a core, and no more than its registers hold.
SUMS = 12


@cache
def _loop(dtype: str) -> tuple[Callable[[int, Any, Any], Any], int]:
    """Compile the loop for the vectors of this processor, and return it with their number of lanes."""
    import numba
    from llvmlite import ir
    from numba.extending import intrinsic

    from ...kernels.cpu.llvm import VECTOR_BYTES, WORD, Writer

    real = numba.from_dtype(np.dtype(dtype))
    lanes = VECTOR_BYTES // (4 if dtype == "float32" else 8)

    def multiply_add(context: Any, steps: Any, factor: Any, term: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> ir.Value:
            write = Writer(builder, real)
            a, b = (write.splat(value, lanes) for value in given[1:])
            sums = write.count(
                ir.Constant(WORD, 0), given[0], SUMS, [b] * SUMS,
                lambda _, sums: [write.fma(total, a, b) for total in sums],
            )  # fmt: skip
            return write.folded(_added(builder, sums))

        return real(steps, factor, term), generate

    run = intrinsic(multiply_add)

    @numba.njit(nogil=True)  # type: ignore[untyped-decorator]
    def loop(steps: int, factor: Any, term: Any) -> Any:
        return run(steps, factor, term)

    return loop, lanes


def _added(builder: Any, sums: list[Any]) -> Any:
    result = sums[0]
    for each in sums[1:]:
        result = builder.fadd(result, each)
    return result


def multiply_adds(dtype: str) -> tuple[Call, int]:
    """Return a call of the loop on one core, and its floating-point operations: two for each lane."""
    loop, lanes = _loop(dtype)
    steps = STEPS - STEPS % SUMS
    factor, term = (np.dtype(dtype).type(value) for value in (0.5, 1.0))
    return Call(lambda: loop(steps, factor, term)), 2 * lanes * steps
