"""Options of commands that work on an engine: which one, and how many items at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from vsmnp.sweeps.engines.catalogue import ENGINES, EngineChoice

from .options import F, with_options

#: The parameters of the options.
ENGINE_PARAMETERS = ("on", "jobs", "partition")


def engine_options(default_jobs: int, has_device: bool = False) -> Callable[[F], F]:
    """Return a decorator that gives a command the options of engines; it may have a ``--device`` as well."""
    gpus = " or for each GPU with --device gpu," if has_device else ""
    forms = ", ".join(row.form for row in ENGINES.values())
    return with_options(
        click.option("--on", default="local", help=f"Where the runs are trained: {forms}."),
        click.option("--jobs", type=click.IntRange(min=0), default=default_jobs,
                     help="Number of processes or jobs that train at the same time; 0: one for each core,"
                     f"{gpus} and 100 with slurm."),
        click.option("--partition", default="", show_default=False, help="Partition of the jobs of Slurm."),
    )  # fmt: skip


def chosen_engine(values: Mapping[str, Any], threads: int = 0, on_gpu: bool = False) -> EngineChoice:
    """Return the choice of an engine by the values of the options."""
    chosen = {name: values[name] for name in ENGINE_PARAMETERS}
    return EngineChoice(**chosen, threads=threads, on_gpu=on_gpu)
