"""Measure what a sweep of tiny cells costs beside their training: time, files and memory a cell.

Run it alone: ``python benchmarks/sweep_overhead.py 10000``. The engine answers at once in place of
training, so that the time is that of the driver. With ``--train`` cells of 50 steps are trained as well, in
two processes, and the table has what they and the driver need beyond the steps of their packs. With
``--tasks`` that many tasks without work are given to each engine that is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from empty_task import return_at_once

from vsmnp.runs.session import Session
from vsmnp.sweeps.axes import grid
from vsmnp.sweeps.cells import cells_of
from vsmnp.sweeps.cost import core_seconds
from vsmnp.sweeps.driver import Driver
from vsmnp.sweeps.engines.catalogue import EngineChoice
from vsmnp.sweeps.engines.completed import completed
from vsmnp.sweeps.engines.engine import Order, Pool, Work
from vsmnp.sweeps.engines.local import LocalProcesses
from vsmnp.sweeps.packs import packs_of
from vsmnp.sweeps.work import CellOutcome, Status

BASE = {"steps": 50, "encoder_steps": 1, "hidden": (4,), "batch_size": 20, "log_every": 50}
#: The engines whose time for a task is measured, with the library that each needs.
OF_TASKS = {"local": "vsmnp", "dask": "distributed", "submitit": "submitit"}
#: Most tasks of an engine that starts a process for each.
MOST_JOBS = 20


class AtOnce(Pool):
    """Workers that answer at once, without training."""

    capacity = 8

    def submit(self, work: Work[Any, Any], index: int, item: Any) -> Future[Any]:
        future: Future[Any] = Future()
        figures = {"gamma": 0.1, "learning.loss": 1.0, "inference.loss": 2.0}
        future.set_result([CellOutcome(Status.FINISHED, 50, figures) for _ in item.cells])
        return future

    def poll(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def is_loss(self, error: BaseException) -> bool:
        return False


class Instant:
    """The engine of :class:`AtOnce`."""

    workers = 8

    @contextmanager
    def started(self, order: Order) -> Iterator[Pool]:
        yield AtOnce()


def of_cells(count: int, trains: bool, pack: int) -> dict[str, Any]:
    """Run a sweep of ``count`` cells, and return what it costs a cell."""
    axes = {"lr": [1e-3, 2e-3], "seed": range(count // 2)}
    engine = LocalProcesses(2, 1) if trains else Instant()
    with tempfile.TemporaryDirectory() as place:
        begin, used, before, peak = time.perf_counter(), time.process_time(), of_children(), peak_kib()
        cells = cells_of(BASE, grid(axes))
        Driver(Path(place), engine, pack).train(cells)
        row: dict[str, Any] = {
            "what": "trained cells" if trains else "cells, driver alone",
            "count": count,
            "driver_ms": 1e3 * (time.process_time() - used) / count,
            "wall_ms": 1e3 * (time.perf_counter() - begin) / count,
        }
        if not trains:  # the second sweep of this process finds the memory of the first
            row["driver_kib"] = (peak_kib() - peak) / count
        else:
            found = [path for path in Path(place).glob("*/*") if path.is_file()]
            row["workers_ms"] = 1e3 * (of_children() - before) / count
            row["files"] = len(found) / count
            row["bytes"] = sum(path.stat().st_size for path in found) / count
            (largest, *_) = packs_of(cells, pack or 64)
            with Session.new(largest.settings) as session:
                session.seconds_per_step(1)
                steps = core_seconds(lambda: session.seconds_per_step(50)) / 51
            row["steps_ms"] = 1e3 * steps * 50 / len(largest.cells)
    return row


def peak_kib() -> int:
    """Return the peak of the memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def of_children() -> float:
    """Return the processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def of_tasks(name: str, count: int) -> dict[str, Any]:
    """Give tasks without work to two workers of an engine, and return the time of one."""
    count = min(count, MOST_JOBS) if name == "submitit" else count
    with tempfile.TemporaryDirectory() as place:
        engine = EngineChoice(name, jobs=2).engine()
        with closing(completed(range(count + 4), return_at_once, engine, Order(Path(place)))) as found:
            for _ in range(4):  # the workers have started
                next(found)
            begin, used = time.perf_counter(), time.process_time()
            for _ in found:
                pass
            wall, own = time.perf_counter() - begin, time.process_time() - used
    times = {"driver_ms": 1e3 * own / count, "wall_ms": 1e3 * wall / count}
    return {"what": f"tasks, {name}", "count": count, **times}


def main() -> None:
    """Measure the driver, the cells or the engines, and print the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", type=int)
    parser.add_argument("--train", action="store_true", help="also train the cells, in two processes")
    parser.add_argument("--pack", type=int, default=0, help="most cells of a pack; 0: 64")
    parser.add_argument("--tasks", type=int, default=0, help="tasks without work for each engine")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    rows = []

    def show(row: dict[str, Any]) -> None:
        rows.append(row)
        values = (f"{key} {value}" if key == "what" else f"{key} {value:.4g}" for key, value in row.items())
        print(", ".join(values), file=sys.stderr if options.json else sys.stdout, flush=True)

    show(of_cells(options.cells, False, options.pack))
    if options.train:
        show(of_cells(options.cells, True, options.pack))
    for name, library in OF_TASKS.items():
        if options.tasks and find_spec(library):
            show(of_tasks(name, options.tasks))
    if options.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
