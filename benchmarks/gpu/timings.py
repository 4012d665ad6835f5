"""Measure quantities that only a GPU can show, one row each: `python -m gpu.timings`.

Launch costs, copies and the fraction of them that each kernel reaches, products, whole steps, and how far a
run is from the reference's.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import cupy
import numpy as np

from vsmnp.bench.kernels import KERNELS
from vsmnp.data import load_data
from vsmnp.kernels import load
from vsmnp.kernels.cuda.kernel_set import CudaKernels
from vsmnp.kernels.cuda.machine import card
from vsmnp.kernels.reference import kernel_set as reference
from vsmnp.settings.settings import Settings
from vsmnp.training.trainer import Trainer

from .clock import on_device, on_host
from .rows import write_row
from .sizes import rehearsal

#: Bytes that a measured kernel reads and writes: more than the cache of a card.
MOVED = 2**28 if not rehearsal() else 2**16
WIDE = 4096 if not rehearsal() else 64
#: Numbers of models side by side in fused and in composed steps, and their minibatch size.
FUSED, COMPOSED, BATCH = ((1, 10, 100, 1000), (1, 10), 1000) if not rehearsal() else ((1, 2), (1,), 20)
Answers = Iterator[tuple[str, float | str, str]]


def launches() -> Answers:
    """Time one RawKernel, and ten of them against a graph of ten."""
    kernel = cupy.RawKernel('extern "C" __global__ void one(float *x) { x[0] += 1.0f; }', "one")
    x = cupy.zeros(1, cupy.float32)

    def one() -> None:
        kernel((1,), (32,), (x,))

    def ten() -> None:
        for _ in range(10):
            one()

    stream = cupy.cuda.Stream()
    ten()
    with stream:
        stream.begin_capture()
        ten()
        graph = stream.end_capture()
    p, active, t, lr = (cupy.zeros(1, kind) for kind in (np.float32, np.bool_, np.int64, np.float32))
    k, vector = load("cuda"), p[None]
    yield "RawKernel launch, on the host", on_host(one), "us"
    yield "launch through the engine's wrapper, on the host", on_host(
        lambda: k.sgd(vector, vector, t, lr, active)
    ), "us"  # fmt: skip
    yield "ten launches, on the host", on_host(ten, 50), "us"
    yield "ten launches, on the card", on_device(ten), "us"
    yield "graph of ten, on the host", on_host(lambda: graph.launch(stream), 50), "us"
    yield "graph of ten, on the card", on_device(lambda: graph.launch(stream)), "us"


def bandwidth() -> Answers:
    """Time copies, and the bytes of each kernel per second as a fraction of a copy's."""
    a, b = cupy.ones(MOVED // 8, cupy.float32), cupy.empty(MOVED // 8, cupy.float32)
    copied = MOVED / on_device(lambda: cupy.copyto(b, a)) / 1e3
    yield "copy", copied, "GB/s"
    k = load("cuda")
    for name, kernel in KERNELS.items():
        small = kernel.prepare(k, 0.01, "float32")
        ready = kernel.prepare(k, 0.01 * MOVED / (4 * small.elements), "float32")
        rate = 4 * ready.elements / on_device(ready.call) / 1e3
        yield f"kernel {name.partition('/')[0]}", rate, "GB/s"
        yield f"kernel {name.partition('/')[0]} over a copy", rate / copied, ""


def products() -> Answers:
    """Time a matrix product in float32 and TF32, with its error."""
    n = WIDE
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((1, n, n), np.float32) for _ in range(2))
    exact = a[0, :64].astype(np.float64) @ b[0].astype(np.float64)
    capability = int(cupy.cuda.Device().compute_capability)
    for name, tf32 in (("float32", False), ("TF32", True)):
        if tf32 and capability < 80:
            continue
        k = CudaKernels(card(tf32))
        x, y = k.asarray(a), k.asarray(b)
        out = k.gemm(x, y)
        error = np.abs(k.to_host(out)[0, :64] - exact).max() / np.abs(exact).max()
        micro = on_device(lambda k=k, x=x, y=y, out=out: k.gemm(x, y, out=out))  # type: ignore[misc]
        yield f"{name} product of {n}", 2 * n**3 / micro / 1e6, "TFLOP/s"
        yield f"{name} product of {n}, relative error", float(error), ""


def steps() -> Answers:
    """Time a step, fused and composed, launched and replayed, for 1 to 1,000 models."""
    settings = Settings(hidden=(30, 30), activation="tanh", samples=1, encoder_steps=1, batch_size=BATCH,
                        steps=100, objective="m2", inference="kl")  # fmt: skip
    data = load_data("mixture")
    ways = [*product(FUSED, ("fused",)), *product(COMPOSED, ("composed",))]
    for (many, kind), name in product(ways, ("replayed", "launched")):
        chosen = replace(settings, seeds=tuple(range(many)))
        trainer = Trainer.build(load("cuda"), chosen, data, may_fuse=kind == "fused")
        state, recorded = trainer.initial_state(), trainer.recorded
        assert recorded is not None
        if name == "launched":
            recorded.obstacle = "measured without"
        for _ in range(3):
            trainer.step(state)
        what = f"{kind} step of {many} models, {name}"
        if name == "replayed":
            yield f"{what}: capture", recorded.obstacle or "captured", ""
        micro = on_device(lambda trainer=trainer, state=state: trainer.step(state))  # type: ignore[misc]
        yield what, micro, "us"
        yield f"{what}: model-steps", 1e6 * many / micro, "1/s"
        if kind == "fused" and name == "replayed":
            yield f"{what}: plan", str(getattr(trainer.fused, "plan", "it is composed")), ""


def agreement() -> Answers:
    """Compute the largest relative distance of a run's parameters from the reference's after 20 steps."""
    names = (("elbo", "kl"), ("m2", "fisher"), ("m3", "fisher-reparam"), ("fae", "fisher"))
    for (objective, inference), dtype in product(names, ("float64", "float32")):
        settings = Settings(hidden=(8,), activation="tanh", samples=2, batch_size=50, steps=20, seeds=(0, 1),
                            dtype=dtype, objective=objective, inference=inference)  # fmt: skip
        for fused in (False, True):
            ends = []
            for k in (load("cuda"), reference):
                trainer = Trainer.build(k, settings, load_data("mixture"), may_fuse=fused)  # type: ignore[arg-type]
                state = trainer.initial_state()
                for _ in range(20):
                    trainer.step(state)
                ends.append(trainer.k.to_host(state.theta).astype(np.float64))
            distance = float(np.abs(ends[0] - ends[1]).max() / np.abs(ends[1]).max())
            kind = "fused" if fused else "composed"
            yield f"{objective} {inference} {dtype} {kind}, distance from the reference", distance, ""


def main() -> int:
    """Measure everything; a measurement that fails is a row with the reason, and then 1 is returned."""
    failed = 0
    for question in (launches, bandwidth, steps, products, agreement):
        try:
            for what, value, unit in question():
                write_row(what=what, value=value, unit=unit)
        except Exception as error:  # the other measurements still run
            failed += 1
            traceback.print_exc()
            row: dict[str, Any] = {"what": question.__name__, "value": f"{type(error).__name__}: {error}"}
            write_row(**row, unit="")
    print(f"{failed} questions failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
