"""Test the engines: workers that are killed, schedulers that are stopped, and the bytes of a serial run."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dask_cluster import Cluster, free_port, wait_until
from engine_work import double, end_always, end_once, exhaust, fail, fault, wait_for_stop

from vsmnp.errors import ConfigError, DeviceError, Interrupted, LibraryError, LockedError
from vsmnp.runs import checkpoint
from vsmnp.sweeps.cells import Cell, cells_of
from vsmnp.sweeps.driver import Driver
from vsmnp.sweeps.engines import dask, explained, local
from vsmnp.sweeps.engines.catalogue import ENGINES, EngineChoice
from vsmnp.sweeps.engines.completed import LOSSES, completed
from vsmnp.sweeps.engines.completed import _completed as of_pool
from vsmnp.sweeps.engines.dask import DaskCluster
from vsmnp.sweeps.engines.driver_file import DriverFile
from vsmnp.sweeps.engines.engine import EngineLostError, Order, WorkEngine, WorkerLostError, WorkFailedError
from vsmnp.sweeps.engines.local import THIS_PROCESS, LocalProcesses, ThisProcess
from vsmnp.sweeps.engines.remote import ExecutorPool, Failed, check_worker, work_remotely
from vsmnp.sweeps.engines.slurm import SlurmJobs
from vsmnp.sweeps.waiting import lock_sweep
from vsmnp.version import VERSION

#: Small runs, long enough that a worker can be killed in the middle of one.
BASE = {"hidden": (8,), "steps": 40, "log_every": 5, "batch_size": 200, "kernels": "reference"}
AXES = [{"seed": seed, "lr": lr} for seed in range(4) for lr in (1e-3, 1e-2)]


def cells(**base: Any) -> list[Any]:
    return cells_of({**BASE, **base}, AXES)


def arrays_of(folder: Path) -> dict[str, dict[str, bytes]]:
    """Return the bytes of every array of every cell."""
    return {
        path.parent.name: {name: array.tobytes() for name, array in checkpoint.load(path)[0].items()}
        for path in sorted(folder.glob("*/checkpoint.h5"))
    }


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes that an engine starts import ``engine_work``."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The arrays of the sweep, trained in this process."""
    folder = tmp_path_factory.mktemp("serial")
    found = Driver(folder, THIS_PROCESS, pack=4).train(cells())
    assert {row["status"] for row in found.rows} == {"finished"}
    return arrays_of(folder)


# --- work that the engines are given ---------------------------------------------------------------


def results(items: Any, work: Any, engine: WorkEngine, order: Order) -> dict[int, Any]:
    with closing(completed(items, work, engine, order)) as found:
        return dict(found)


LOCAL = [THIS_PROCESS, LocalProcesses(2), SlurmJobs(2, cluster="local")]
KINDS = [type(engine).__name__ for engine in LOCAL]


@pytest.mark.parametrize("engine", LOCAL, ids=KINDS)
def test_every_item_is_done_once(engine: WorkEngine, tmp_path: Path) -> None:
    assert results(range(5), double, engine, Order(tmp_path)) == {i: 2 * i for i in range(5)}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("engine", LOCAL, ids=KINDS)
def test_an_error_of_the_work_is_its_result(engine: WorkEngine, tmp_path: Path) -> None:
    (error,) = results([7], fail, engine, Order(tmp_path)).values()
    assert isinstance(error, ConfigError)
    assert str(error) == "Item 7 fails."


@pytest.mark.parametrize("engine", LOCAL, ids=KINDS)
def test_an_error_without_a_sentence_gets_one_with_its_place(engine: WorkEngine, tmp_path: Path) -> None:
    found = results(range(3), fault, engine, Order(tmp_path))
    assert found[0] == 0
    for index, words in ((1, "KeyError ('steps') in engine_work.py, line"), (2, "a_module_that_is_missing")):
        assert isinstance(found[index], WorkFailedError)
        assert words in str(found[index])
        assert f"The worker on {platform.node()}" in str(found[index])


