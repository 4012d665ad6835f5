"""Situations of sweeps that are stopped, and of the schedulers and workers of Dask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from distributed import Client, LocalCluster
from engine_work import double

from vsmnp.errors import LockedError
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings
from vsmnp.sweeps.cells import cells_of
from vsmnp.sweeps.driver import Driver
from vsmnp.sweeps.engines import dask
from vsmnp.sweeps.engines.completed import completed
from vsmnp.sweeps.engines.driver_file import DriverFile
from vsmnp.sweeps.engines.engine import Order
from vsmnp.sweeps.engines.local import THIS_PROCESS
from vsmnp.sweeps.waiting import when_free

from .follow import Case, Step, commands, remedy

_SWEEP = ("sweep", "--kernels", "reference", "--hidden", "4", "--batch-size", "10", "--out", "sweep")

commands(__name__, {
    "a value of an axis that is no number": Case(
        (*_SWEEP, "--steps", "2", "--grid", "lr=fast"), "such as 1e-3",
        (*_SWEEP, "--steps", "2", "--grid", "lr=1e-3"),
    ),
    "an axis that is no setting": Case(
        (*_SWEEP, "--steps", "2", "--grid", "rate=1e-3"), "see 'vsmnp train --help'", ("train", "--help"),
    ),
    "steps and epochs": Case(
        (*_SWEEP, "--grid", "seed=0-1", "--steps", "2", "--epochs", "1"), "not both",
        (*_SWEEP, "--grid", "seed=0-1", "--steps", "2"),
    ),
})  # fmt: skip


def _cluster(workers: int) -> LocalCluster:
    return LocalCluster(n_workers=workers, threads_per_worker=1, processes=False, dashboard_address=None)


@remedy("the same command goes on from there")
def a_stop_of_a_sweep(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    base = {"kernels": "reference", "hidden": (4,), "steps": 2, "batch_size": 10}
    cells = cells_of(base, [{"seed": 0}, {"seed": 1}])
    yield lambda: Driver(Path("stopped"), THIS_PROCESS, stop=lambda: True).train(cells)
    yield lambda: Driver(Path("stopped"), THIS_PROCESS).train(cells)


@remedy("Stopped.")
def a_stop_while_a_folder_is_in_use(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def in_use() -> Session:
        raise LockedError("The run is in use.")

    yield lambda: when_free(in_use, lambda: True)
    settings = Settings(kernels="reference", hidden=(4,), steps=2, batch_size=10)
    yield lambda: when_free(lambda: Session.new(settings), lambda: True)


@remedy("when a scheduler runs")
def a_scheduler_that_was_stopped(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    folder = Path("of-dask")
    folder.mkdir()
    with _cluster(1) as cluster, Client(cluster, set_as_default=False) as client:
        pool = dask._DaskPool(client, cluster.scheduler_address, DriverFile.below(folder), [])
    yield lambda: pool.is_loss(OSError("the connection is closed"))
    with _cluster(1) as cluster:
        engine = dask.DaskCluster(address=cluster.scheduler_address)
        with closing(completed([3], double, engine, Order(folder))) as found:
            yield lambda: dict(found)


@remedy("start some with 'dask worker")
def a_scheduler_without_workers(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    folder = Path("without-workers")
    folder.mkdir()

    def start() -> None:
        with engine.started(Order(folder)):
            pass

    with _cluster(0) as cluster:
        engine = dask.DaskCluster(address=cluster.scheduler_address)
        with patch.context() as soon:
            soon.setattr(dask, "_PATIENCE", 1.0)
            yield start
        cluster.scale(1)
        yield start
