"""``vsmnp reproduce``: a figure of the paper, computed anew."""

from __future__ import annotations

from pathlib import Path

import click

from vsmnp.reproduce import NAMES, load

from .console import Progress, print_json, say, table
from .options import json_option, quiet_option
from .process import prepare_process


@click.command(
    epilog="""\b
Examples:
  vsmnp reproduce fig1
  vsmnp reproduce fig2 --quick --out figures --json
"""
)
@click.argument("name", type=click.Choice(NAMES))
@click.option("--quick", is_flag=True, help="A shorter run that shows the same, in a minute or two.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the pictures and CSV files; default: reproduce/NAME.",
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True,
              help="Threads of the linear algebra.")  # fmt: skip
@json_option
@quiet_option
def command(name: str, quick: bool, out: Path | None, threads: int, as_json: bool, quiet: bool) -> None:
    """Compute the paper's figure NAME, draw it and tabulate what it shows.

    fig1: parameter recovery by joint divergences. fig2: inference on toy posteriors from a grid of starts.
    fig5: mixtures fitted by the Fisher divergence. laplace: the family whose biased gradient vanishes.
    failure: do M2 and M3 fail, or did the published script compute something else?
    """
    prepare_process(threads)
    from vsmnp.files import make_folder

    folder = make_folder(out or Path("reproduce") / name)
    with Progress(f"Reproducing {name}", 1000, quiet or as_json) as progress:
        result = load(name).reproduce(
            folder, quick, lambda done, total: progress.at(1000 * done // max(total, 1))
        )
    if as_json:
        print_json(result.data)
        return
    for each in result.tables:
        click.echo(table(each.header, each.rows) + "\n")
    for sentence in result.findings:
        click.echo(sentence)
    say("Written: " + ", ".join(map(str, result.files)), quiet)