@pytest.mark.parametrize("engine", LOCAL[1:], ids=KINDS[1:])
def test_the_item_of_a_killed_worker_is_given_to_another(engine: WorkEngine, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    found = results([(i, marks) for i in range(4)], end_once, engine, Order(tmp_path))
    assert found == {i: i for i in range(4)}


def test_an_item_that_ends_its_workers_is_their_cause_and_no_other(tmp_path: Path) -> None:
    found = results(range(4), end_always, LocalProcesses(2), Order(tmp_path))
    assert isinstance(error := found.pop(1), WorkerLostError)
    assert f"{LOSSES} times in a row" in str(error)
    assert found == {0: 0, 2: 2, 3: 3}


@pytest.mark.parametrize("engine", LOCAL[1:], ids=KINDS[1:])
def test_a_stop_reaches_the_workers(engine: WorkEngine, tmp_path: Path) -> None:
    begin = time.monotonic()
    order = Order(tmp_path, stop=lambda: time.monotonic() > begin + 3)
    with pytest.raises(Interrupted):
        results(range(4), wait_for_stop, engine, order)


def test_items_are_taken_one_by_one(tmp_path: Path) -> None:
    """No more of them are in memory than the engine has in work."""
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(20):
            taken += 1
            yield number

    with closing(completed(items(), double, LocalProcesses(2), Order(tmp_path))) as found:
        for done, _ in enumerate(found):
            assert taken <= done + 1 + 2


# --- workers on other machines ---------------------------------------------------------------------


def test_a_worker_of_another_version_or_folder_is_one_sentence(tmp_path: Path) -> None:
    file = DriverFile.below(tmp_path)
    with pytest.raises(ConfigError, match="does not find the folder"):
        check_worker(VERSION, file)
    file.write()
    check_worker(VERSION, file)
    with pytest.raises(ConfigError, match=r"and this process has 0\.0\.0: install the same version"):
        check_worker("0.0.0", file)
    found = work_remotely(double, 1, "0.0.0", file)
    assert isinstance(found, Failed)
    assert work_remotely(double, 1, VERSION, file) == 2


def test_a_lack_of_memory_of_a_worker_is_told_as_one(tmp_path: Path) -> None:
    """It comes as a result: an engine makes errors of its own of what is raised."""
    file = DriverFile.below(tmp_path)
    file.write()
    with ThreadPoolExecutor() as executor:
        pool = ExecutorPool(executor, file, 1)
        error = pool.submit(exhaust, 0, 1).exception()
    assert isinstance(error, MemoryError)
    assert not pool.is_loss(error)
    assert isinstance(work_remotely(exhaust, 1, VERSION, file), Failed)


class FewWorkers:
    """The client of a Dask scheduler whose workers give these answers; None is late, and True is fit."""

    def __init__(self, **answers: Exception | bool | None) -> None:
        self.answers = {f"tcp://{name}": answer for name, answer in answers.items()}
        self.asked: list[str] = []
        self.status = "running"

    def get_executor(self, pure: bool) -> None: ...

    def wait_for_workers(self, number: int, timeout: float) -> None: ...

    def sync(self, ask: Any) -> Any:
        return asyncio.run(ask())

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        return {"workers": {address: {"nthreads": 1} for address in self.answers}}

    async def run(self, *_: Any, workers: list[str], on_error: str) -> dict[str, Exception | None]:
        self.asked += workers
        answers = {address: self.answers[address] for address in workers}
        if None in answers.values():
            await asyncio.sleep(60)
        return {address: None if answer is True else answer for address, answer in answers.items()}  # type: ignore[misc]

    def retire_workers(self, addresses: list[str]) -> None:
        for address in addresses:
            del self.answers[address]


LOST, OLDER = ConnectionError("in <TCP>: closed"), ConfigError("It has vsmnp 0.")


def test_a_worker_of_dask_that_is_lost_before_the_work_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is one that does not answer in time; of the others, one that cannot import vsmnp is named."""
    monkeypatch.setattr(dask, "_PATIENCE", 0.2)
    client = FewWorkers(a=LOST, b=True, c=None)
    assert dask._check_workers(client, "tcp://host", DriverFile.below(tmp_path)) == ["tcp://b"]
    client.answers["tcp://d"] = RuntimeError("RuntimeError(\"No module named 'vsmnp'\")")
    with pytest.raises(
        WorkFailedError, match=r"tcp://d cannot import what it needs \(No module named 'vsmnp'\)"
    ):
        dask._check_workers(client, "tcp://host", DriverFile.below(tmp_path))


def pool_of(client: FewWorkers, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dask._DaskPool:
    """Return the pool of a client that looks at its workers whenever it is asked for its capacity."""
    monkeypatch.setattr(dask, "_EVERY", -1.0)
    monkeypatch.setattr(dask, "_ANSWER", 0.2)
    return dask._DaskPool(client, "tcp://host", DriverFile.below(folder), ["tcp://a"])


@pytest.mark.parametrize("first", [LOST, None], ids=["lost", "late"])
def test_a_worker_of_dask_that_joins_later_is_asked_until_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: Exception | None
) -> None:
    client = FewWorkers(a=True, b=first)
    pool = pool_of(client, tmp_path, monkeypatch)
    begin = time.monotonic()
    assert pool.capacity == 2 * dask._AHEAD
    assert time.monotonic() < begin + 10
    client.answers["tcp://b"] = True
    assert [pool.capacity, pool.capacity] == [2 * dask._AHEAD] * 2
    assert client.asked == ["tcp://b", "tcp://b"]


def test_a_worker_of_dask_at_the_address_of_a_retired_one_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """So is one at the address of a worker that was lost. That others do the work is said if there are."""
    client = FewWorkers(a=True, b=OLDER, c=OLDER)
    pool = pool_of(client, tmp_path, monkeypatch)
    assert pool.capacity == dask._AHEAD
    assert caplog.text.count("was retired: others do its work.") == 2
    client.answers["tcp://b"] = OLDER
    assert pool.capacity == dask._AHEAD
    assert caplog.text.count("was retired: others do its work.") == 3
    del client.answers["tcp://a"]
    assert pool.capacity == 1
    client.answers["tcp://a"] = OLDER
    assert pool.capacity == 1
    assert caplog.text.count("was retired: others do its work.") == 3
    assert caplog.text.count("was retired: its work waits for another worker.") == 1


def test_an_error_of_a_worker_of_dask_gives_its_item_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was fit is asked again, as it may have changed."""
    client = FewWorkers(a=True, b=LOST)
    pool = pool_of(client, tmp_path, monkeypatch)
    pool._of_workers.append(error := ConfigError("The folder is gone."))
    assert pool.is_loss(error)
    client.answers["tcp://a"] = OLDER
    assert pool.is_loss(error)
    assert list(client.answers) == ["tcp://b"]
    assert not pool.is_loss(ConfigError("of the item"))


def test_an_error_of_workers_is_said_as_it_is_after_the_last_of_them(tmp_path: Path) -> None:
    """No process was ended from outside."""

    class Unfit(ExecutorPool):
        def submit(self, work: Any, index: int, item: Any) -> Any:
            return super().submit(fail, index, item)

        def is_loss(self, error: BaseException) -> bool:
            return True

    with ThreadPoolExecutor() as executor:
        pool = Unfit(executor, DriverFile.below(tmp_path), 1)
        pool.file.write()
        ((index, error),) = of_pool(iter([(0, 1)]), double, pool, Order(tmp_path))
    assert index == 0
    assert isinstance(error, WorkerLostError)
    assert str(error) == "Item 1 fails."


def test_a_worker_without_a_library_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = DriverFile.below(tmp_path)
    file.write()
    found = explained.distribution

    def without_numba(name: str) -> Any:
        if name == "numba":
            raise PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(explained, "distribution", without_numba)
    with pytest.raises(ConfigError, match=f"The worker on {platform.node()} lacks numba: install vsmnp"):
        check_worker(VERSION, file)


def test_a_worker_stops_when_its_driver_ends_or_another_begins(tmp_path: Path) -> None:
    first = DriverFile.below(tmp_path)
    first.write()
    assert not first.is_withdrawn()
    second = DriverFile.below(tmp_path)
    second.write()
    first._looked = 0.0
    assert first.is_withdrawn()
    first.remove()
    assert second.is_seen()
    second.remove()
    assert not second.path.exists()


def test_an_engine_that_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"There is no engine 'dusk' \(did you mean 'dask'\?\)"):
        EngineChoice("dusk").engine()
    with pytest.raises(ConfigError, match="is no engine: write local"):
        EngineChoice("local://host").engine()
    with pytest.raises(ConfigError, match="--partition is an option of --on slurm"):
        EngineChoice("local", partition="cpu").engine()
    with pytest.raises(DeviceError, match="There is no Slurm on this machine"):
        results([1], double, EngineChoice("slurm").engine(), Order(tmp_path))
    monkeypatch.setitem(sys.modules, "submitit", None)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(LibraryError, match=r"pip install 'vsmnp\[slurm\]'"):
        results([1], double, EngineChoice("slurm").engine(), Order(tmp_path))
    with pytest.raises(LibraryError, match=r"pip install 'vsmnp\[dask\]'"):
        results([1], double, EngineChoice("dask").engine(), Order(tmp_path))


