"""``vsmnp classifier``: train the small classifier whose features FID and KID compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..command import with_examples
from ..console import ProgressLine, facts_table, json_text
from ..options import output_options, settings_options
from ..process import prepare_process
from ..values import COUNT, PATH


@with_examples("""
  vsmnp classifier mnist --seed 1 --out another.lenet
  vsmnp evaluate runs/mnist-kl-m1-seed0 --fid --features another.lenet
""")
@click.argument("name")
@settings_options("data_dir", "memory_budget", "threads")
@click.option("--seed", type=click.IntRange(min=0), default=0,
              help="Seed of the initial weights and of the order of the data.")  # fmt: skip
@click.option("--epochs", type=COUNT, default=5, help="Number of passes over the training data.")
@click.option("--out", type=PATH, help="File of the classifier; default: NAME.lenet.")
@output_options
def command(
    name: str, seed: int, epochs: int, out: Path | None, as_json: bool, quiet: bool, **reading: Any
) -> None:
    """Train a tanh LeNet-5 on the labels of NAME, mnist or fashion.

    The two classifiers of seed 0 come with vsmnp, so that distances can be compared between machines. Every
    distance is reported with the SHA-256 of the weights.
    """
    prepare_process(reading["threads"])
    from vsmnp.evaluation.classifier import SUFFIX, check_name, save, train_classifier
    from vsmnp.kernels import load
    from vsmnp.settings.resolve import dataset_of
    from vsmnp.settings.settings import Settings

    path = out or Path(f"{name}{SUFFIX}")
    check_name(path)
    dataset = dataset_of(Settings(dataset=name, **reading))
    with ProgressLine("Training", 100, quiet or as_json) as progress:

        def tell(done: int, total: int, loss: float) -> None:
            progress.part(done, total)
            progress.tell(f"loss {loss:.3g}")

        found = train_classifier(load("cpu"), dataset, seed, epochs, tell)
    save(found, path)
    facts = {
        "dataset": found.dataset, "accuracy": found.accuracy, "seed": seed, "epochs": epochs,
        "sha256": found.sha256, "file": str(path),
    }  # fmt: skip
    click.echo(json_text(facts) if as_json else facts_table(facts))
