"""Run every kernel once and a few training steps on the card, for compute-sanitizer: `python -m gpu.tour`.

Every array has a separate allocation, so that the sanitizer detects an access outside it; CuPy's pool would
put many arrays into one. A recorder has a separate pool, so steps are launched one by one.
"""

from __future__ import annotations

import cupy
import numpy as np
from cushim.hosted import Hosted
from cushim.tour import tour

from vsmnp.data import load_data
from vsmnp.kernels import load
from vsmnp.settings.settings import Settings
from vsmnp.training.trainer import Trainer

from .rows import write_row


def train(dtype: str) -> bool:
    """Run four steps of two models; return whether both are active."""
    settings = Settings(hidden=(6,), samples=2, batch_size=40, steps=4, seeds=(0, 1), objective="m3",
                        inference="fisher-reparam", activation="tanh", dtype=dtype)  # fmt: skip
    trainer = Trainer.build(load("cuda"), settings, load_data("mixture"))
    assert trainer.recorded is not None
    trainer.recorded.obstacle = "each array is an allocation of its own"
    state = trainer.initial_state()
    for _ in range(4):
        trainer.step(state)
    return bool(trainer.k.to_host(state.active).all())


def main() -> None:
    """Run everything in float32, then in float64."""
    cupy.cuda.set_allocator(None)
    for dtype in ("float32", "float64"):
        write_row(dtype=dtype, what="training", finished=train(dtype))
        tour(Hosted(load("cuda")), [np.dtype(dtype)])  # type: ignore[arg-type]
        write_row(dtype=dtype, what="every kernel", finished=True)


if __name__ == "__main__":
    main()