def test_the_table_has_every_engine() -> None:
    kinds = {type(EngineChoice(name, jobs=2).engine()) for name in ENGINES}
    assert kinds == {LocalProcesses, DaskCluster, SlurmJobs}
    assert isinstance(EngineChoice(jobs=1).engine(), ThisProcess)


def test_submitit_makes_the_bytes_of_a_serial_run(tmp_path: Path, serial: Any) -> None:
    found = Driver(tmp_path, SlurmJobs(2, cluster="local"), pack=4).train(cells())
    assert {row["status"] for row in found.rows} == {"finished"}
    assert arrays_of(tmp_path) == serial
    assert not (tmp_path / ".jobs").exists()


# --- a driver that is killed -----------------------------------------------------------------------

_DRIVER = """
import sys
from pathlib import Path
from test_sweep_engines import cells
from vsmnp.sweeps.driver import Driver
from vsmnp.sweeps.engines.local import LocalProcesses
Driver(Path({folder!r}), LocalProcesses(2), pack=4).train(cells(steps=400))
"""


def test_a_killed_driver_goes_on_where_it_stopped(tmp_path: Path) -> None:
    script = _DRIVER.format(folder=str(tmp_path / "killed"))
    driver = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parent)
    wait_until(lambda: any((tmp_path / "killed").glob(".packs/*/checkpoint.h5")))
    driver.kill()
    driver.wait()
    assert not (tmp_path / "killed" / "sweep.csv").exists()
    found = Driver(tmp_path / "killed", THIS_PROCESS, pack=1).train(cells(steps=400))
    assert {row["status"] for row in found.rows} == {"finished"}
    Driver(tmp_path / "whole", THIS_PROCESS, pack=4).train(cells(steps=400))
    assert arrays_of(tmp_path / "killed") == arrays_of(tmp_path / "whole")
    assert not (tmp_path / "killed" / ".packs").exists()


