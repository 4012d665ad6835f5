"""Print the tables of docs/scale.md: a sweep of a million models, and a DCGAN step on many ranks.

    python benchmarks/scale.py
    python benchmarks/scale.py --json

Measured numbers are those of the results in this folder and of ``sweep_overhead.py`` and ``exchange.py``.
Those of cards and of a network are assumptions: vsmnp has not been timed on a card or on a cluster.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from vsmnp.parallel.scaling import DividedStep
from vsmnp.sweeps.packs import most_models
from vsmnp.sweeps.scale import WORKERS, SweepScale

#: Models of the sweep, the steps of each, and the core seconds of a step of K-M1/30x2/S1 (measured).
MODELS, STEPS, STEP = 1_000_000, 5_000, 0.13e-3
#: Operations of that step, and those that a card does in a second: 10% and 40% of 60e12 (assumed).
OPERATIONS, CARD = 18.6e6, (6e12, 24e12)
#: Seconds of a step of K-M1/dcgan/S5, batch 100, on one core; its exchanges and the bytes of them (measured).
DCGAN = {"seconds": 0.392, "exchanges": 2, "size": 10_169_112}
#: Latency and bandwidth of two ranks of one machine (measured) and of a network of 100 Gbit/s (assumed).
LINKS = {"one machine": (2.6e-6, 14.2e9), "network": (5e-6, 10e9)}
RANKS = (1, 2, 4, 16, 64, 256, 1024)


def sweeps() -> list[dict[str, Any]]:
    """Return a row for each number of cores and of cards."""
    cores = SweepScale(MODELS, STEPS * STEP)
    rows = [
        {"where": f"{workers:,} core{'s' * (workers > 1)}", **cores.on(workers).to_json()}
        for workers in WORKERS
    ]
    for speed in CARD:
        cards = SweepScale(MODELS, STEPS * OPERATIONS / speed, most_models(on_gpu=True))
        rows += [
            {"where": f"{number} cards at {speed / 1e12:.0f} TFLOP/s", **cards.on(number).to_json()}
            for number in (8, 800)
        ]
    return rows


def steps() -> list[dict[str, Any]]:
    """Return a row for each link and number of ranks."""
    return [
        {
            "link": link, "ranks": ranks, "communication": step.communication(ranks),
            "strong_speed": step.speed(ranks), "weak_efficiency": step.efficiency(ranks),
        }
        for link, (latency, bandwidth) in LINKS.items()
        for step in [DividedStep(**DCGAN, latency=latency, bandwidth=bandwidth)]
        for ranks in RANKS
    ]  # fmt: skip


def main() -> None:
    """Print the tables of the sweep and of the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    if parser.parse_args().json:
        print(json.dumps({"sweeps": sweeps(), "steps": steps()}, indent=1))
        return
    for rows in (sweeps(), steps()):
        names = list(rows[0])
        print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
        for row in rows:
            values = (value if isinstance(value, str) else f"{value:.3g}" for value in row.values())
            print(f"| {' | '.join(values)} |")
        print()


if __name__ == "__main__":
    main()
