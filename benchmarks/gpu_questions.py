"""What only a card can answer, as one JSON object: `python benchmarks/gpu_questions.py FILE`.

Times are medians of repeated measurements by events on the stream, or by the host's clock where the cost on
the host is the question.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import cupy
import numpy as np

from vsmnp.config import Settings
from vsmnp.data import load_data
from vsmnp.kernels import load, reference
from vsmnp.kernels.cuda_set import CudaKernels
from vsmnp.kernels.launch import card
from vsmnp.trainer import Trainer
from vsmnp.types import QuadraticForm

REPEATS = 15
#: Elements of the arrays that measure bandwidth: 256 MiB in float32.
LONG = 2**26


def on_device(work: Callable[[], object]) -> float:
    """Median microseconds of ``work`` between two events."""
    work()
    times = []
    for _ in range(REPEATS):
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(1e3 * cupy.cuda.get_elapsed_time(start, end))
    return statistics.median(times)


def on_host(work: Callable[[], object], calls: int = 200) -> float:
    """Median microseconds that the host needs for one call, the device's work left to go on."""
    work()
    times = []
    for _ in range(REPEATS):
        cupy.cuda.Device().synchronize()
        start = time.perf_counter()
        for _ in range(calls):
            work()
        times.append(1e6 * (time.perf_counter() - start) / calls)
    cupy.cuda.Device().synchronize()
    return statistics.median(times)


def launches() -> dict[str, float]:
    """One RawKernel, and ten of them against a graph of ten."""
    kernel = cupy.RawKernel('extern "C" __global__ void one(float *x) { x[0] += 1.0f; }', "one")
    x = cupy.zeros(1, cupy.float32)

    def ten() -> None:
        for _ in range(10):
            kernel((1,), (32,), (x,))

    stream = cupy.cuda.Stream()
    ten()
    with stream:
        stream.begin_capture()
        ten()
        graph = stream.end_capture()
    return {
        "RawKernel launch, us on the host": on_host(lambda: kernel((1,), (32,), (x,))),
        "ten launches, us on the host": on_host(ten, 50),
        "graph of ten, us on the host": on_host(lambda: graph.launch(stream), 50),
    }


def bandwidth() -> dict[str, float]:
    """Copying, and the fused terms as a fraction of it at the same total bytes."""
    a, b = cupy.ones(LONG, cupy.float32), cupy.empty(LONG, cupy.float32)
    copied = 2 * a.nbytes / on_device(lambda: cupy.copyto(b, a)) / 1e3
    k, form, (samples, batch, width) = load("cuda"), QuadraticForm(1.0, 0.0), (5, 4000, 1024)
    x = cupy.ones((1, 1, batch, width), cupy.float32)
    g, weight = cupy.ones((1, samples, batch, width), cupy.float32), cupy.ones(1, cupy.float32)
    moved = (x.nbytes + 2 * g.nbytes) / on_device(
        lambda: k.residual_forms(x, g, None, form, weight, weight)
    ) / 1e3  # fmt: skip
    mu = cupy.ones((1, 1, batch, width), cupy.float32)
    z = samples * mu.nbytes + 2 * mu.nbytes
    drawn = z / on_device(lambda: k.sample(mu, mu, np.array([1], np.uint64), 1, 2, samples)) / 1e3
    return {
        "copy, GB/s": copied, "Gaussian terms, GB/s": moved, "Gaussian terms / copy": moved / copied,
        "sample, GB/s": drawn, "sample / copy": drawn / copied,
    }  # fmt: skip


def products() -> dict[str, float]:
    """A product through the one door in float32 and TF32: rate and error."""
    n, found = 4096, {}
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((1, n, n)).astype(np.float32) for _ in range(2))
    exact = a[0, :64].astype(np.float64) @ b[0].astype(np.float64)
    capability = int(cupy.cuda.Device().compute_capability)
    for name, tf32 in (("float32", False), ("TF32", True)):
        if tf32 and capability < 80:
            continue
        k = CudaKernels(card(tf32))
        x, y = k.asarray(a), k.asarray(b)
        out = k.gemm(x, y)
        error = np.abs(k.to_host(out)[0, :64] - exact).max() / np.abs(exact).max()
        micro = on_device(lambda k=k, x=x, y=y, out=out: k.gemm(x, y, out=out))
        found[f"{name} product, TFLOP/s"] = 2 * n**3 / micro / 1e6
        found[f"{name} product, relative error"] = float(error)
    return found


def steps() -> dict[str, Any]:
    """A step, composed and fused, launched and replayed."""
    settings = Settings(hidden=(30, 30), activation="tanh", samples=1, batch_size=1000, steps=100,
                        objective="m3", inference="fisher")  # fmt: skip
    data, found = load_data("mixture"), {}
    for many in (1, 16, 256):
        chosen = replace(settings, seeds=tuple(range(many)))
        for kind, name in product(("composed", "fused"), ("launched", "replayed")):
            trainer = Trainer.build(load("cuda"), chosen, data, may_fuse=kind == "fused")
            state, recorded = trainer.initial_state(), trainer.recorded
            assert recorded is not None
            if name == "launched":
                recorded.obstacle = "measured without"
            for _ in range(3):
                trainer.step(state)
            cupy.cuda.Device().synchronize()
            start = time.perf_counter()
            for _ in range(50):
                trainer.step(state)
            cupy.cuda.Device().synchronize()
            found[f"{kind} step of {many} models {name}, ms"] = 1e3 * (time.perf_counter() - start) / 50
            if kind == "fused":
                found["the fused step"] = str(getattr(trainer.fused, "plan", "is composed"))
            if name == "replayed":
                found[f"recording of a {kind} step of {many} models"] = recorded.obstacle or "captured"
    return found


def agreement() -> dict[str, float]:
    """Largest relative distance of a run's parameters from the reference's, in float64."""
    found = {}
    for objective, inference in (
        ("elbo", "kl"),
        ("m2", "fisher"),
        ("m3", "fisher-reparam"),
        ("fae", "fisher"),
    ):
        settings = Settings(hidden=(8,), activation="tanh", samples=2, batch_size=50, steps=20, seeds=(0, 1),
                            dtype="float64", objective=objective, inference=inference)  # fmt: skip
        ends = []
        for k in (load("cuda"), reference):
            trainer = Trainer.build(k, settings, load_data("mixture"), may_fuse=False)  # type: ignore[arg-type]
            state = trainer.initial_state()
            for _ in range(20):
                trainer.step(state)
            ends.append(trainer.k.to_host(state.theta))
        distance = float(np.abs(ends[0] - ends[1]).max() / np.abs(ends[1]).max())
        found[f"{objective}-{inference}, distance from the reference after 20 steps"] = distance
    return found


def main(path: str) -> None:
    """Answer what can be answered; a question that fails says why."""
    answers: dict[str, Any] = {}
    for question in (launches, bandwidth, products, agreement, steps):
        try:
            answers |= question()
        except Exception as error:  # the others shall still be asked
            answers[question.__name__] = f"{type(error).__name__}: {error}"
    Path(path).write_text(json.dumps(answers, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
