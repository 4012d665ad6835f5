"""``vsmnp encode``: write the latents of data."""

from __future__ import annotations

from pathlib import Path

import click

from ..command import with_examples
from ..console import ProgressLine, say
from ..options import quiet_option
from ..values import DATASET, PATH, RUN


@with_examples("""
  vsmnp encode runs/mixture-kl-m1-seed0 --out latents.csv
  vsmnp encode runs/mine --dataset new.csv --out latents.npy
""")
@click.argument("run", type=RUN)
@click.option(
    "--dataset",
    type=DATASET,
    help="Data as for 'vsmnp train', all rows in their order; default: the test set of the run.",
)
@click.option("--out", type=PATH, required=True, help="File that ends in .npy, .csv or .h5.")
@quiet_option
def command(run: Path, dataset: str | None, out: Path, quiet: bool) -> None:
    """Write the means and standard deviations of q(z|x) of the models of RUN.

    The columns are mean0, mean1, ... and sd0, sd1, ...; in .npy and in dataset x of .h5 they have the shape
    (models, rows, columns), in .csv one line a row with the seed of the model first.
    """
    from vsmnp.runs.session import load_run
    from vsmnp.runs.tables.latents import write_latents

    loaded = load_run(run)
    with ProgressLine("Encoding", 100, quiet) as progress:
        models, rows = write_latents(loaded, dataset, out, progress.part)
    say(f"Wrote the latents of {rows:,} rows by {models} model(s) to {out}", quiet)
