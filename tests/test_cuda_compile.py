"""Test that the CUDA sources compile for every supported card, within the resources of each kernel."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import numpy as np
import pytest
from cushim.examples import example
from cushim.runner import kernel_names

from vsmnp.bench.predict.compiler import compiled, usage
from vsmnp.kernels.cuda.machine import OPTIONS
from vsmnp.kernels.cuda.source import FOLDER, REALS, STEPS, TOPICS, joined

ARCHITECTURES = ("sm_75", "sm_80", "sm_90")
#: Registers of a thread: at least two blocks of 256 threads fit a multiprocessor.
MOST_REGISTERS = {np.dtype(np.float32): 96, np.dtype(np.float64): 128}
#: Registers of a multiprocessor, which the blocks that a fused step counts on must fit.
REGISTERS = 65536
#: Bytes of shared memory of a block that every card provides by default.
MOST_SHARED = 48 * 1024


def _flags(architecture: str) -> tuple[str, ...]:
    return f"--gpu-architecture={architecture}", "--ptxas-options=-v", "-ftz=true", *OPTIONS


def _marks(topic: str, dtype: np.dtype[Any], architecture: str) -> tuple[pytest.MarkDecorator, ...]:
    """Mark slow cases: a fused step takes up to half a minute; on the newest card one dtype always runs."""
    always = architecture == ARCHITECTURES[-1] and (dtype == np.float32 or topic == "step")
    return (pytest.mark.slow,) if topic in STEPS and not always else ()


def _most_registers_of_a_step(text: str) -> int:
    """Compute the registers of a thread with which as many blocks fit as the plan of a step counts on."""
    threads, resident = (re.search(rf"int {name} = (\d+);", text) for name in ("THREADS", "RESIDENT"))
    assert threads is not None
    assert resident is not None
    assert int(threads[1]) == 128
    return REGISTERS // (int(threads[1]) * int(resident[1]))


@pytest.mark.parametrize(
    ("topic", "dtype", "architecture"),
    [pytest.param(*case, marks=_marks(*case)) for case in product(TOPICS, REALS, ARCHITECTURES)],
    ids=str,
)
def test_kernels_compile_and_spill_nothing(topic: str, dtype: np.dtype[Any], architecture: str) -> None:
    text = example(topic, dtype, architecture)
    log = compiled(text, *_flags(architecture)).log
    assert "warning" not in log, log
    found = usage(log)
    for kernel, taken in found.items():
        print(f"{architecture} {dtype} {topic}.cu {kernel}: {taken}")
    assert sorted(found) == sorted(kernel_names(text))
    assert {kernel: taken for kernel, taken in found.items() if taken.spilled or taken.stack} == {}
    most = _most_registers_of_a_step(text) if topic in STEPS else MOST_REGISTERS[dtype]
    assert max(taken.registers for taken in found.values()) <= most
    assert max(taken.shared for taken in found.values()) <= MOST_SHARED


#: A kernel with 90 numbers a thread, at indices that are known only at run time.
GREEDY = """
extern "C" __global__ void __launch_bounds__(1024, 2) greedy(float *p) {
    float x[90];
    for (int i = 0; i < 90; ++i) x[i] = p[64 * i];
    for (int j = 0; j < 90; ++j) p[j] = x[j * (int)p[0] % 90];
}
"""


def test_a_spill_is_noticed() -> None:
    taken = usage(compiled(GREEDY, *_flags("sm_80")).log)["greedy"]
    assert taken.spilled or taken.stack


def test_a_mistake_is_reported_where_it_stands() -> None:
    text = joined("terms", np.float32).replace("sum_of_team(square", "sum_of_teams(square")
    with pytest.raises(RuntimeError, match=r"terms\.cu\(\d+\)"):
        compiled(text, *_flags("sm_80"))


def test_headers_are_joined_once_and_leave_no_include() -> None:
    for topic in TOPICS:
        text = example(topic, np.float64)
        assert "#include" not in text
        for header in FOLDER.glob("*.cuh"):
            assert text.count(f'#line 1 "{header.name}"') <= 1
    assert '#line 1 "philox.cuh"' in joined("sample", np.float32)


def test_there_is_no_kernel_for_other_numbers() -> None:
    with pytest.raises(KeyError):
        joined("terms", np.float16)
