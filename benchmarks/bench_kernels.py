"""Every kernel under pytest-benchmark, which the extra ``[bench]`` brings.

    pytest -o addopts= benchmarks/bench_kernels.py

For one kernel over time (``--benchmark-autosave``, ``--benchmark-compare``); ``vsmnp bench`` compares with
others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vsmnp.bench.kernels import KERNELS, PRODUCTS
from vsmnp.bench.limits import product
from vsmnp.config import Settings
from vsmnp.kernels import load
from vsmnp.runs import dataset_of
from vsmnp.trainer import Trainer
from vsmnp.types import Window

K = load("cpu")


@pytest.mark.parametrize("name", list(KERNELS))
def test_kernel(benchmark: Any, name: str) -> None:
    benchmark(KERNELS[name].prepare(K, 1.0, "float32").call)


@pytest.mark.parametrize("shape", PRODUCTS, ids=str)
def test_product(benchmark: Any, shape: tuple[int, int]) -> None:
    call, _ = product(K, *shape, "float32")
    benchmark(call.step)


@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_and_its_adjoints(benchmark: Any, stride: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 1, 100, 16, 16, 16), np.float32)
    w = rng.standard_normal((1, 32, 4, 4, 16), np.float32)
    window, out = Window(4, stride, 1), np.zeros_like(w)

    def all_three() -> None:
        y = K.conv(x, w, window)
        K.conv_adjoint_x(y, w, window, (16, 16))
        K.conv_adjoint_w(y, x, window, out)

    benchmark(all_three)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("hidden", [(30, 30), (100, 100)], ids=str)
def test_training_step(benchmark: Any, hidden: tuple[int, int], fused: bool) -> None:
    settings = Settings(dataset="mixture", objective="m2", hidden=hidden, batch_size=1000)
    trainer = Trainer.build(K, settings, dataset_of(settings), may_fuse=fused)
    state = trainer.initial_state()
    benchmark(lambda: trainer.step(state))
