"""``vsmnp evaluate``: every metric of a trained run."""

from __future__ import annotations

from pathlib import Path

import click

from .console import print_json
from .options import json_option, quiet_option
from .results import evaluate_with_progress, evaluation_json, evaluation_table


@click.command(
    epilog="""\b
Examples:
  vsmnp evaluate runs/mixture-kl-m1-seed0
  vsmnp evaluate runs/mixture-kl-m1-seed0 --json --draws 20000
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--draws", type=click.IntRange(min=2), default=100_000, show_default=True,
    help="Samples from the prior for the likelihood.",
)  # fmt: skip
@json_option
@quiet_option
def command(run: Path, draws: int, as_json: bool, quiet: bool) -> None:
    """Evaluate the run in folder RUN on its test set.

    Each figure stands beside its floor, where one is known: the entropy of the data or of the noise.
    """
    from vsmnp.runs import load_run

    loaded = load_run(run)
    evaluation = evaluate_with_progress(loaded, quiet or as_json, draws)
    if as_json:
        print_json(evaluation_json(loaded, evaluation))
    else:
        click.echo(evaluation_table(loaded, evaluation))
