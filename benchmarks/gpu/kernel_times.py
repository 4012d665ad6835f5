"""Measure each kernel of training steps by events around every launch: `python -m gpu.kernel_times`.

It needs no profiler. The events lie between launches, so that a kernel's time includes the gap before it.
With the word `once`, it only runs the steps, for a profiler.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import cupy

from vsmnp.data import load_data
from vsmnp.kernels import load
from vsmnp.kernels.cuda.machine import CupyModule
from vsmnp.settings.settings import Settings
from vsmnp.training.trainer import Trainer

from .rows import write_row
from .sizes import rehearsal

#: Number of steps of the medians, and number of steps before them.
STEPS, WARM = 20, 3
#: Trained cases: number of models, and whether the step is fused.
CASES = ((1, True), (1000, True), (1, False)) if not rehearsal() else ((1, True), (1, False))
BATCH = 1000 if not rehearsal() else 20


def _trainer(models: int, fused: bool) -> Trainer:
    settings = Settings(hidden=(30, 30), activation="tanh", samples=1, encoder_steps=1, batch_size=BATCH,
                        steps=100, objective="m2", inference="kl", seeds=tuple(range(models)))  # fmt: skip
    trainer = Trainer.build(load("cuda"), settings, load_data("mixture"), may_fuse=fused)
    assert trainer.recorded is not None
    trainer.recorded.obstacle = "each launch is measured"
    return trainer


def measure(models: int, fused: bool) -> list[dict[str, Any]]:
    """Return one row for each kernel: launches per step, and the median microseconds of one.

    Parameters
    ----------
    models : int
        Number of models trained side by side.
    fused : bool
        Whether the step is fused.
    """
    trainer = _trainer(models, fused)
    state = trainer.initial_state()
    for _ in range(WARM):
        trainer.step(state)
    spans: dict[tuple[Any, ...], list[tuple[Any, Any]]] = defaultdict(list)
    launch = CupyModule.launch

    def timed(
        self: CupyModule, kernel: str, grid: Sequence[int], block: Sequence[int], arguments: Any,
        shared: int = 0, *rest: Any,
    ) -> None:  # fmt: skip
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        launch(self, kernel, tuple(grid), tuple(block), arguments, shared, *rest)
        end.record()
        spans[kernel, tuple(grid), tuple(block), shared].append((start, end))

    CupyModule.launch = timed  # type: ignore[assignment, method-assign]
    try:
        for _ in range(STEPS):
            trainer.step(state)
        cupy.cuda.Device().synchronize()
    finally:
        CupyModule.launch = launch  # type: ignore[method-assign]
    rows = []
    for (kernel, grid, block, shared), pairs in spans.items():
        times = [1e3 * cupy.cuda.get_elapsed_time(*pair) for pair in pairs]
        rows.append({
            "step": f"{'fused' if fused else 'composed'}, {models} models", "kernel": kernel,
            "grid": str(grid), "block": str(block), "shared bytes": shared,
            "launches a step": len(pairs) / STEPS, "us": statistics.median(times),
            "us a step": sum(times) / STEPS,
        })  # fmt: skip
    return sorted(rows, key=lambda row: -row["us a step"])


def main(once: bool) -> None:
    """Measure all cases, or run a few steps of each fused case."""
    for models, fused in CASES:
        if not once:
            for row in measure(models, fused):
                write_row(**row)
        elif fused:
            trainer = _trainer(models, fused)
            state = trainer.initial_state()
            for _ in range(2):
                trainer.step(state)
    cupy.cuda.Device().synchronize()


if __name__ == "__main__":
    main(once="once" in sys.argv[1:])