_LATE = """
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from engine_work import end_late
from vsmnp.runs.lock import lock_folder
from vsmnp.sweeps.engines.completed import completed
from vsmnp.sweeps.engines.engine import Order
from vsmnp.sweeps.engines.local import LocalProcesses
folder = Path({folder!r})
lock = lock_folder(folder)
with closing(completed([folder], end_late, LocalProcesses(1), Order(folder, lock=lock.descriptor))) as found:
    dict(found)
"""


def test_the_processes_of_a_killed_driver_are_waited_for(tmp_path: Path) -> None:
    """They keep the lock of the sweep, and may write until they have ended."""
    driver = subprocess.Popen([sys.executable, "-c", _LATE.format(folder=str(tmp_path))])
    wait_until((tmp_path / "begun").exists)
    with pytest.raises(LockedError, match=f"process {driver.pid} on"):
        lock_sweep(tmp_path, lambda: True)
    driver.kill()
    driver.wait()
    with pytest.raises(Interrupted):
        lock_sweep(tmp_path, lambda: True)
    lock = lock_sweep(tmp_path, lambda: False)
    assert (tmp_path / "ended").exists()
    lock.release()


def test_an_item_that_waited_for_its_process_is_not_begun_after_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_parent", os.getppid(), raising=False)
    monkeypatch.setattr(local, "_stopped", stopped := threading.Event(), raising=False)
    monkeypatch.setattr(local, "_progress", SimpleNamespace(put=lambda count: None), raising=False)
    assert local._finish(double, 0, 3) == 6
    stopped.set()
    with pytest.raises(Interrupted):
        local._finish(double, 0, 3)


# --- Dask, as a user starts it ---------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = Cluster(tmp_path_factory.mktemp("dask"))
    yield found
    found.close()


def trained(folder: Path, cluster: Cluster, on_outcome: Any = lambda cell, outcome: None) -> Any:
    engine = EngineChoice(f"dask://{cluster.address}").engine()
    return Driver(folder, engine, pack=2, on_outcome=on_outcome).train(cells())


