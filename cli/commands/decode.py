"""``vsmnp decode``: write the decoder's means at latents of a file."""

from __future__ import annotations

from pathlib import Path

import click

from ..command import with_examples
from ..console import ProgressLine, say
from ..options import quiet_option
from ..values import FILE, PATH, RUN


@with_examples("""
  vsmnp decode runs/mixture-kl-m1-seed0 --latents latents.csv --out reconstructed.csv
  vsmnp decode runs/mine --latents grid.npy --out decoded.npy
""")
@click.argument("run", type=RUN)
@click.option(
    "--latents",
    type=FILE,
    required=True,
    help="File of 'vsmnp encode', or a .npy, .csv or .h5 file with one column a latent.",
)
@click.option("--out", type=PATH, required=True, help="File that ends in .npy, .csv or .h5.")
@quiet_option
def command(run: Path, latents: Path, out: Path, quiet: bool) -> None:
    """Write the mean of p(x|z), without noise, at each row of latents, by the models of RUN."""
    from vsmnp.runs.session import load_run
    from vsmnp.runs.tables.latents import write_decoded

    loaded = load_run(run)
    with ProgressLine("Decoding", 100, quiet) as progress:
        models, rows = write_decoded(loaded, latents, out, progress.part)
    say(f"Wrote {rows:,} rows by {models} model(s) to {out}", quiet)
