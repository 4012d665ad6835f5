"""``vsmnp bench``: how fast the engine is here, beside its peers and the machine's limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vsmnp.settings.choices import IMAGE_ARCHITECTURES

from ..console import Progress, json_text, say, table
from ..options import IntegerList, choices_of, quiet_option
from ..process import prepare_process

if TYPE_CHECKING:
    from vsmnp.bench.row import Row

_SUITES = ("summary", "steps", "kernels", "scaling", "ensemble", "memory", "images", "all")
#: What to do about a file that cannot be written.
_ANOTHER = "name another file"


@click.command(
    epilog="""\b
Examples:
  vsmnp bench --quick
  vsmnp bench --suite steps --objective m2 --hidden 100,100 --peer none
  vsmnp bench --suite images --arch dcgan --inference fisher
  vsmnp bench --suite summary --json summary.json --markdown summary.md --plot summary.png
"""
)
@click.option("--suite", type=click.Choice(_SUITES), default="summary", show_default=True,
              help="Which cases; summary holds those the project is judged by.")  # fmt: skip
@click.option("--objective", "objectives", multiple=True, help="Objectives of the steps; repeat for several.",
              type=choices_of("objective"))  # fmt: skip
@click.option("--inference", "inferences", multiple=True, help="Inference of the steps; repeat for several.",
              type=choices_of("inference"))  # fmt: skip
@click.option("--hidden", type=IntegerList(), multiple=True, help="Hidden widths, such as 30,30; repeatable.")
@click.option("--arch", "archs", type=click.Choice(tuple(IMAGE_ARCHITECTURES)), multiple=True,
              help="Networks of the suite images; repeat for both.")  # fmt: skip
@click.option("--samples", type=click.IntRange(min=1), multiple=True, help="Posterior samples S; repeatable.")
@click.option("--activation", default="relu", show_default=True, help="Of the hidden layers.",
              type=choices_of("activation"))  # fmt: skip
@click.option("--batch-size", type=click.IntRange(min=1), default=1000, show_default=True,
              help="Minibatch size N; of images 100 unless it is another.")  # fmt: skip
@click.option("--device", type=click.Choice(("cpu", "gpu")), default="cpu", show_default=True,
              help="Where to run.")  # fmt: skip
@click.option("--kernels", default="auto", show_default=True, help="Kernel set.",
              type=choices_of("kernels"))  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1),
              help="Threads; default: 1, and all cores for ensembles.")  # fmt: skip
@click.option("--dtype", type=click.Choice(("float32", "float64")), default="float32", show_default=True,
              help="Arithmetic.")  # fmt: skip
@click.option("--tf32", is_flag=True, help="Products of a GPU in TF32.")
@click.option("--quick", is_flag=True, help="Fewer and smaller cases, shorter rounds.")
@click.option("--repeats", type=click.IntRange(min=7), default=9, show_default=True,
              help="Rounds that medians are over.")  # fmt: skip
@click.option("--peer", "peers", multiple=True, metavar="NAME",
              help="Whom to compare steps with: a name, none or all; default: PyTorch and JAX.")  # fmt: skip
@click.option("--peers", "folder", type=click.Path(path_type=Path, file_okay=False),
              help="Folder of peers; default: that of a source checkout.")  # fmt: skip
@click.option("--json", "json_file", metavar="FILE",
              help="Write all rows as JSON, each as it is known; - for the screen.")  # fmt: skip
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write a Markdown table.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw a PNG image.")
@quiet_option
def command(
    objectives: tuple[str, ...],
    inferences: tuple[str, ...],
    hidden: tuple[tuple[int, ...], ...],
    archs: tuple[str, ...],
    samples: tuple[int, ...],
    repeats: int,
    peers: tuple[str, ...],
    folder: Path | None,
    json_file: str | None,
    markdown: Path | None,
    plot: Path | None,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Time training steps and kernels, by turns with peers that compute the same.

    A peer is timed only if its losses and gradients are equal. A ratio is the peer's time over ours, the
    median over rounds in one process. Everything runs on the last cores of this process, one a thread.
    """
    prepare_process(chosen["threads"] or 1)
    from vsmnp.bench import COLUMNS
    from vsmnp.bench import markdown as markdown_table
    from vsmnp.bench.case import Case
    from vsmnp.bench.machine import choose_cores, cores, use_cores
    from vsmnp.bench.peers import PeerFolder, folder_of_checkout
    from vsmnp.bench.suites import Choice, plan
    from vsmnp.storage import write_text

    rows_file = None if json_file in (None, "-") else Path(str(json_file))
    _check_places(rows_file, markdown, plot)
    suite, quick, threads = chosen.pop("suite"), chosen.pop("quick"), chosen.pop("threads")
    everywhere = cores()
    template = Case(threads=threads or 1, **chosen)
    mine = choose_cores(template.threads)
    choice = Choice(
        suite, objectives, inferences, hidden, samples, template, threads or len(everywhere), quick, archs
    )
    parts = plan(choice)
    use_cores(mine)
    known = PeerFolder(folder or folder_of_checkout())

    def keep(rows: list[Row]) -> None:
        if rows_file is not None:
            write_text(rows_file, json_text([row.to_mapping() for row in rows]) + "\n")

    rows = _measure(parts, choice, known, peers, repeats, tuple(everywhere), quiet, keep)
    keep(rows)
    if json_file == "-":
        click.echo(json_text([row.to_mapping() for row in rows]))
    else:
        click.echo(table(COLUMNS, [[getattr(row, name) for name in COLUMNS] for row in rows]))
    if markdown is not None:
        write_text(markdown, markdown_table(rows))
    if plot is not None:
        from vsmnp.bench.picture import draw

        draw(rows, plot)