def test_a_sweep_ends_despite_killed_workers_and_a_killed_scheduler(
    cluster: Cluster, tmp_path: Path, serial: Any
) -> None:
    """A worker is killed after the first pack and the scheduler after the second; the sweep is repeated."""
    workers = [cluster.worker(), cluster.worker()]
    done = 0

    def kill(cell: Cell, outcome: Any) -> None:
        nonlocal done
        done += 1
        if done == 2:
            workers[0].kill()
        if done == 4:
            cluster.scheduler.kill()

    with pytest.raises(EngineLostError, match="what was done is kept, and the same command goes on"):
        trained(tmp_path / "sweep", cluster, kill)
    cluster.close()
    again = Cluster(cluster.folder)
    try:
        again.worker()
        found = trained(tmp_path / "sweep", again)
    finally:
        again.close()
    assert {row["status"] for row in found.rows} == {"finished"}
    assert arrays_of(tmp_path / "sweep") == serial
    assert not (tmp_path / "sweep" / ".packs").exists()
    assert not (tmp_path / "sweep" / ".driver").exists()


def test_a_worker_of_dask_that_cannot_import_vsmnp_is_named(cluster: Cluster, tmp_path: Path) -> None:
    """It finds a module of that name first, which cannot be imported."""
    (tmp_path / "vsmnp.py").write_text("import a_module_that_is_missing")
    cluster.worker(tmp_path)
    with pytest.raises(
        WorkFailedError,
        match=r"worker tcp://\S+ cannot import what it needs \(No module named 'a_module_that",
    ):
        trained(tmp_path / "sweep", cluster)
    assert list((tmp_path / "sweep").iterdir()) == [tmp_path / "sweep" / "sweep.csv"]


BROKEN = ("vsmnp", "import a_module_that_is_missing")
OTHER = ("other_version", "import vsmnp.version as v; v.VERSION = '0.0.0'")


@pytest.mark.parametrize(
    ("module", "content", "every", "reason"),
    [
        (*BROKEN, 0.0, "cannot import what it needs"),
        (*OTHER, 0.0, "install the same version"),
        (*OTHER, 1e9, "install the same version"),
        (*BROKEN, 1e9, ""),
    ],
    ids=["broken", "other version", "other version, by its work", "broken, which Dask ends by its work"],
)
def test_a_worker_that_joins_later_and_cannot_do_the_work_is_retired(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    module: str, content: str, every: float, reason: str, serial: Any,
) -> None:  # fmt: skip
    """It joins after the first pack, and its packs are given to the other worker."""
    monkeypatch.setattr(dask, "_EVERY", 0.0)
    (tmp_path / f"{module}.py").write_text(content)
    cluster.worker()
    wait_until(cluster.listens)
    joined = False

    def join(cell: Cell, outcome: Any) -> None:
        nonlocal joined
        if not joined:
            joined = True
            monkeypatch.setattr(dask, "_EVERY", every)
            cluster.preload = module if module != "vsmnp" else ""
            cluster.worker(tmp_path)
            wait_until(lambda: cluster.workers() == 2)

    found = trained(tmp_path / "sweep", cluster, join)
    assert {row["status"] for row in found.rows} == {"finished"}
    assert arrays_of(tmp_path / "sweep") == serial
    told = [record.getMessage() for record in caplog.records if "retired" in record.getMessage()]
    assert len(told) == bool(reason)
    assert reason in "".join(told)
    assert cluster.workers() == 1


def test_the_dashboard_of_dask_is_on_a_free_port_of_this_machine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "vsmnp")
    with socket.socket() as other:
        with suppress(OSError):  # another program listens already on the port that Dask prefers
            other.bind(("", 8787))
            other.listen()
        assert results([1], double, EngineChoice("dask", jobs=1).engine(), Order(tmp_path)) == {0: 2}
    assert re.search(r"http://127\.0\.0\.1:\d+/status", caplog.text)
    assert ":8787/" not in caplog.text


def test_dask_without_a_scheduler_or_workers_is_one_sentence(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsmnp.sweeps.engines.dask._PATIENCE", 4.0)
    nowhere = EngineChoice(f"dask://127.0.0.1:{free_port()}").engine()
    with pytest.raises(DeviceError, match="No Dask scheduler answers at"):
        Driver(tmp_path, nowhere).train(cells())
    wait_until(cluster.listens)
    with pytest.raises(DeviceError, match="has no workers: start some with 'dask worker"):
        trained(tmp_path, cluster)
    assert list(tmp_path.glob("*/checkpoint.h5")) == []
