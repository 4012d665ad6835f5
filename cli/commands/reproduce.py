"""``vsmnp reproduce``: compute a figure or table of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vsmnp.paper.reproduce import NAMES, OPTIONS, load

from ..command import with_examples
from ..console import ProgressLine, json_text, say, table
from ..engine_options import ENGINE_PARAMETERS, chosen_engine
from ..grid_options import GRID_NAMES, grid_options, plan_of, reproduce_grid
from ..options import output_options
from ..process import catch_signals, prepare_process
from ..values import COUNT, FOLDER, NameChoice

if TYPE_CHECKING:
    from vsmnp.paper.reproduce import Result


@with_examples("""
  vsmnp reproduce fig1
  vsmnp reproduce fig2 --quick --out figures --json
  vsmnp reproduce fig3 --quick --jobs 2
  vsmnp reproduce fig7 --budget paper --dry-run
  vsmnp reproduce fig4 --budget quick --datasets mnist --jobs 2
  vsmnp reproduce table1 --budget laptop --no-train
  vsmnp reproduce failure --datasets star,helicoid --jobs 2
""")
@click.argument("name", type=NameChoice([*NAMES, *GRID_NAMES]))
@click.option(
    "--quick",
    is_flag=True,
    help="Run a shorter version that shows the same in a minute or two; some minutes for images.",
)
@click.option("--out", type=FOLDER, help="Folder of the pictures and CSV files; default: reproduce/NAME.")
@click.option("--threads", type=COUNT, default=1, help="Number of threads of the linear algebra.")
@grid_options
@output_options
@click.pass_context
def command(
    ctx: click.Context, /, name: str, quick: bool, out: Path | None, threads: int, as_json: bool, quiet: bool,
    **grid: Any,
) -> None:  # fmt: skip
    """Compute the paper's figure or table NAME, draw it and tabulate what it shows.

    fig1: parameter recovery by joint divergences. fig2: inference on toy posteriors from a grid of starts.
    fig5: mixtures fitted by the Fisher divergence. laplace: the family whose biased gradient vanishes.
    failure: an experiment on which objectives fail, and why (with --budget, --datasets, --on, --jobs,
    --no-train, --records).

    The others are drawn from grids of runs, which are trained or resumed as far as needed. Each states which
    of the paper's claims agree with the runs.

    fig3, fig6, fig7: likelihood and score-matching loss on data in the plane against the numbers J of encoder
    updates and K of bi-level updates, and samples.

    fig4, fig8: test metrics during the training. fig9, fig10: posterior standard deviations.
    fig11: binary latents. samples: Figures 12 to 17. table1, table2: sample quality.
    """
    prepare_process(threads)
    from vsmnp.storage import make_folder

    plan = plan_of(ctx, name, quick, grid)
    folder = make_folder(out or Path("reproduce") / name)
    with ProgressLine(f"Reproducing {name}", 1000, quiet or as_json) as progress:
        if plan is None:
            result = _reproduce(ctx, name, folder, quick, progress, grid)
        else:
            with catch_signals() as stop:
                result = reproduce_grid(name, folder, plan, progress.part, stop)
    _show(result, as_json, quiet)


def _reproduce(
    ctx: click.Context, name: str, folder: Path, quick: bool, progress: ProgressLine, values: dict[str, Any]
) -> Result:
    """Compute a figure without a plan, with those options of the grid that it takes."""
    taken = {option: values[option] for option in OPTIONS.get(name, ()) if option not in ENGINE_PARAMETERS}
    if not taken:
        return load(name).reproduce(folder, quick, progress.part)
    taken["engine"] = chosen_engine(values).engine()
    given = ctx.get_parameter_source("budget") is not click.core.ParameterSource.DEFAULT
    if quick and given and taken.get("budget") != "quick":
        raise click.UsageError(f"Give --quick or --budget {taken['budget']}, not both.")
    with catch_signals() as stop:
        return load(name).reproduce(folder, quick, progress.part, stop=stop, **taken)


def _show(result: Result, as_json: bool, quiet: bool) -> None:
    if as_json:
        click.echo(json_text(result.data))
        return
    for each in result.tables:
        click.echo(table(each.header, each.rows) + "\n")
    for sentence in result.findings:
        click.echo(sentence)
    if result.files:
        say("Written: " + ", ".join(map(str, result.files)), quiet)
