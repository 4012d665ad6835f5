"""``vsmnp data``: list the built-in datasets, or describe one dataset."""

from __future__ import annotations

from typing import Any

import click

from ..command import with_examples
from ..console import facts_table, json_text, note
from ..options import json_option, settings_options
from ..values import DATASET


@with_examples("""
  vsmnp data
  vsmnp data star
  vsmnp data mnist --data-dir ~/mnist --image-size 32
  vsmnp data celeba --data-dir ~/img_align_celeba
  vsmnp data holiday-pictures --image-size 64
  vsmnp data my.csv --json
  vsmnp data my.csv --drop-columns id,name --missing drop
""")
@click.argument("name", type=DATASET, required=False)
@settings_options(
    "data_dir", "image_size", "crop", "channels", "columns", "drop_columns", "missing", "memory_budget"
)
@json_option
def command(name: str | None, as_json: bool, **reading: Any) -> None:
    """List the built-in data, or load and describe NAME: a name, a file, or a folder of pictures.

    Pictures in files are decoded when they are first used, and read from the user's cache afterwards.
    """
    from vsmnp.data import NAMES
    from vsmnp.settings.resolve import dataset_of
    from vsmnp.settings.settings import Settings

    if name is None:
        more = (
            "Or a .npy, .npz, .csv, .tsv, .h5, .parquet, .arrow or .feather file, or a folder of pictures. "
            "'vsmnp data NAME' describes one."
        )
        click.echo(json_text(list(NAMES)) if as_json else "\n".join([*NAMES, more]))
        return
    dataset = dataset_of(Settings(dataset=name, **reading))
    facts = {
        "name": dataset.name, "shape": list(dataset.shape),
        "image": None if dataset.image is None else list(dataset.image),
        "dim": dataset.dim, "n_train": dataset.n_train, "n_test": dataset.n_test,
        "nll_floor": dataset.bounds.nll, "sm_loss_floor": dataset.bounds.sm_loss,
    }  # fmt: skip
    if as_json:
        click.echo(json_text({**facts, "columns": list(dataset.columns), "notes": list(dataset.notes)}))
        return
    click.echo(dataset.describe())
    click.echo(facts_table(facts))
    for sentence in dataset.notes:
        note(sentence)
