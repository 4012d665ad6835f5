"""Situations of ``vsmnp reproduce`` and ``vsmnp verify``: grids of runs, their folders and records."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_failure import CENTRE
from test_failure import TINY as FEW_STEPS
from test_reproduce_images import TINY as FEW_IMAGES
from tiny_plane import TINY

from vsmnp.evaluation.classifier.store import SHIPPED
from vsmnp.objectives.gamma import LearnedGamma, OptimalGamma
from vsmnp.paper.derivations.examples import kernel_set
from vsmnp.paper.reproduce import images
from vsmnp.paper.reproduce.failure import cells, earlier, experiment, tables, training
from vsmnp.paper.reproduce.failure.exact import ExactPosteriorLearning
from vsmnp.paper.reproduce.failure.factors import Factors
from vsmnp.paper.reproduce.grid import finish_cells
from vsmnp.paper.reproduce.images import records as image_records
from vsmnp.paper.reproduce.plane import records as plane_records
from vsmnp.paper.reproduce.plane.budgets import PlaneBudget
from vsmnp.runs.session import Session
from vsmnp.settings.run_length import Lengths
from vsmnp.settings.settings import Settings
from vsmnp.sweeps.cell_session import WHOLE, open_cell
from vsmnp.sweeps.cells import Cell
from vsmnp.sweeps.engines.catalogue import EngineChoice
from vsmnp.sweeps.engines.local import THIS_PROCESS

from .follow import Case, Step, commands, remedy
from .follow import vsmnp as command

commands(__name__, {
    "an equation that does not exist": Case(
        ("verify", "--equation", "99"), "--equation takes a number from 1 to 32",
        ("verify", "--equation", "1"),
    ),
    "misprints of what is right": Case(
        ("verify", "--equation", "1", "--errata"), "leave out --errata to see its checks",
        ("verify", "--equation", "1"),
    ),
    "a section with misprints of words": Case(
        ("verify", "--section", "B.2"), "add --errata", ("verify", "--section", "B.2", "--errata"),
    ),
    "two formats": Case(
        ("verify", "--equation", "1", "--json", "--markdown"), "Give one of --json, --markdown and --html",
        ("verify", "--equation", "1", "--json"),
    ),
    "an option of a grid": Case(
        ("reproduce", "laplace", "--seeds", "1"), "--seeds is no option of laplace: leave it out",
        ("reproduce", "laplace", "--quick", "-q"),
    ),
})  # fmt: skip


@remedy("check them on 'cpu' in another one")
def two_kernel_sets_in_a_process(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    patch.setattr(kernel_set._Choice, "name", "reference")
    patch.setattr(kernel_set._Choice, "used", True)
    of_cpu = ("verify", "--equation", "1", "--kernels", "cpu", "-q")
    yield command(*of_cpu)

    def in_another() -> None:
        subprocess.run(
            [sys.executable, "-c", "from vsmnp.cli import main; main()", *of_cpu],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    yield in_another


# --- options of grids in the plane ----------------------------------------------------------------

SMALL = (
    "--datasets", "star", "--methods", "K-ELBO", "--encoder-steps", "1", "--bilevel-steps", "0", "-q",
)  # fmt: skip


def plane(*options: str, budget: PlaneBudget = TINY) -> Step:
    """Return the step that makes Figure 3 of runs of three steps."""

    def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vsmnp.paper.reproduce.plane.budget", lambda name, preset: budget)
            command("reproduce", "fig3", *SMALL, *options)()

    return run


@remedy("leave it out for fig3")
def an_option_of_other_figures(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield plane("--archs", "dcgan", "--dry-run")
    yield plane("--dry-run")


@remedy("Give --quick or --budget laptop, not both")
def two_budgets(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield plane("--dry-run", "--quick", "--budget", "laptop")
    yield plane("--dry-run", "--quick")
    yield plane("--dry-run", "--budget", "laptop")


@remedy("has a number below 1")
def no_update_of_the_encoder(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield plane("--dry-run", "--encoder-steps", "0")
    yield plane("--dry-run", "--encoder-steps", "1")


@remedy("(did you mean 'published'?)")
def an_estimator_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield plane("--dry-run", "--estimators", "publishd")
    yield plane("--dry-run", "--estimators", "published")


@remedy("add 0 to --bilevel-steps, or a method of M2 or M3 to --methods")
def bilevel_updates_of_no_method(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield plane("--dry-run", "--bilevel-steps", "1")
    yield plane("--dry-run", "--bilevel-steps", "0,1")
    yield plane("--dry-run", "--bilevel-steps", "1", "--methods", "K-ELBO,K-M2")


@remedy("leave out --no-train, or name another folder by --runs")
def a_grid_without_a_run(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield plane("--no-train", "--runs", "none")
    yield plane("--runs", "some")
    yield plane("--no-train", "--runs", "some")


@remedy("run 'vsmnp reproduce fig3' first")
def a_record_of_the_plane_that_is_missing(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: plane_records.read(Path("reproduce/fig3/fig3.csv"))
    yield plane()
    yield lambda: plane_records.read(Path("reproduce/fig3/fig3.csv"))


# --- options of grids on images -------------------------------------------------------------------


def on_images(*options: str) -> Step:
    """Return the step that makes Table 1 of runs of few steps on pictures of 4 x 4 pixels."""
    np.save("digits.npy", np.random.default_rng(0).integers(0, 256, (50, 4, 4), dtype=np.uint8))

    def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(images, "budget", lambda name: FEW_IMAGES)
            command("reproduce", "table1", "--datasets", str(Path("digits.npy").resolve()), "--archs", "mlp",
                    "--methods", "K-ELBO", "-q", *options)()  # fmt: skip

    return run


@remedy("name one, or leave the option out")
def features_that_do_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield on_images("--features", "x.lenet")
    yield on_images()
    shutil.copy(SHIPPED / "mnist.lenet", "x.lenet")
    yield on_images("--features", "x.lenet", "--runs", "others")


@remedy("run 'vsmnp reproduce' first")
def a_record_of_images_that_is_missing(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: image_records.read(Path("reproduce/table1/table1.csv"))
    yield on_images()
    yield lambda: image_records.read(Path("reproduce/table1/table1.csv"))


# --- the experiment on failures -------------------------------------------------------------------


def few_steps(patch: pytest.MonkeyPatch) -> None:
    """Train the runs of the experiment for a few steps, with few units and points."""
    whole = Factors.settings

    def settings(self: Factors, steps: int, seeds: tuple[int, ...]) -> Settings:
        return replace(whole(self, steps, seeds), hidden=(4,), batch_size=20, kernels="reference")

    patch.setattr(Factors, "settings", settings)
    patch.setattr(cells, "BUDGETS", (FEW_STEPS, *cells.BUDGETS[1:]))
    patch.setattr(experiment, "_QUICK_REPEATS", 3)
    patch.setattr(cells, "_QUICK", (cells.FactorGrid([{}], ("kl",), ("elbo", "m1"), ("mixture",)),))


@remedy("leave out --datasets, or use --budget laptop instead")
def data_without_a_run(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    quick, laptop = cells.BUDGETS[0], next(each for each in cells.BUDGETS if each.name == "laptop")
    yield lambda: cells.wanted(quick, ["star"])
    yield lambda: cells.wanted(quick)
    yield lambda: cells.wanted(laptop, ["star"])


@remedy("leave out --no-train, or name another --out")
def an_experiment_without_a_run(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    few_steps(patch)
    yield command("reproduce", "failure", "--quick", "--no-train", "--out", "none")
    yield command("reproduce", "failure", "--quick", "--out", "some")
    yield command("reproduce", "failure", "--quick", "--no-train", "--out", "some")


@remedy("Give --quick or --budget laptop, not both")
def two_budgets_of_the_experiment(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    few_steps(patch)
    yield command("reproduce", "failure", "--quick", "--budget", "laptop")
    yield command("reproduce", "failure", "--quick")


@remedy("run that first, or name its folder")
def a_record_of_the_experiment_that_is_missing(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    few_steps(patch)
    yield lambda: tables.read(Path("nowhere"))
    yield command("reproduce", "failure", "--quick")
    yield lambda: tables.read(Path("reproduce/failure"))


@remedy("run that first, or name its folder")
def half_a_record_of_the_experiment(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    Path("half").mkdir()
    Path("half/failure.csv").write_text(",".join(tables._COLUMNS) + "\n")
    yield lambda: tables.read(Path("half"))
    few_steps(patch)
    yield command("reproduce", "failure", "--quick", "--out", "half")
    yield lambda: tables.read(Path("half"))


@remedy("which is none of --budget laptop: leave out --records some, or name its --budget")
def records_of_another_budget(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    few_steps(patch)
    command("reproduce", "failure", "--quick", "--out", "some", "-q")()
    quick, laptop = cells.BUDGETS[:2]
    yield lambda: earlier.read_all([Path("some")], laptop)
    yield lambda: earlier.read_all([], laptop)
    yield lambda: earlier.read_all([Path("some")], quick)


@remedy("use --gamma learn")
def a_closed_form_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: ExactPosteriorLearning("marginal", 21, OptimalGamma())
    yield lambda: ExactPosteriorLearning("marginal", 21, LearnedGamma())


@remedy("remove it")
def a_start_that_is_not_trained(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    few_steps(patch)
    moved = replace(CENTRE, start="elbo")
    origin = cells.cell_of(moved.origin, FEW_STEPS)
    with Session.new(origin.settings, folder=Path(origin.name)):
        pass
    yield lambda: training.finish(cells.cell_of(moved, FEW_STEPS), print, lambda: False, FEW_STEPS, Path())
    for name in (origin.name, moved.name):
        shutil.rmtree(name)
    yield lambda: training.finish_all(
        [moved.origin, moved], FEW_STEPS, Path(), lambda done, total: None, lambda: False, THIS_PROCESS
    )


# --- folders and processes ------------------------------------------------------------------------


@remedy("remove it, or choose another folder by --out (for a figure with a grid by --runs)")
def a_grid_of_other_settings(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    plane("--runs", "some")()
    (run,) = Path("some").rglob("checkpoint.h5")
    other = replace(TINY, settings={**TINY.settings, "lr": 1.0})
    yield plane("--runs", "some", budget=other)
    yield plane("--runs", "others", budget=other)
    shutil.rmtree(run.parent)
    yield plane("--runs", "some", budget=other)


@remedy("fewer than the 9 asked for: remove it, or choose another folder by --out")
def an_experiment_of_another_length(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    few_steps(patch)
    cell = cells.cell_of(CENTRE, FEW_STEPS)
    longer = replace(cell, settings=replace(cell.settings, steps=9))
    with open_cell(cell, Path("some"), Lengths.SAME):
        pass

    def opened(folder: str) -> Step:
        def run() -> None:
            with open_cell(longer, Path(folder), Lengths.SAME):
                pass

        return run

    yield opened("some")
    yield opened("others")
    shutil.rmtree("some")
    yield opened("some")


def damaged_run(*options: str) -> Iterator[Step]:
    """Yield the step that makes a figure of a run that cannot be read, and then of a new one."""
    plane("--runs", "some")()
    (run,) = Path("some").rglob("checkpoint.h5")
    run.write_bytes(run.read_bytes()[:-1])
    run.with_name("checkpoint.previous.h5").unlink()
    yield plane("--runs", "some", *options)
    shutil.rmtree(run.parent)
    yield plane("--runs", "some")


@remedy("and the same command trains it anew")
def a_grid_with_a_damaged_run(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from damaged_run()


@remedy("and the same command without --no-train trains it anew")
def a_figure_of_damaged_runs(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from damaged_run("--no-train")


CELLS = [Cell("one", Settings(steps=1), {})]


def end_process(cell: Cell, report: Callable[[int], None], stop: Callable[[], bool]) -> None:
    """End the process, as the system does where memory is short."""
    os._exit(1)


def work(cell: Cell, report: Callable[[int], None], stop: Callable[[], bool]) -> None:
    """Report that the work is done."""
    report(WHOLE)


def finished(what: Callable[..., None], jobs: int, stop: Callable[[], bool] = lambda: False) -> Step:
    engine = EngineChoice(jobs=jobs).engine()
    return lambda: finish_cells(CELLS, what, Path(), lambda done, total: None, stop, engine)


@remedy("the same command goes on from there, and fewer --jobs need less")
def a_process_that_the_system_ends(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield finished(end_process, 2)
    yield finished(work, 1)


def broken(cell: Cell, report: Callable[[int], None], stop: Callable[[], bool]) -> None:
    """Raise what a fault of vsmnp raises."""
    raise KeyError("steps")


@remedy("report this as a fault of vsmnp; the same command tries it again")
def a_fault_in_a_cell(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield finished(broken, 2)
    yield finished(work, 1)


@remedy("what was done is kept, and the same command goes on from there")
def a_grid_that_is_stopped(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield finished(work, 2, lambda: True)
    yield finished(work, 1)
