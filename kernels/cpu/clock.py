"""Time loops that are called by their address, within compiled code."""

from __future__ import annotations

import ctypes
import time
from functools import cache
from typing import Any

from llvmlite import binding, ir

from vsmnp.types.arrays import Array

from .llvm import WORD

#: Whether compiled code can read the clock: the system has ``clock_gettime`` of POSIX.
HAS_CLOCK = hasattr(time, "clock_gettime")
#: The types of arguments by their letters in ``step/inner_loops.py``: pointers, words and reals.
_KINDS = {"p": WORD.as_pointer(), "i": WORD.as_pointer(), "w": WORD, "r": ir.DoubleType()}


@cache
def _clock() -> int | None:
    """Return the address of ``clock_gettime``."""
    return ctypes.cast(ctypes.CDLL(None).clock_gettime, ctypes.c_void_p).value


def _now(builder: ir.IRBuilder) -> ir.Value:
    """Read the monotonic clock in nanoseconds."""
    half, found = ir.IntType(32), builder.alloca(ir.ArrayType(WORD, 2))
    read = ir.FunctionType(half, [half, found.type]).as_pointer()
    clock = builder.inttoptr(ir.Constant(WORD, _clock()), read)
    builder.call(clock, [ir.Constant(half, time.CLOCK_MONOTONIC), found])
    both = builder.load(found)
    seconds, rest = builder.extract_value(both, 0), builder.extract_value(both, 1)
    return builder.add(builder.mul(seconds, ir.Constant(WORD, 10**9)), rest)


class TimedLoop:
    """A function of the same arguments that calls a loop and adds its nanoseconds to a counter.

    It costs two readings of the clock, some 50 ns a call, and is valid as long as this object.

    Parameters
    ----------
    address : int
        Address of the loop.
    letters : str
        The types of its arguments.
    counter : Array
        ``(1,)`` integers of 64 bits.
    """

    def __init__(self, address: int, letters: str, counter: Array) -> None:
        kind = ir.FunctionType(ir.VoidType(), [_KINDS[letter] for letter in letters])
        module = ir.Module()
        module.triple = binding.get_process_triple()
        function = ir.Function(module, kind, "timed")
        builder = ir.IRBuilder(function.append_basic_block())
        start = _now(builder)
        builder.call(builder.inttoptr(ir.Constant(WORD, int(address)), kind.as_pointer()), function.args)
        spent = builder.sub(_now(builder), start)
        place = builder.inttoptr(ir.Constant(WORD, counter.ctypes.data), WORD.as_pointer())
        builder.store(builder.add(builder.load(place), spent), place)
        builder.ret_void()
        self._counter, self._engine = counter, _compiled(module)
        self.address = int(self._engine.get_function_address("timed"))


def _compiled(module: ir.Module) -> Any:
    machine = binding.Target.from_default_triple().create_target_machine(jit=True)
    engine = binding.create_mcjit_compiler(binding.parse_assembly(str(module)), machine)
    engine.finalize_object()
    return engine
