"""``vsmnp evaluate``: every metric of a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vsmnp.settings.draws import PRIOR_DRAWS

from ..console import print_json
from ..options import iwae_option, json_option, quiet_option
from ..quality import QualityOptions, quality_note, quality_options
from ..results import evaluate_with_progress, evaluation_json, evaluation_table


@click.command(
    epilog="""\b
Examples:
  vsmnp evaluate runs/mixture-kl-m1-seed0
  vsmnp evaluate runs/mixture-kl-m1-seed0 --json --draws 20000
  vsmnp evaluate runs/mnist-kl-m1-seed0 --fid
  vsmnp evaluate runs/celeba-kl-m1-seed0 --fid --features inception.onnx --onnx-size 299
  vsmnp evaluate runs/mnist-kl-m1-seed0 --fid --features samples.npy --reference data.npy
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--draws", type=click.IntRange(min=2), default=PRIOR_DRAWS, show_default=True,
    help="Samples from the prior for the likelihood.",
)  # fmt: skip
@iwae_option
@quality_options
@json_option
@quiet_option
def command(run: Path, draws: int, iwae_samples: int, as_json: bool, quiet: bool, **quality: Any) -> None:
    """Evaluate the run in folder RUN on its test set.

    Each figure stands beside its floor, where one is known: the entropy of the data or of the noise. FID
    and KID compare the decoder's means at draws from the prior with the test set, without noise on either
    side.
    """
    from vsmnp.runs.session import load_run

    loaded = load_run(run)
    measured = QualityOptions(**quality).measure(loaded, quiet or as_json)
    evaluation = evaluate_with_progress(loaded, quiet or as_json, draws, iwae_samples)
    if measured is not None:
        evaluation |= measured.figures
    if as_json:
        about = {} if measured is None else {"quality": measured.about}
        print_json({**evaluation_json(loaded, evaluation), **about})
        return
    click.echo(evaluation_table(loaded, evaluation))
    if measured is not None:
        click.echo(quality_note(measured))
