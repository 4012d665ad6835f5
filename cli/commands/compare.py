"""``vsmnp compare``: tabulate and plot the evaluations of several runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..console import json_text, mean_and_error, say, table
from ..evaluation_options import evaluate_by_options, evaluation_options
from ..options import PATH, output_options, with_examples


@with_examples("""
  vsmnp compare runs/mixture-kl-m1-seed0 runs/mixture-kl-m2-seed0
  vsmnp compare runs/* --out comparison.png --json
  vsmnp compare runs/mnist-kl-m1-seed0 runs/mnist-kl-m2-seed0 --fid
""")
@click.argument("runs", type=PATH, nargs=-1, required=True)
@click.option("--out", type=PATH, default=Path("comparison.png"), help="Plot: .png, .pdf or .svg.")
@evaluation_options
@output_options
def command(runs: tuple[Path, ...], out: Path, as_json: bool, quiet: bool, **options: Any) -> None:
    """Tabulate and plot the evaluations of several RUNS, means over their models."""
    from vsmnp.figures import comparison
    from vsmnp.figures.canvas import check_picture
    from vsmnp.metrics import METRICS
    from vsmnp.runs.session import load_run

    check_picture(out)
    loaded, found = [load_run(folder) for folder in runs], []
    for folder, run in zip(runs, loaded, strict=True):
        say(f"Evaluating {folder}", quiet or as_json)
        found.append(evaluate_by_options(run, options, quiet or as_json))
    comparison(loaded, [each.figures for each in found], out)
    if as_json:
        entries = [{"run": str(folder), **each.to_json()} for folder, each in zip(runs, found, strict=True)]
        click.echo(json_text(entries))
        return
    names = [metric.name for metric in METRICS if metric.compared]
    columns = {name: [mean_and_error(each.figures.get(name, ())) for each in found] for name in names}
    shown = {name: cells for name, cells in columns.items() if any(mean is not None for mean, _ in cells)}
    rows = [(folder.name, *map(_cell, cells)) for folder, *cells in zip(runs, *shown.values(), strict=True)]
    click.echo(table(("run", *shown), rows))
    for note in dict.fromkeys(each.note for each in found if each.note):
        click.echo(note)
    click.echo(f"Picture: {out}")


def _cell(figure: tuple[float | None, float | None]) -> str:
    mean, error = figure
    return "-" if mean is None else f"{mean:.4g}" + (f" +- {error:.2g}" if error else "")
