"""Every kernel once and a few training steps on the card: what compute-sanitizer watches."""

from __future__ import annotations

import numpy as np
from cushim.hosted import Hosted
from cushim.tour import tour

from vsmnp.config import Settings
from vsmnp.data import load_data
from vsmnp.kernels import load
from vsmnp.trainer import Trainer


def main() -> None:
    """Float32 and float64."""
    tour(Hosted(load("cuda")), [np.dtype(np.float32), np.dtype(np.float64)])  # type: ignore[arg-type]
    settings = Settings(hidden=(6,), samples=2, batch_size=40, steps=4, seeds=(0, 1), objective="m3",
                        inference="fisher-reparam", activation="tanh")  # fmt: skip
    trainer = Trainer.build(load("cuda"), settings, load_data("mixture"))
    state = trainer.initial_state()
    for _ in range(4):
        trainer.step(state)
    print("finished", trainer.k.to_host(state.alive).all())


if __name__ == "__main__":
    main()
