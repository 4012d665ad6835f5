"""``vsmnp sweep``: train many runs, in packs, on an engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vsmnp.errors import ConfigError
from vsmnp.settings.presets import PRESETS
from vsmnp.settings.presets import preset as preset_values
from vsmnp.settings.toml import load as load_toml

from ..command import with_examples
from ..console import ProgressLine, json_text, note, notes_of, optional, say, table
from ..engine_options import chosen_engine, engine_options
from ..options import chosen_settings, output_options, settings_options, with_length
from ..process import catch_signals, prepare_process
from ..values import FILE, PATH, PRESET, NameChoice

if TYPE_CHECKING:
    from vsmnp.sweeps.cells import Cell, RefusedCell
    from vsmnp.sweeps.driver import Driver
    from vsmnp.sweeps.table import SweepTable

#: Most failed cells whose sentences are printed; all are in sweep.csv.
_SHOWN = 10


@with_examples("""
  vsmnp sweep --grid objective=m1,m2,m3 --grid seed=0-9 --steps 2000 --out runs/objectives
  vsmnp sweep --grid lr=1e-4,1e-3 --grid hidden=30x30,64x64 --out runs/sizes --dry-run
  vsmnp sweep --draw 32 --grid lr=log:1e-4..1e-1 --grid seed=0-2 --out runs/rates --plot lr
  vsmnp sweep study.toml --out runs/study --on dask://HOST:8786
  vsmnp sweep study.toml --out runs/study --on slurm --partition cpu --jobs 200
""")
@click.argument("file", type=FILE, required=False)
@click.option(
    "--grid",
    multiple=True,
    metavar="NAME=VALUES",
    help="An axis: a setting or seed, with values (lr=1e-4,1e-3), a range (seed=0-9) or, for --draw, "
    "an interval (lr=1e-4..1e-2, lr=log:1e-4..1e-2). Given several times, all are combined.",
)
@click.option(
    "--draw",
    type=click.IntRange(min=0),
    default=0,
    help="Number of points that are drawn from the intervals of --grid.",
)
@click.option(
    "--draw-method",
    type=NameChoice(("sobol", "random")),
    default="sobol",
    help="Points of --draw: the Sobol' sequence, which fills the intervals evenly, or random ones.",
)
@click.option("--draw-seed", type=click.IntRange(min=0), default=0, help="Seed of --draw.")
@settings_options()
@click.option("--seed", type=int, help="Seed of all cells, unless it is an axis.")
@click.option(
    "--preset",
    type=PRESET,
    help=f"Start from these settings of the paper: {', '.join(PRESETS)}; options override them.",
)
@click.option(
    "--config", type=FILE, help="Start from the settings in this config.toml; FILE and options override them."
)
@click.option("--out", type=PATH, help="Folder of the sweep, with a folder for each cell.")
@engine_options(default_jobs=0, has_device=True)
@click.option(
    "--pack",
    type=click.IntRange(min=0),
    default=0,
    help="Largest number of models that are trained as one ensemble; 0: as many as keep all workers "
    "busy, and at most 64, or 1,024 on a GPU.",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=0,
    help="Number of times that a cell which fails is tried again.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the packs, the estimated core hours and the time on 1, 100 and 10,000 workers without "
    "training.",
)
@click.option("--plot", default="", metavar="NAME", help="Draw sweep.png, the metric over this axis.")
@click.option("--metric", default="learning.loss", help="Metric of --plot: a column of sweep.csv.")
@output_options
@click.pass_context
def command(
    ctx: click.Context, /, file: Path | None, grid: tuple[str, ...], draw: int, draw_method: str,
    draw_seed: int, preset: str | None, config: Path | None, out: Path | None, pack: int, retries: int,
    dry_run: bool, plot: str, metric: str, as_json: bool, quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Train a run for each cell of the product of axes, of a list or of a draw, from options or from FILE.

    A cell is an ordinary run in a folder of its own below --out, named by its axes. Cells that differ only in
    seed, step sizes or initial sd are trained as one ensemble. Finished cells are left alone and half-done
    ones go on; one that fails is a row of sweep.csv with its sentence. After Ctrl-C, or when a worker or the
    machine is lost, the same command goes on from the last checkpoints.
    """
    from vsmnp.sweeps.sweep_file import SweepPlan

    ctx.with_resource(notes_of("vsmnp", quiet or as_json))
    chosen = with_length(chosen_settings(ctx))
    plan = SweepPlan.from_file(file) if file is not None else SweepPlan()
    base = {**(load_toml(config) if config is not None else {}), **plan.base, **chosen}
    if preset is not None:
        base = preset_values(preset, base)
    plan = plan.with_axes(grid, draw, draw_method, draw_seed)
    threads = base.get("threads", 1)
    prepare_process(threads)
    from vsmnp.sweeps.cells import any_on_gpu, cells_of
    from vsmnp.sweeps.driver import Driver

    cells = cells_of(base, plan.points())
    engine = chosen_engine(options, threads, any_on_gpu(cells)).engine()
    driver = Driver(out or Path(), engine, pack, retries)
    if dry_run:
        _explain(cells, driver, out, as_json)
        return
    if out is None:
        raise click.UsageError("A sweep needs --out, the folder of its cells.")
    if plot:
        _check_plot(cells, plot)
    found = _train(driver, cells, quiet or as_json)
    _report(found, as_json, quiet)
    if plot:
        with optional("the sweep has no picture", quiet):
            from vsmnp.sweeps.picture import draw_axis

            draw_axis(found, plot, metric, out / "sweep.png")
            if not as_json:
                click.echo(f"Picture: {out / 'sweep.png'}")


