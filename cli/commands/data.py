"""``vsmnp data``: what there is to train on."""

from __future__ import annotations

from typing import Any

import click

from ..console import print_json, say, table
from ..options import json_option, settings_options

#: The settings that say how data are read.
_READING = ("data_dir", "image_size", "crop", "channels", "memory_budget")


@click.command(
    epilog="""\b
Examples:
  vsmnp data
  vsmnp data star
  vsmnp data mnist --data-dir ~/mnist --image-size 32
  vsmnp data celeba --data-dir ~/img_align_celeba
  vsmnp data holiday-pictures --image-size 64
  vsmnp data my.csv --json
"""
)
@click.argument("name", required=False)
@settings_options(*_READING)
@json_option
def command(name: str | None, as_json: bool, **reading: Any) -> None:
    """List the built-in data, or load and describe NAME: a name, a file, or a folder of pictures.

    Pictures in files are decoded into the user's cache at the first time, and come from there ever after.
    """
    from vsmnp.data import NAMES
    from vsmnp.settings.resolve import dataset_of
    from vsmnp.settings.settings import Settings

    if name is None:
        if as_json:
            print_json(list(NAMES))
        else:
            click.echo("\n".join(NAMES))
            click.echo(
                "Or a .npy, .npz, .csv or .h5 file, or a folder of pictures. 'vsmnp data NAME' describes one."
            )
        return
    dataset = dataset_of(Settings(dataset=name, **reading))
    facts = {
        "name": dataset.name, "shape": list(dataset.shape),
        "image": None if dataset.image is None else list(dataset.image),
        "dim": dataset.dim, "n_train": dataset.n_train, "n_test": dataset.n_test,
        "nll_floor": dataset.bounds.nll, "sm_loss_floor": dataset.bounds.sm_loss,
    }  # fmt: skip
    if as_json:
        print_json({**facts, "notes": list(dataset.notes)})
        return
    click.echo(dataset.describe())
    click.echo(table(("fact", "value"), [(key, str(value)) for key, value in facts.items()]))
    for note in dataset.notes:
        say(f"Note: {note}")
