"""``vsmnp reproduce``: a figure or table of the paper, computed anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vsmnp.paper.reproduce import NAMES, load

from ..console import Progress, print_json, say, table
from ..grid_options import GRID_NAMES, grid_options, plan_of
from ..interrupt import catch_signals
from ..options import json_option, quiet_option
from ..process import prepare_process

if TYPE_CHECKING:
    from vsmnp.paper.reproduce import Result


@click.command(
    epilog="""\b
Examples:
  vsmnp reproduce fig1
  vsmnp reproduce fig2 --quick --out figures --json
  vsmnp reproduce fig4 --budget quick --datasets mnist --jobs 2
  vsmnp reproduce table1 --budget laptop --no-train
"""
)
@click.argument("name", type=click.Choice([*NAMES, *GRID_NAMES]))
@click.option(
    "--quick", is_flag=True, help="A shorter run that shows the same, in a minute or two; of images, minutes."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the pictures and CSV files; default: reproduce/NAME.",
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True,
              help="Threads of the linear algebra.")  # fmt: skip
@grid_options
@json_option
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    name: str,
    quick: bool,
    out: Path | None,
    threads: int,
    as_json: bool,
    quiet: bool,
    **grid: Any,
) -> None:
    """Compute the paper's figure or table NAME, draw it and tabulate what it shows.

    fig1: parameter recovery by joint divergences. fig2: inference on toy posteriors from a grid of starts.
    fig5: mixtures fitted by the Fisher divergence. laplace: the family whose biased gradient vanishes.
    failure: do M2 and M3 fail, or did the published script compute something else?

    On images, from one grid of runs on disk that is trained, or gone on with, as far as it is needed:
    fig4, fig8: test metrics over the training. fig9, fig10: posterior standard deviations.
    fig11: binary latents. samples: Figures 12 to 17. table1, table2: sample quality. Each says of the paper's
    claims whether the runs agree.
    """
    prepare_process(threads)
    from vsmnp.storage import make_folder

    plan = plan_of(ctx, name, quick, grid)
    folder = make_folder(out or Path("reproduce") / name)
    with Progress(f"Reproducing {name}", 1000, quiet or as_json) as progress:

        def on_progress(done: int, total: int) -> None:
            progress.at(1000 * done // max(total, 1))

        if plan is None:
            result = load(name).reproduce(folder, quick, on_progress)
        else:
            from vsmnp.paper.reproduce.images import load as load_figure

            with catch_signals() as stop:
                result = load_figure(name).reproduce(folder, plan, on_progress, stop)
    _show(result, as_json, quiet)


def _show(result: Result, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(result.data)
        return
    for each in result.tables:
        click.echo(table(each.header, each.rows) + "\n")
    for sentence in result.findings:
        click.echo(sentence)
    say("Written: " + ", ".join(map(str, result.files)), quiet)
