"""Situations of sweeps: axes, draws, files of sweeps, folders and engines."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from vsmnp.errors import VsmnpError
from vsmnp.runs import checkpoint
from vsmnp.runs.session import Session
from vsmnp.sweeps.axes import AxisInterval, grid
from vsmnp.sweeps.cells import Cell, cells_of
from vsmnp.sweeps.draw import drawn
from vsmnp.sweeps.driver import Driver
from vsmnp.sweeps.engines import dask, explained
from vsmnp.sweeps.engines.catalogue import EngineChoice
from vsmnp.sweeps.engines.completed import completed
from vsmnp.sweeps.engines.driver_file import DriverFile
from vsmnp.sweeps.engines.engine import Order, Report
from vsmnp.sweeps.engines.local import THIS_PROCESS
from vsmnp.sweeps.engines.remote import check_worker
from vsmnp.sweeps.engines.slurm import JobExecutor
from vsmnp.sweeps.packs import Pack
from vsmnp.sweeps.table import SweepTable
from vsmnp.sweeps.work import Status, train_pack
from vsmnp.types.progress import Stop
from vsmnp.version import VERSION

from .follow import Case, Step, commands, declared, remedy, unnoted
from .follow import vsmnp as command

SMALL = {"hidden": (4,), "steps": 2, "batch_size": 10, "kernels": "reference"}
SWEEP = (
    "sweep", "--hidden", "4", "--steps", "2", "--batch-size", "10", "--kernels", "reference", "--jobs", "1",
    "--out", "swept", "-q",
)  # fmt: skip
ONE = ("--grid", "seed=0")
DRAW = ("--draw", "2", "--grid", "lr=log:1e-4..1e-2")

commands(__name__, {
    "no cell": Case(SWEEP, "give an axis, such as --grid seed=0-9", (*SWEEP, *ONE)),
    "no folder": Case(SWEEP[:-3] + ONE, "A sweep needs --out", (*SWEEP, *ONE)),
    "an axis of seeds": Case(
        (*SWEEP, "--grid", "seeds=0-1"), "write --grid seed=0-9 instead of seeds",
        (*SWEEP, "--grid", "seed=0-1"),
    ),
    "an axis without values": Case(
        (*SWEEP, "--grid", "lr"), "write it as NAME=VALUE,VALUE", (*SWEEP, "--grid", "lr=1e-4,1e-3"),
    ),
    "an axis given twice": Case(
        (*SWEEP, *ONE, "--grid", "seed=1"), "give all of its values at once",
        (*SWEEP, "--grid", "seed=0,1"),
    ),
    "a value twice": Case((*SWEEP, "--grid", "seed=0,0"), "leave one of them out", (*SWEEP, *ONE)),
    "a falling range": Case(
        (*SWEEP, "--grid", "seed=9-8"), "write it as 0-9", (*SWEEP, "--grid", "seed=0-1"),
    ),
    "a falling interval": Case(
        (*SWEEP, "--draw", "2", "--grid", "lr=0.9..0.1"), "write it as 0.1..0.9",
        (*SWEEP, "--draw", "2", "--grid", "lr=0.1..0.9"),
    ),
    "a logarithm of 0": Case(
        (*SWEEP, "--draw", "2", "--grid", "lr=log:0..1"), "write it as log:1e-4..1e-2", (*SWEEP, *DRAW),
    ),
    "no interval": Case(
        (*SWEEP, "--draw", "2", "--grid", "lr=a..b"), "write it as lr=1e-4..1e-2",
        (*SWEEP, "--draw", "2", "--grid", "lr=1e-4..1e-2"),
    ),
    "an interval without a draw": Case(
        (*SWEEP, *DRAW[2:]), "give their number by --draw", (*SWEEP, *DRAW),
    ),
    "a draw without an interval": Case(
        (*SWEEP, "--draw", "2", *ONE), "leave out --draw", (*SWEEP, *ONE),
    ),
    "an engine with an address": Case(
        (*SWEEP, *ONE, "--on", "local://host"), "is no engine: write local", (*SWEEP, *ONE, "--on", "local"),
    ),
    "a partition of this machine": Case(
        (*SWEEP, *ONE, "--partition", "cpu"), "leave it out", (*SWEEP, *ONE),
    ),
    "a cluster that is not there": Case(
        (*SWEEP, *ONE, "--on", "slurm"), "leave out --on slurm", (*SWEEP, *ONE),
    ),
    "cells that all fail": Case(
        (*SWEEP, "--grid", "lr=-1"), "do what the sentences of the cells ask for",
        (*SWEEP, "--grid", "lr=1"),
    ),
    "a column that is not there": Case(
        (*SWEEP, *ONE, "--plot", "speed"), "choose one of seed", (*SWEEP, *ONE, "--plot", "seed"),
    ),
})  # fmt: skip


# --- axes and files -------------------------------------------------------------------------------


@remedy("leave one of them out")
def two_cells_that_are_the_same(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: cells_of({}, [{"lr": 0.1}, {"lr": 0.1}])
    yield lambda: cells_of({}, [{"lr": 0.1}])


@remedy("give it one, or leave it out")
def an_axis_of_nothing(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: list(grid({"lr": [], "seed": [0]}))
    yield lambda: list(grid({"lr": [0.1], "seed": [0]}))
    yield lambda: list(grid({"seed": [0]}))


@remedy("leave out values, or draw cells with --draw")
def a_product_without_end(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    axes = {name: range(10_000) for name in ("seed", "latent")}
    yield lambda: next(grid(axes))
    yield lambda: next(grid({"seed": range(10_000)}))
    yield command(*SWEEP, *DRAW)


@remedy("draw at least one, from at least one interval")
def a_draw_of_nothing(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: list(drawn({}, 0))
    yield lambda: list(drawn({"lr": AxisInterval(1e-4, 1e-2, log=True)}, 1))


@remedy("write [grid] with lr = [1e-4, 1e-3], [[cell]] with lr = 1e-4, or [draw] with number = 16")
def a_file_of_another_form(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def of(text: str) -> Step:
        def run() -> None:
            Path("study.toml").write_text(text)
            command(*SWEEP, "study.toml")()

        return run

    yield of("[draw]\nnumber = 4\nlr = 3")
    yield of("[grid]\nlr = [1e-4, 1e-3]")
    shutil.rmtree("swept")
    yield of("[[cell]]\nlr = 1e-4")
    shutil.rmtree("swept")
    yield of("[draw]\nnumber = 4\nlr = {low = 1e-4, high = 1e-2}")


@remedy("leave it out of one")
def an_axis_in_two_tables(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def of(text: str) -> Step:
        def run() -> None:
            Path("study.toml").write_text(text)
            command(*SWEEP, "study.toml")()

        return run

    yield of("[grid]\nlr = [1e-4]\n[[cell]]\nlr = 1e-3")
    yield of("[[cell]]\nlr = 1e-3")


# --- results --------------------------------------------------------------------------------------


def swept(axes: dict[str, Any]) -> SweepTable:
    return Driver(Path("swept"), THIS_PROCESS).train(cells_of(SMALL, grid(axes)))


@remedy("give labels of one cell")
def a_run_of_several_cells(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    table = swept({"seed": [0, 1]})
    yield lambda: table.run()
    yield lambda: table.run(seed=1)


@remedy("name another column by --metric")
def a_metric_without_a_finite_value(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    advice, loud = "name another column by --metric", SWEEP[:-1]
    yield unnoted(advice, *loud, *ONE, "--plot", "seed", "--metric", "status")
    yield command(*SWEEP, *ONE, "--plot", "seed", "--metric", "gamma")


@remedy("lower --batch-size, --samples or --hidden")
def a_pack_without_memory(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def no_memory(*arguments: object, **options: object) -> None:
        raise MemoryError

    def work() -> None:
        (cell,) = (each for each in cells_of(SMALL, [{"seed": 0}]) if isinstance(each, Cell))
        (outcome,) = train_pack(Pack((cell,)), lambda parts: None, lambda: False, Path("swept"))
        if outcome.status is Status.FAILED:
            raise VsmnpError(outcome.error)

    with pytest.MonkeyPatch.context() as short:
        short.setattr(Session, "train", no_memory)
        yield work
    yield work


def removed(change: Callable[[Path], object]) -> Iterator[Step]:
    """Yield the step that reads a changed cell, and the same one after the cell was removed."""
    command(*SWEEP, *ONE)()
    folder = Path("swept/seed=0").absolute()
    (folder / "checkpoint.previous.h5").unlink(missing_ok=True)
    change(folder)

    def check() -> None:
        for _, sentence in swept({"seed": [0]}).failures:
            raise VsmnpError(sentence)

    yield check
    shutil.rmtree(folder)
    yield check


@remedy("remove the folder")
def a_cell_of_another_version(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from removed(edited(lambda arrays, attributes: attributes.pop("columns")))


@remedy("remove the folder")
def a_cell_without_a_step(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from removed(edited(lambda arrays, attributes: arrays.pop("step")))


@remedy("remove the folder")
def a_cell_without_a_checkpoint(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from removed(lambda folder: (folder / "checkpoint.h5").unlink())


def edited(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> Callable[[Path], object]:
    """Return what changes the checkpoint in a folder."""

    def edit(folder: Path) -> None:
        arrays, attributes = checkpoint.load(folder / "checkpoint.h5")
        change(arrays, attributes)
        checkpoint.save(folder / "checkpoint.h5", arrays, attributes)

    return edit


@remedy("ask for at least as many, or choose another folder by --out")
def a_cell_of_more_steps(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    longer = (*SWEEP, *ONE, "--steps", "4")
    command(*longer)()
    yield command(*SWEEP, *ONE)
    yield command(*longer)
    yield command(*SWEEP, *ONE, "--steps", "5")
    yield command(*SWEEP, *ONE, "--out", "shorter")


@remedy("ask for --steps 4, or choose another folder by --out")
def a_cell_whose_step_sizes_end_with_it(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    falling = (*SWEEP, *ONE, "--lr-schedule", "cosine")
    command(*falling, "--steps", "4")()
    yield command(*falling, "--steps", "6")
    yield command(*falling, "--steps", "4")
    yield command(*falling, "--steps", "6", "--out", "longer")


# --- engines --------------------------------------------------------------------------------------


def double(item: int, report: Report, stop: Stop) -> int:
    return 2 * item


def worked(on: str) -> Step:
    def run() -> None:
        for _, result in completed([1], double, EngineChoice(on, jobs=1).engine(), Order(Path())):
            assert result == 2

    return run


@remedy("pip install 'vsmnp[dask]'")
def no_dask(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with pytest.MonkeyPatch.context() as lacking:
        lacking.setitem(sys.modules, "distributed", None)
        yield worked("dask")
    yield declared("dask", "distributed")


@remedy("pip install 'vsmnp[slurm]'")
def no_submitit(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with pytest.MonkeyPatch.context() as lacking:
        lacking.setitem(sys.modules, "submitit", None)
        yield worked("slurm")
    yield declared("slurm", "submitit")


@remedy("start one with 'dask scheduler', or correct the address of --on")
def an_address_where_nobody_listens(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    patch.setattr(dask, "_PATIENCE", 1.0)
    yield worked("dask://127.0.0.1:9")
    patch.setattr(dask, "_PATIENCE", 60.0)
    yield worked("dask")


@remedy("install the same version for both")
def a_worker_of_another_version(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    file = DriverFile.below(Path())
    file.write()
    yield lambda: check_worker("0.0.0", file)
    yield lambda: check_worker(VERSION, file)


@remedy("install vsmnp there with its libraries")
def a_worker_without_a_library(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    file = DriverFile.below(Path())
    file.write()
    with pytest.MonkeyPatch.context() as lacking:
        lacking.setattr(explained, "_is_installed", lambda name: name != "numba")
        yield lambda: check_worker(VERSION, file)
    yield lambda: check_worker(VERSION, file)


def import_numba(item: int, report: Report, stop: Stop) -> int:
    import_module("numba")
    return 2 * item


@remedy("install vsmnp there, in the version of this process and with its libraries")
def a_worker_that_cannot_import_a_library(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def run() -> None:
        for _, result in completed([1], import_numba, THIS_PROCESS, Order(Path())):
            if isinstance(result, VsmnpError):
                raise result

    with pytest.MonkeyPatch.context() as lacking:
        lacking.setitem(sys.modules, "numba", None)
        yield run
    yield run


@remedy("report this as a fault of vsmnp; the same command tries it again")
def a_fault_in_a_training(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def fault(*arguments: object, **options: object) -> None:
        raise KeyError("steps")

    def train() -> None:
        for name, sentence in swept({"seed": [0]}).failures:
            raise VsmnpError(f"{name}: {sentence}")

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(Session, "train", fault)
        yield train
    yield train


@remedy("see to the disk and its permissions; the same command tries it again")
def a_disk_that_fails_under_a_training(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "on-disk")

    def train() -> None:
        for _, sentence in swept({"seed": [0]}).failures:
            raise VsmnpError(sentence)

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(Session, "train", fail)
        yield train
    yield train


def read_number(item: Path, report: Report, stop: Stop) -> int:
    return int(item.read_text())


@remedy("see to the disk and its permissions there; the same command tries it again")
def a_disk_of_a_worker_that_fails(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def run() -> None:
        for _, result in completed([Path("number")], read_number, THIS_PROCESS, Order(Path())):
            if isinstance(result, VsmnpError):
                raise result

    yield run
    Path("number").write_text("1")
    yield run


@remedy("name a folder by --out that all machines share")
def a_worker_without_the_folder(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    file = DriverFile.below(Path())
    yield lambda: check_worker(VERSION, file)
    file.write()
    yield lambda: check_worker(VERSION, file)


@remedy("check --partition, or choose another engine by --on")
def a_job_that_the_cluster_refuses(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def refuse(*arguments: object) -> None:
        raise RuntimeError("sbatch: error: invalid partition specified: gpus")

    patch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))  # jobs import this module
    yield lambda: JobExecutor(refuse).submit(double, 1)
    yield worked("submitit")
