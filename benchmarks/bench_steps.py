"""Measure whole training steps by pytest-benchmark: fused, composed of `cpu`, composed of `reference`.

pip install -e '.[bench]'
pytest benchmarks/bench_steps.py
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from vsmnp.bench import Case, Problem
from vsmnp.bench.suites import HEADLINE

#: Minibatch size N.
BATCH = round(1000 * float(os.environ.get("BENCH_SIZE", "1")))


@pytest.mark.parametrize(
    ("kernels", "fused"),
    [("cpu", True), ("cpu", False), ("reference", False)],
    ids=("fused", "cpu", "reference"),
)
@pytest.mark.parametrize("samples", [1, 5])
@pytest.mark.parametrize("hidden", [(30, 30), (100, 100)])
@pytest.mark.parametrize(("objective", "inference"), HEADLINE)
def bench_step(
    objective: str, inference: str, hidden: tuple[int, ...], samples: int, kernels: str, fused: bool,
    benchmark: Any,
) -> None:  # fmt: skip
    case = Case(objective, inference, hidden, samples, batch_size=BATCH, kernels=kernels)
    trainer = replace(Problem(case).trainer, may_fuse=fused)
    state = trainer.initial_state()
    benchmark(lambda: trainer.step(state))
