"""``vsmnp plot``: draw one of the pictures of a run."""

from __future__ import annotations

from pathlib import Path

import click

from ..command import with_examples
from ..options import place_option
from ..values import PATH, RUN, NameChoice

FIGURES = ("samples", "curves", "evaluation", "density", "latent", "posterior-sds")


@with_examples("""
  vsmnp plot runs/mixture-kl-m1-seed0 density
  vsmnp plot runs/mixture-kl-m1-seed0 latent --out latent.pdf
""")
@click.argument("run", type=RUN)
@click.argument("figure", type=NameChoice(FIGURES))
@click.option("--out", type=PATH, help="File of the picture, .png, .pdf or .svg; default: RUN/FIGURE.png.")
@place_option
def command(run: Path, figure: str, out: Path | None, dataset: Path | None) -> None:
    """Draw FIGURE of the run in folder RUN."""
    from vsmnp.figures import FIGURES as DRAW
    from vsmnp.runs.session import load_run

    path = out or run / f"{figure}.png"
    DRAW[figure](load_run(run, dataset), path)
    click.echo(f"Picture: {path}")