def _train(driver: Driver, cells: list[Cell | RefusedCell], quiet: bool) -> SweepTable:
    """Train the cells with a line of progress."""
    from vsmnp.sweeps.work import CellOutcome, Status

    done, failed = 0, 0

    with catch_signals() as stop, ProgressLine("Sweep", 1000, quiet) as progress:

        def on_outcome(cell: Cell, outcome: CellOutcome) -> None:
            nonlocal done, failed
            done += 1
            failed += outcome.status is Status.FAILED
            progress.tell(f"{done} of {len(cells)} cells" + (f", {failed} failed" if failed else ""))

        driver.progress, driver.on_outcome, driver.stop = progress.part, on_outcome, stop
        return driver.train(cells)


def _report(found: SweepTable, as_json: bool, quiet: bool) -> None:
    """Print what became of the cells; a sweep whose cells all failed is a failure."""
    if as_json:
        click.echo(json_text({"folder": str(found.folder), "cells": found.rows}))
    else:
        counts = ", ".join(f"{count} {name}" for name, count in found.facts().items() if name != "folder")
        click.echo(f"Sweep: {found.folder} ({counts}); the table is sweep.csv.")
    failures = found.failures
    for name, sentence in failures[:_SHOWN]:
        note(f"{name} failed: {sentence}")
    if len(failures) > _SHOWN:
        note(f"{len(failures) - _SHOWN} more cells failed: sweep.csv has their sentences.")
    if failures and len(failures) == len(found.cells):
        raise ConfigError("Every cell of the sweep failed: do what the sentences of the cells ask for.")


def _explain(cells: list[Cell | RefusedCell], driver: Driver, out: Path | None, as_json: bool) -> None:
    """Print the cells, their packs and the estimated time."""
    from vsmnp.sweeps.cost import estimate
    from vsmnp.sweeps.scale import COLUMNS

    found = estimate(cells, driver, out)
    if as_json:
        click.echo(json_text(found.to_json()))
        return
    click.echo(
        table(("kind", "packs", "cells", "models a pack", "steps", "s a step", "core hours"), found.rows)
    )
    for name, sentence in found.refused[:_SHOWN]:
        note(f"{name} would fail: {sentence}")
    if scaled := found.scaled:
        click.echo(table(COLUMNS, [each.row() for each in scaled]))
    say(found.sentence())


def _check_plot(cells: list[Cell | RefusedCell], axis: str) -> None:
    """Check that the axis of a picture is one of the sweep."""
    from vsmnp.errors import member_of

    labels: Mapping[str, Any] = cells[0].labels
    member_of(dict.fromkeys(labels), "axis of the sweep", axis)
