"""``vsmnp sample``: draw from a trained model, to a file or the screen."""

from __future__ import annotations

from pathlib import Path

import click

from ..command import with_examples
from ..console import say
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
def command(run: Path, number: int, seed: int, mean: bool, out: Path | None) -> None:
    """Draw from the models of RUN: shape (models, number, dimension) in .npy, one line per draw in CSV."""
    from vsmnp.runs.sample_file import write_samples
    from vsmnp.runs.session import load_run

    loaded = load_run(run)
    draws = loaded.vae.sample(number, seed, noise=not mean)
    text = write_samples(draws, loaded.settings.seeds, out, loaded.dataset.columns)
    if text is not None:
        click.echo(text, nl=False)
    else:
        say(f"Wrote {draws.shape[0]} x {number} draws to {out}")
