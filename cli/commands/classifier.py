"""``vsmnp classifier``: train the small classifier whose features FID and KID compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..console import Progress, print_json, table
from ..options import json_option, quiet_option, settings_options
from ..process import prepare_process


@click.command(
    epilog="""\b
Examples:
  vsmnp classifier mnist --seed 1 --out another.lenet
  vsmnp evaluate runs/mnist-kl-m1-seed0 --fid --features another.lenet
"""
)
@click.argument("name")
@settings_options("data_dir", "memory_budget", "threads")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of weights and order."
)
@click.option(
    "--epochs", type=click.IntRange(min=1), default=5, show_default=True, help="Passes over the data."
)
@click.option("--out", type=click.Path(path_type=Path), help="The file; default: NAME.lenet.")
@json_option
@quiet_option
def command(
    name: str, seed: int, epochs: int, out: Path | None, as_json: bool, quiet: bool, **reading: Any
) -> None:
    """Train a tanh LeNet-5 on the labels of NAME, mnist or fashion.

    Two come with vsmnp, so that distances are comparable between machines: those of seed 0. Every distance is
    reported with the SHA-256 of the weights.
    """
    prepare_process(reading["threads"])
    from vsmnp.evaluation.classifier import SUFFIX, check_name, save, train_classifier
    from vsmnp.kernels import load
    from vsmnp.settings.resolve import dataset_of
    from vsmnp.settings.settings import Settings

    path = out or Path(f"{name}{SUFFIX}")
    check_name(path)
    dataset = dataset_of(Settings(dataset=name, **reading))
    with Progress("Training", 100, quiet or as_json) as progress:

        def tell(done: int, total: int, loss: float) -> None:
            progress.at(100 * done // total)
            progress.tell(f"loss {loss:.3g}")

        found = train_classifier(load("cpu"), dataset, seed, epochs, tell)
    save(found, path)
    facts = {
        "dataset": found.dataset, "accuracy": found.accuracy, "seed": seed, "epochs": epochs,
        "sha256": found.sha256, "file": str(path),
    }  # fmt: skip
    if as_json:
        print_json(facts)
    else:
        click.echo(table(("fact", "value"), [(key, str(value)) for key, value in facts.items()]))
