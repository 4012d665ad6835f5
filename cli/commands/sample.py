"""``vsmnp sample``: draw from a trained model, to a file or the screen."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..command import with_examples
from ..console import ProgressLine, say
from ..options import quiet_option
from ..values import COUNT, PATH, RUN


@with_examples("""
  vsmnp sample runs/mixture-kl-m1-seed0 -n 5
  vsmnp sample runs/mixture-kl-m1-seed0 -n 10000 --out draws.npy
""")
@click.argument("run", type=RUN)
@click.option("-n", "--number", type=COUNT, default=1000, help="Number of draws per model.")
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), default=0, help="Seed of the draws.")
@click.option("--mean", is_flag=True, help="Write the decoder's mean, without the noise of the likelihood.")
@click.option("--out", type=PATH, help="File that ends in .npy, .csv or .h5; default: CSV on the screen.")
@quiet_option
def command(run: Path, number: int, seed: int, mean: bool, out: Path | None, quiet: bool) -> None:
    """Draw from the models of RUN: shape (models, number, dimension) in .npy, one line per draw in CSV."""
    from vsmnp.runs.session import load_run
    from vsmnp.runs.tables.sample_file import write_samples

    loaded = load_run(run)
    with ProgressLine("Drawing", 100, quiet or out is None) as progress:
        place = sys.stdout if out is None else out
        write_samples(loaded, number, seed, not mean, place, progress.part)
    if out is not None:
        say(f"Wrote {len(loaded.settings.seeds)} x {number} draws to {out}", quiet)