def _check_places(rows_file: Path | None, markdown: Path | None, plot: Path | None) -> None:
    """Say before the work what cannot be written after it."""
    from vsmnp.errors import ConfigError
    from vsmnp.figures.canvas import check_picture
    from vsmnp.storage import check_place

    if plot is not None:
        check_picture(plot, _ANOTHER)
    named = [path for path in (rows_file, markdown, plot) if path is not None]
    for path in named:
        check_place(path, _ANOTHER)
    if len({path.resolve() for path in named}) < len(named):
        raise ConfigError("--json, --markdown and --plot name one file twice: name one for each.")


def _measure(
    parts: Any, choice: Any, folder: Any, peers: tuple[str, ...], repeats: int, cores: tuple[int, ...],
    quiet: bool, keep: Callable[[list[Row]], None],
) -> list[Row]:  # fmt: skip
    """All rows, with progress on standard error; ``keep`` gets those so far after each."""
    from vsmnp.bench.bench import Bench
    from vsmnp.bench.suites import peers_of
    from vsmnp.bench.timing import Pace
    from vsmnp.errors import ConfigError

    unknown = [name for name in peers if name not in ("all", "none", *folder.names)]
    if unknown:
        folder.load(unknown[0])  # says which there are
    if len(peers) > 1 and {"all", "none"} & set(peers):
        raise ConfigError("--peer all and --peer none stand alone: leave the other names out.")
    insist = bool(peers) and peers[0] not in ("all", "none")
    pace, told, rows = Pace(repeats, 0.02 if choice.quick else 0.1), set[str](), []

    def note(sentence: str) -> None:
        if sentence not in told:
            told.add(sentence)
            say(sentence, quiet)

    with Progress("Measuring", len(parts), quiet) as progress:
        for done, part in enumerate(parts):
            progress.tell(part.title)
            progress.at(done)
            names = peers or peers_of(part, choice.template.device)
            names = {"none": (), "all": folder.names}.get(names[0], names) if names else ()
            if folder.folder is None and not insist:
                names = ()
            bench = Bench(folder, names, insist, pace, note, cores)
            for row in part.rows(bench):
                rows.append(row)
                keep(rows)
        progress.at(len(parts))
    return rows
