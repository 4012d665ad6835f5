"""Compare ways to train thousands of small models: packs of a sweep, processes, and joblib with PyTorch.

It needs torch and joblib beside vsmnp:

    python benchmarks/peers/many_models.py --models 2000 --sample 40

Every model is a run of ``K-M1/30x2/S1``: M1, KL inference, two layers of 30, one posterior sample, batches of
1,000, one thread. The sweep is ``vsmnp sweep`` with two processes, as a user starts it: its time has the
start, the data and the files. One process each is the same command for one seed, two at a time. In joblib two
processes take the steps of ``peers/steps/torch_eager.py`` or ``torch_backward.py``, whose losses and
gradients ``vsmnp bench`` compares with those of vsmnp; their time is that of the steps alone. All ways but
the first are measured on a sample.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

#: The settings of every model on the command line, but for its steps and its seed.
SETTINGS = (
    "--objective=m1", "--inference=kl", "--hidden=30,30", "--samples=1", "--encoder-steps=1",
    "--batch-size=1000", "--log-every=100", "--threads=1", "--quiet",
)  # fmt: skip
#: Processes at a time.
JOBS = 2


def used() -> float:
    """Return the processor seconds of all child processes that have ended."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def sweep(seeds: str, steps: int, jobs: int, out: str) -> None:
    """Run ``vsmnp sweep`` over some seeds."""
    chosen = (f"--grid=seed={seeds}", f"--steps={steps}", f"--jobs={jobs}", f"--out={out}")
    command = [sys.executable, "-m", "vsmnp", "sweep", *SETTINGS, *chosen]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def measured(name: str, models: int, work: Any) -> dict[str, Any]:
    """Return the wall seconds and processor seconds a model of some work, which may return the latter."""
    begin, before = time.perf_counter(), used()
    core_seconds = work() or used() - before
    wall = time.perf_counter() - begin
    row = {"way": name, "models": models, "core_s": core_seconds / models, "wall_s": wall / models}
    print(row, file=sys.stderr, flush=True)
    return row


def peer_steps(peer: str, steps: int) -> float:
    """Take the steps of one model in PyTorch, and return their processor seconds."""
    from vsmnp.bench import Case, PeerFolder, Problem

    made = PeerFolder(Path(__file__).resolve().parent / "steps").load(peer).make(Problem(Case()))
    made.step()
    begin = time.process_time()
    for _ in range(steps):
        made.step()
    return time.process_time() - begin


def main() -> None:
    """Measure every way and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=2000, help="models of the sweep")
    parser.add_argument("--sample", type=int, default=40, help="models of the other ways")
    parser.add_argument("--steps", type=int, default=500, help="steps of each model")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    steps, sample = options.steps, options.sample
    with tempfile.TemporaryDirectory() as place:
        sweep("0", 10, 1, f"{place}/first")  # compiles, if nothing is cached
        seeds = f"0-{options.models - 1}"
        rows = [
            measured("packs of a sweep", options.models, lambda: sweep(seeds, steps, JOBS, f"{place}/packs"))
        ]

        def train(seed: int) -> None:
            sweep(f"{seed}", steps, 1, f"{place}/{seed}")

        def processes() -> None:
            with ThreadPoolExecutor(JOBS) as pool:
                list(pool.map(train, range(sample)))

        rows.append(measured("one process each", sample, processes))
    with Parallel(JOBS) as parallel:
        for peer in ("torch-eager", "torch-backward"):
            parallel(delayed(peer_steps)(peer, 1) for _ in range(JOBS))  # imports
            tasks = [delayed(peer_steps)(peer, steps) for _ in range(sample)]
            rows.append(measured(f"joblib, {peer}", sample, lambda each=tasks: sum(parallel(each))))
    for row in rows:
        row["ratio"] = row["core_s"] / rows[0]["core_s"]
        row["wall_ratio"] = row["wall_s"] / rows[0]["wall_s"]
    if options.json:
        print(json.dumps({"steps": steps, "rows": rows}, indent=1))
        return
    print(f"{steps} steps a model, {JOBS} processes")
    for row in rows:
        print(
            f"{row['way']:<24} {row['models']:>6} models, {row['core_s']:.4f} core s and "
            f"{row['wall_s']:.4f} s a model: {row['ratio']:.2f} and {row['wall_ratio']:.2f} times the first"
        )


if __name__ == "__main__":
    main()
