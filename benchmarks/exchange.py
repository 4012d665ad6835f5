"""Measure the exchanges between two ranks: their latency and bandwidth, and how many a DCGAN step needs.

It needs mpi4py and an MPI:

    mpiexec -n 2 python benchmarks/exchange.py --json

The time of a size is the smallest of many exchanges, so that other programs have little influence.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from vsmnp.parallel.mpi import MpiRanks
from vsmnp.parallel.scaling import fitted
from vsmnp.runs.session import Session
from vsmnp.settings.presets import preset
from vsmnp.settings.settings import Settings

SIZES = [8 * 8**i for i in range(8)]


def timed(ranks: MpiRanks, size: int) -> float:
    """Return the seconds of the fastest exchange of ``size`` bytes."""
    x, best = np.zeros(size, np.uint8), float("inf")
    for _ in range(30 if size > 100_000 else 2000):
        begin = time.perf_counter()
        ranks.exchange(1 - ranks.rank, x)
        best = min(best, time.perf_counter() - begin)
    return best


def of_dcgan(ranks: MpiRanks, width: float) -> dict[str, Any]:
    """Return the exchanges and the bytes of a DCGAN step of the paper's M1, and the size of its vectors."""
    sent: list[int] = []
    exchange = ranks.exchange

    def counted(partner: int, x: Any) -> Any:
        sent.append(x.nbytes)
        return exchange(partner, x)

    with tempfile.TemporaryDirectory() as place:
        rows = Path(place) / "rows.npy"
        np.save(rows, np.random.default_rng(0).random((256, 32, 32), np.float32))
        chosen = {
            "dataset": str(rows), "objective": "m1", "steps": 3, "batch_size": 64, "width": width, "parts": 2,
            "encoder_steps": 1,
        }  # fmt: skip
        session = Session.new(Settings.from_mapping(preset("paper-dcgan", chosen)), ranks=ranks)
        session.trainer.step(session.state)
        ranks.exchange = counted  # type: ignore[method-assign]
        session.trainer.step(session.state)
        ranks.exchange = exchange  # type: ignore[method-assign]
        numbers = session.state.phi.size + session.state.theta.size
    return {"exchanges": len(sent), "bytes": sum(sent), "parameters": numbers}


def main() -> None:
    """Measure and print in rank 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=float, default=1.0, help="width of the DCGAN")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args()
    ranks = MpiRanks()
    seconds = [timed(ranks, size) for size in SIZES]
    latency, bandwidth = fitted([float(size) for size in SIZES], seconds)
    step = of_dcgan(ranks, options.width)
    if ranks.rank == 0:
        found = {
            "sizes": SIZES,
            "seconds": seconds,
            "latency": latency,
            "bandwidth": bandwidth,
            "dcgan": step,
        }
        if options.json:
            print(json.dumps(found, indent=1))
        else:
            print(f"latency {latency:.3g} s, bandwidth {bandwidth:.3g} bytes a second; a DCGAN step: {step}")
    ranks.close()


if __name__ == "__main__":
    main()
