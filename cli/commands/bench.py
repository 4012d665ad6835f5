"""``vsmnp bench``: time the engine, its peers and the limits of the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vsmnp.settings.choices import IMAGE_ARCHITECTURES, SUITES
from vsmnp.types.progress import Stop

from ..command import with_examples
from ..console import ProgressLine, json_text, say, table
from ..options import choices_of, quiet_option, settings_options
from ..prediction import print_prediction, refuse_others
from ..process import catch_signals, prepare_process
from ..values import COUNT, FILE, FOLDER, IntegerList, NameChoice

if TYPE_CHECKING:
    from vsmnp.bench.row import BenchRow

#: What to do about a file that cannot be written.
_ANOTHER = "name another file"


@with_examples("""
  vsmnp bench --quick
  vsmnp bench --suite steps --objective m2 --hidden 100,100 --peer none
  vsmnp bench --suite images --arch dcgan --inference fisher
  vsmnp bench --predict --objective m1 --inference kl
  vsmnp bench --suite summary --json summary.json --markdown summary.md --plot summary.png
""")
@click.option("--suite", type=NameChoice(tuple(SUITES)), default="summary",
              help="Set of cases to time; summary holds those of the README.")  # fmt: skip
@click.option("--objective", "objectives", multiple=True, type=choices_of("objective"),
              help="Objective of the steps; repeat the option for several.")  # fmt: skip
@click.option("--inference", "inferences", multiple=True, type=choices_of("inference"),
              help="Inference of the steps; repeat the option for several.")  # fmt: skip
@click.option("--hidden", type=IntegerList(), multiple=True,
              help="Hidden widths, such as 30,30; repeat the option for several networks.")  # fmt: skip
@click.option("--arch", "archs", type=NameChoice(tuple(IMAGE_ARCHITECTURES)), multiple=True,
              help="Network of the suite images; repeat the option for several.")  # fmt: skip
@click.option("--samples", type=COUNT, multiple=True, help="Posterior samples S; repeat for several.")
@settings_options("activation", "kernels", "dtype", "tf32", "bilevel_steps", "encoder_optimizer")
@click.option("--encoder-steps", type=COUNT, default=1,
              help="Number J of encoder updates before each decoder update.")  # fmt: skip
@click.option("--batch-size", type=COUNT, default=1000,
              help="Minibatch size N; the suite images uses 100 unless another size is given.")  # fmt: skip
@click.option("--device", type=choices_of("device", "auto"), default="cpu", help="Device that is timed.")
@click.option("--threads", type=COUNT, help="Number of threads; default: 1, and all cores for ensembles.")
@click.option("--profile", is_flag=True,
              help="Time the parts of each step instead: networks, sampling, terms, optimiser; on a CPU also "
              "the stages of a fused step.")  # fmt: skip
@click.option("--predict", is_flag=True,
              help="Predict the fused step on a GPU instead, from its machine code: counts of instructions "
              "and of wavefronts of shared memory, and steps a second. No GPU is needed.")  # fmt: skip
@click.option("--quick", is_flag=True, help="Time fewer and smaller cases in shorter rounds.")
@click.option("--repeats", type=click.IntRange(min=7), default=9, help="Number of rounds of a median.")
@click.option("--peer", "peers", multiple=True, metavar="NAME",
              help="Peer to compare with: a name, none or all; default: PyTorch and JAX.")  # fmt: skip
@click.option("--peers", "folder", type=FOLDER, help="Folder of the peers; default: that of a checkout.")
@click.option("--json", "json_file", metavar="FILE",
              help="Write all rows as JSON, each as soon as it is measured; - prints them.")  # fmt: skip
@click.option(
    "--markdown", type=FILE, help="Write the rows as a Markdown table, each as soon as it is measured."
)
@click.option("--compare", "old_file", type=FILE, metavar="OLD.json",
              help="Compare with the rows of an earlier --json: new over old, the worst first.")  # fmt: skip
@click.option("--plot", type=FILE, help="Draw the rows as a picture, .png, .pdf or .svg.")
@quiet_option
def command(
    repeats: int, peers: tuple[str, ...], folder: Path | None, json_file: str | None, markdown: Path | None,
    old_file: Path | None, plot: Path | None, predict: bool, quiet: bool, **chosen: Any,
) -> None:  # fmt: skip
    """Time training steps and kernels, in turn with peers that compute the same.

    A peer is timed only if its losses and gradients equal those of the engine. A ratio is the time of the
    peer divided by that of the engine, the median over rounds in one process. All measurements run on the
    last cores of this process, one per thread. Ctrl-C ends the measurement after the round in progress; the
    rows so far are printed.
    """
    prepare_process(chosen["threads"] or 1)
    from vsmnp.bench import COLUMNS, PeerFolder, SuiteChoice, plan
    from vsmnp.bench import markdown as markdown_table
    from vsmnp.bench.case import Case
    from vsmnp.bench.compare import read_rows
    from vsmnp.bench.contenders.peers import folder_of_checkout
    from vsmnp.bench.machine import choose_cores, cores, use_cores
    from vsmnp.errors import Interrupted
    from vsmnp.storage import write_text

    old = None if old_file is None else read_rows(old_file)
    rows_file = None if json_file in (None, "-") else Path(str(json_file))
    _check_places(rows_file, markdown, plot)
    restricted = ("profile", "suite", "objectives", "inferences", "hidden", "samples", "archs", "quick")
    cases = {name: chosen.pop(name) for name in restricted}
    threads, everywhere = chosen.pop("threads"), cores()
    template = Case(threads=threads or 1, **chosen)
    mine = choose_cores(template.threads)
    choice = SuiteChoice(template=template, threads=threads or len(everywhere), **cases)
    if predict:
        refuse_others({"--arch": choice.archs, "--suite": choice.suite != SuiteChoice.suite,
                       "--profile": choice.profile, "--quick": choice.quick, "--peer": peers,
                       "--markdown": markdown, "--compare": old, "--plot": plot})  # fmt: skip
        print_prediction(choice.first_case(), json_file, _ANOTHER)
        return
    parts = plan(choice)
    use_cores(mine)
    known = PeerFolder(folder or folder_of_checkout())

    def keep(rows: list[BenchRow]) -> None:
        if rows_file is not None:
            write_text(rows_file, json_text([row.to_mapping() for row in rows]) + "\n", _ANOTHER, True)
        if markdown is not None:
            write_text(markdown, markdown_table(rows), _ANOTHER, follow_link=True)

    with catch_signals() as stop:
        rows = _measure(parts, choice, known, peers, repeats, tuple(everywhere), quiet, keep, stop)
    if rows or not stop():
        keep(rows)
    if json_file == "-":
        click.echo(json_text([row.to_mapping() for row in rows]))
    else:
        click.echo(table(COLUMNS, [[getattr(row, name) for name in COLUMNS] for row in rows]))
    if old is not None:
        _print_changes(old, rows, beside_json=json_file == "-")
    if plot is not None and any(row.ms is not None for row in rows):
        from vsmnp.bench.picture import draw

        draw(rows, plot, _ANOTHER)
    if stop():
        raise Interrupted(f"Stopped on request after {len(rows)} rows of an unfinished benchmark.")


def _print_changes(old: list[BenchRow], rows: list[BenchRow], beside_json: bool) -> None:
    """Print what has changed since an older benchmark, to stderr if stdout has JSON alone."""
    from vsmnp.bench.compare import changes

    found = changes(old, rows)
    if not found:
        say("No case is in both benchmarks.")
        return
    lines = [(change.case, change.unit, change.old, change.new, change.ratio) for change in found]
    click.echo("\n" + table(("case", "unit", "old", "new", "new/old"), lines), err=beside_json)
    machines = {row.machine for row in old if row.machine} - {row.machine for row in rows}
    for machine in sorted(machines):
        say(f"The older rows are of another machine or other versions: {machine}.")


def _check_places(rows_file: Path | None, markdown: Path | None, plot: Path | None) -> None:
    """Check that the files of the results can be written, before anything is measured."""
    from vsmnp.errors import ConfigError
    from vsmnp.figures.canvas import check_picture
    from vsmnp.storage import check_place

    if plot is not None:
        check_picture(plot, _ANOTHER)
    named = [path for path in (rows_file, markdown, plot) if path is not None]
    for path in named:
        check_place(path, _ANOTHER, follow_link=True)
    if len({path.resolve() for path in named}) < len(named):
        raise ConfigError("--json, --markdown and --plot name one file twice: name one for each.")


def _measure(
    parts: Any, choice: Any, folder: Any, peers: tuple[str, ...], repeats: int, cores: tuple[int, ...],
    quiet: bool, keep: Callable[[list[BenchRow]], None], stop: Stop,
) -> list[BenchRow]:  # fmt: skip
    """Measure all rows, or those up to a request to stop, with progress on stderr.

    After each row it is printed to stderr, and ``keep`` is called with the rows so far.
    """
    from vsmnp.bench.bench import Bench
    from vsmnp.bench.suites import peers_of
    from vsmnp.bench.timing import Pace
    from vsmnp.errors import ConfigError, VsmnpError

    unknown = [name for name in peers if name not in ("all", "none", *folder.names)]
    if unknown:
        folder.load(unknown[0])  # raises an error that lists the peers
    if len(peers) > 1 and {"all", "none"} & set(peers):
        raise ConfigError("--peer all and --peer none stand alone: leave the other names out.")
    insist = bool(peers) and peers[0] not in ("all", "none")
    pace, told, rows = Pace(repeats, 0.02 if choice.quick else 0.1, stop), set[str](), []

    def note(sentence: str) -> None:
        if sentence not in told:
            told.add(sentence)
            say(sentence, quiet)

    with ProgressLine("Measuring", len(parts), quiet) as progress:
        for done, part in enumerate(parts):
            progress.tell(part.title)
            progress.at(done)
            names = peers or peers_of(part, choice.template.device)
            names = {"none": (), "all": folder.names}.get(names[0], names) if names else ()
            if folder.folder is None and not insist:
                names = ()
            bench = Bench(folder, names, insist, pace, note, cores)
            try:
                for row in part.rows(bench):
                    rows.append(row)
                    say(row.sentence, quiet)
                    keep(rows)
            except (KeyboardInterrupt, VsmnpError):
                if not stop():  # else the request has also ended the process of the part
                    raise
            if stop():
                return rows
        progress.at(len(parts))
    return rows
