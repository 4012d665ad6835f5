"""``vsmnp compare``: several runs in one table and one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vsmnp.settings.draws import PRIOR_DRAWS

from ..console import mean_and_error, print_json, say, table
from ..options import iwae_option, json_option, quiet_option
from ..quality import QualityOptions, quality_note, quality_options
from ..results import evaluate_with_progress, evaluation_json


@click.command(
    epilog="""\b
Examples:
  vsmnp compare runs/mixture-kl-m1-seed0 runs/mixture-kl-m2-seed0
  vsmnp compare runs/* --out comparison.png --json
  vsmnp compare runs/mnist-kl-m1-seed0 runs/mnist-kl-m2-seed0 --fid
"""
)
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--draws",
    type=click.IntRange(min=2),
    default=PRIOR_DRAWS,
    show_default=True,
    help="Samples from the prior.",
)
@iwae_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("comparison.png"),
    show_default=True,
    help="The picture.",
)
@quality_options
@json_option
@quiet_option
def command(
    runs: tuple[Path, ...],
    draws: int,
    iwae_samples: int,
    out: Path,
    as_json: bool,
    quiet: bool,
    **quality: Any,
) -> None:
    """Tabulate and plot the evaluations of several RUNS, means over their models."""
    from vsmnp.figures import comparison
    from vsmnp.figures.canvas import check_picture
    from vsmnp.metrics import METRICS
    from vsmnp.runs.session import load_run

    check_picture(out)
    loaded, evaluations, qualities = [load_run(folder) for folder in runs], [], []
    for folder, run in zip(runs, loaded, strict=True):
        say(f"Evaluating {folder}", quiet or as_json)
        measured = QualityOptions(**quality).measure(run, quiet or as_json)
        figures = {} if measured is None else measured.figures
        found = evaluate_with_progress(run, quiet or as_json, draws, iwae_samples)
        evaluations.append({**found, **figures})
        qualities.append(measured)
    comparison(loaded, evaluations, out)
    if as_json:
        print_json([
            {
                "run": str(folder), **evaluation_json(run, evaluation),
                **({} if measured is None else {"quality": measured.about}),
            }
            for folder, run, evaluation, measured in zip(runs, loaded, evaluations, qualities, strict=True)
        ])  # fmt: skip
        return
    names = [each.name for each in METRICS if each.compared]
    shown = [
        name for name in names if any(mean_and_error(e.get(name, ()))[0] is not None for e in evaluations)
    ]
    rows = []
    for folder, evaluation in zip(runs, evaluations, strict=True):
        cells = []
        for name in shown:
            mean, error = mean_and_error(evaluation.get(name, ()))
            cells.append("-" if mean is None else f"{mean:.4g}" + (f" +- {error:.2g}" if error else ""))
        rows.append((folder.name, *cells))
    click.echo(table(("run", *shown), rows))
    for note in dict.fromkeys(quality_note(measured) for measured in qualities if measured is not None):
        click.echo(note)
    click.echo(f"Picture: {out}")
