"""``vsmnp evaluate``: compute every metric of a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..command import with_examples
from ..console import json_text
from ..evaluation_options import evaluate_by_options, evaluation_options
from ..options import output_options, place_option
from ..results import evaluation_table
from ..values import RUN


@with_examples("""
  vsmnp evaluate runs/mixture-kl-m1-seed0
  vsmnp evaluate runs/mixture-kl-m1-seed0 --json --draws 20000
  vsmnp evaluate runs/mixture-kl-m1-seed0 --best
  vsmnp evaluate runs/mnist-kl-m1-seed0 --fid
  vsmnp evaluate runs/celeba-kl-m1-seed0 --fid --features inception.onnx --onnx-size 299
  vsmnp evaluate runs/mnist-kl-m1-seed0 --fid --features samples.npy --reference data.npy
""")
@click.argument("run", type=RUN)
@click.option("--best", is_flag=True, help="Evaluate the best state on the validation part, not the last.")
@evaluation_options
@place_option
@output_options
def command(run: Path, best: bool, dataset: Path | None, as_json: bool, quiet: bool, **options: Any) -> None:
    """Evaluate the run in folder RUN on its test set.

    Each metric is printed beside its lower bound where one is known: the entropy of the data or of the noise.
    FID and KID compare the decoder's means at draws from the prior with the test set, without noise on either
    side. The run keeps the result in evaluation.json, or in evaluation-best.json with --best.
    """
    from vsmnp.runs.session import load_run

    found = evaluate_by_options(load_run(run, dataset, best), options, quiet or as_json)
    if as_json:
        click.echo(json_text(found.to_json()))
        return
    click.echo(evaluation_table(found.run, found.figures))
    if found.note:
        click.echo(found.note)
