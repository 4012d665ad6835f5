"""Measure a step of packs of 1 to 256 models, for each model, in one process of one thread.

    python benchmarks/pack_sizes.py

Every model is that of ``benchmarks/peers/many_models.py``: M1, KL inference, two layers of 30, one posterior
sample, batches of 1,000. The sizes are measured in turn, several times, and the smallest processor time of
each counts. With ``--json`` the rows are printed as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings
from vsmnp.sweeps.cost import core_seconds

#: Numbers of models, and the settings that they share.
SIZES = (1, 8, 16, 32, 64, 128, 256)
MODEL: dict[str, Any] = {
    "objective": "m1", "inference": "kl", "hidden": (30, 30), "samples": 1, "encoder_steps": 1,
    "batch_size": 1000, "steps": 500,
}  # fmt: skip
#: Steps of all models together that are timed at a time.
MODEL_STEPS = 2560


def core_seconds_of(session: Session) -> float:
    """Return the processor seconds of a step of a session's pack, for each model."""
    models = len(session.trainer.settings.seeds)
    steps = MODEL_STEPS // models
    return core_seconds(lambda: session.seconds_per_step(steps)) / (steps + 1) / models


def main() -> None:
    """Measure all sizes, and print the time and the bytes of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    sessions = {size: Session.new(Settings(seeds=tuple(range(size)), **MODEL)) for size in SIZES}
    for session in sessions.values():
        session.seconds_per_step(1)
    best = dict.fromkeys(SIZES, float("inf"))
    for _ in range(options.rounds):
        for size, session in sessions.items():
            best[size] = min(best[size], core_seconds_of(session))
    rows = []
    for size, session in sessions.items():
        state = session.state
        memories = (state.phi_memory, state.theta_memory)
        arrays = [state.phi, state.theta, *(array for each in memories for array in (each.m, each.v))]
        rows.append({
            "models": size, "us_a_model": 1e6 * best[size], "ratio": best[size] / best[64],
            "parameters_mb": sum(array.nbytes for array in arrays) / 1e6,
        })  # fmt: skip
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for each in rows:
        print(
            f"{each['models']:4} models: {each['us_a_model']:6.1f} us a step and model, {each['ratio']:.3f} "
            f"times that of 64; parameters and moments {each['parameters_mb']:.1f} MB"
        )


if __name__ == "__main__":
    main()
