"""Measure what a sweep of tiny cells costs its driver: milliseconds, files and bytes of memory a cell.

Run it alone: ``python benchmarks/sweep_overhead.py 10000``. The engine answers at once in place of
training, so that the time is that of the driver; with ``--train`` cells of 50 steps are trained as well.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vsmnp.sweeps.axes import grid
from vsmnp.sweeps.cells import cells_of
from vsmnp.sweeps.driver import Driver
from vsmnp.sweeps.engines.engine import Order, Pool, Work
from vsmnp.sweeps.engines.local import LocalProcesses
from vsmnp.sweeps.work import CellOutcome, Status

BASE = {"steps": 50, "hidden": (4,), "batch_size": 20, "log_every": 50}


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


def main() -> None:
    """Measure the driver and print its costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", type=int)
    parser.add_argument("--train", action="store_true", help="also train the cells, in two processes")
    options = parser.parse_args()
    axes = {"lr": [1e-3, 2e-3], "seed": range(options.cells // 2)}
    for engine in (Instant(), LocalProcesses(2, 1)) if options.train else (Instant(),):
        with tempfile.TemporaryDirectory() as place:
            tracemalloc.start()
            begin, used = time.perf_counter(), time.process_time()
            Driver(Path(place), engine).train(cells_of(BASE, grid(axes)))
            wall, own = time.perf_counter() - begin, time.process_time() - used
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            files = sum(path.is_file() for path in Path(place).glob("*/*"))
            print(
                f"{type(engine).__name__}: {options.cells} cells, {1000 * own / options.cells:.3f} ms of the "
                f"driver's processor a cell, {wall:.1f} s in all, {files / options.cells:.2f} files and "
                f"{peak / options.cells / 1024:.1f} KiB of the driver's memory a cell"
            )


if __name__ == "__main__":
    main()
