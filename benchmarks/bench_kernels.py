"""Measure every kernel that moves memory by pytest-benchmark, on every kernel set of this machine.

pip install -e '.[bench]'
pytest benchmarks/bench_kernels.py
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from vsmnp.bench.contenders.contender import waiter
from vsmnp.bench.kernels import KERNELS, PRODUCTS
from vsmnp.bench.limits.large import product
from vsmnp.kernels import NAMES, load
from vsmnp.kernels.registry import device_of, gpu_obstacle
from vsmnp.types import Window

#: Factor of the batch: smaller than 1 for a quick run, 1 for the sizes of `vsmnp bench`.
SIZE = float(os.environ.get("BENCH_SIZE", "1"))
SETS = [name for name in NAMES if device_of(name) == "cpu" or gpu_obstacle(name) is None]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("kernel", KERNELS)
def bench_kernel(kernel: str, name: str, dtype: str, benchmark: Any) -> None:
    ready, wait = KERNELS[kernel].prepare(load(name), SIZE, dtype), waiter(device_of(name))
    benchmark.extra_info["elements"] = ready.elements

    def run() -> None:
        ready.call()
        wait()

    benchmark(run)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", SETS)
def bench_convolution_and_its_adjoints(name: str, stride: int, benchmark: Any) -> None:
    k, wait, rng = load(name), waiter(device_of(name)), np.random.default_rng(0)
    x = k.asarray(rng.standard_normal((1, 1, max(1, round(100 * SIZE)), 16, 16, 16), np.float32))
    w = k.asarray(rng.standard_normal((1, 32, 4, 4, 16), np.float32))
    window, out = Window(4, stride, 1), k.zeros(w.shape, np.float32)

    def run() -> None:
        y = k.conv(x, w, window)
        k.conv_adjoint_x(y, w, window, (16, 16))
        k.conv_adjoint_w(y, x, window, out)
        wait()

    benchmark(run)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(("count", "width"), PRODUCTS)
def bench_product(count: int, width: int, name: str, benchmark: Any) -> None:
    call, flops = product(load(name), count, width, "float32")
    wait = waiter(device_of(name))
    benchmark.extra_info["flops"] = flops

    def run() -> None:
        call.step()
        wait()

    benchmark(run)
