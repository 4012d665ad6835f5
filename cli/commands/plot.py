"""``vsmnp plot``: any picture of a run."""

from __future__ import annotations

from pathlib import Path

import click

FIGURES = ("samples", "curves", "evaluation", "density", "latent", "posterior-sds")


@click.command(
    epilog="""\b
Examples:
  vsmnp plot runs/mixture-kl-m1-seed0 density
  vsmnp plot runs/mixture-kl-m1-seed0 latent --out latent.png
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("figure", type=click.Choice(FIGURES))
@click.option("--out", type=click.Path(path_type=Path), help="The PNG file; default: RUN/FIGURE.png.")
def command(run: Path, figure: str, out: Path | None) -> None:
    """Draw FIGURE of the run in folder RUN."""
    from vsmnp.figures import FIGURES as DRAW
    from vsmnp.runs.session import load_run

    path = out or run / f"{figure}.png"
    DRAW[figure](load_run(run), path)
    click.echo(f"Picture: {path}")
