"""``vsmnp data``: what there is to train on."""

from __future__ import annotations

import click

from .console import print_json, table
from .options import json_option


@click.command(
    epilog="""\b
Examples:
  vsmnp data
  vsmnp data star
  vsmnp data mnist --data-dir ~/mnist
  vsmnp data my.csv --json
"""
)
@click.argument("name", required=False)
@click.option("--data-dir", type=click.Path(), help="Folder with the MNIST and Fashion-MNIST files.")
@click.option(
    "--image-size", type=click.IntRange(min=0), default=0, show_default=True,
    help="Side of a picture; MNIST and Fashion-MNIST get a frame of zeros; 0: as it is.",
)  # fmt: skip
@json_option
def command(name: str | None, data_dir: str | None, image_size: int, as_json: bool) -> None:
    """List the built-in data, or describe the data NAME (a name or a file), loading it."""
    from vsmnp.data import NAMES, load_data

    if name is None:
        if as_json:
            print_json(list(NAMES))
        else:
            click.echo("\n".join(NAMES))
            click.echo("Or a .npy, .npz, .csv or .h5 file. 'vsmnp data NAME' describes one.")
        return
    dataset = load_data(name, data_dir=data_dir, image_size=image_size)
    facts = {
        "name": dataset.name, "shape": list(dataset.shape),
        "image": None if dataset.image is None else list(dataset.image),
        "dim": dataset.dim, "n_train": dataset.n_train, "n_test": dataset.n_test,
        "nll_floor": dataset.bounds.nll, "sm_loss_floor": dataset.bounds.sm_loss,
    }  # fmt: skip
    if as_json:
        print_json(facts)
    else:
        click.echo(dataset.describe())
        click.echo(table(("fact", "value"), [(key, str(value)) for key, value in facts.items()]))
