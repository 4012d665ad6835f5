"""``vsmnp verify``: check each equation of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..command import with_examples
from ..console import ProgressLine, json_text, say, table
from ..options import choices_of, output_options
from ..process import prepare_process
from ..values import FILE

if TYPE_CHECKING:
    from vsmnp.paper.derivations import Verdict
    from vsmnp.paper.derivations.textual import Textual

_HEADER = ("id", "title", "as printed", "grade", "corrected", "evidence")


@with_examples("""
  vsmnp verify
  vsmnp verify --equation 15
  vsmnp verify --section A.5 --thorough
  vsmnp verify --errata --markdown --out errata.md
  vsmnp verify --section engine --kernels cpu
""")
@click.option(
    "--equation",
    metavar="NUMBER",
    help="Check one equation, by its number, such as 15, or by an id of the first column.",
)
@click.option("--section", help="Check one section with its subsections, such as A.5, or engine.")
@click.option("--errata", is_flag=True, help="Check only the errata of the paper, each with its grade.")
@click.option(
    "--kernels",
    type=choices_of("kernels", "auto"),
    default="reference",
    help="Run the engine's side of every check on this kernel set; default: reference.",
)
@click.option("--thorough", is_flag=True, help="Make errors of estimates ten times smaller, in many minutes.")
@click.option("--markdown", "format_", flag_value="markdown", help="Print Markdown with every formula.")
@click.option(
    "--html",
    "format_",
    flag_value="html",
    help="Print a web page, whose formulas are set by MathJax from the network.",
)
@click.option("--out", type=FILE, help="Write to this file instead of the screen.")
@output_options
@click.pass_context
def command(
    ctx: click.Context, equation: str | None, section: str | None, errata: bool, kernels: str, thorough: bool,
    format_: str | None, out: Path | None, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Check the equations, propositions and steps of the paper, and the formulas of the engine.

    Each statement is checked as printed and, where that is an erratum, as corrected: by computer
    algebra, by quadrature and closed forms, by finite differences, and by samples through the engine's own
    code. If a statement that should hold does not, it is named and the exit code is 1.
    """
    if as_json and format_:
        raise click.UsageError("Give one of --json, --markdown and --html, not several.")
    prepare_process(1)
    from vsmnp.kernels import choose as available
    from vsmnp.paper.derivations import Effort, judge_all, report, select, slips, web_page
    from vsmnp.paper.derivations.examples import kernel_set
    from vsmnp.storage import write_text

    kernel_set.choose(available("auto", kernels))
    chosen = select(equation, section, errata)
    words = slips(section) if errata and equation is None else ()
    quiet = quiet or (as_json and out is None)
    effort, verdicts = Effort(10 if thorough else 1), []
    with ProgressLine("Checking", len(chosen), quiet) as progress:
        for verdict in judge_all(chosen, effort, progress.part):
            verdicts.append(verdict)
            progress.tell(verdict.statement.id)
    failed = [verdict.statement.id for verdict in verdicts if not verdict.holds]
    if as_json:
        text = json_text([*map(report.row, verdicts), *map(report.textual_row, words)])
    elif format_ is not None:
        text = {"markdown": report.markdown, "html": web_page.page}[format_](verdicts, words)
    else:
        text = table(_HEADER, [*map(_cells, verdicts), *map(_words, words)])
    if out is None:
        click.echo(text)
    else:
        write_text(out, text + "\n", follow_link=True)
    say(_summary(verdicts, words), quiet)
    if failed:
        say("Does not hold: " + ", ".join(failed) + ".")
        ctx.exit(1)


def _summary(verdicts: Sequence[Verdict], slips: Sequence[Textual]) -> str:
    """Count statements, slips, and distinct errors by grade."""
    from vsmnp.paper.derivations.errata import summary

    held = sum(verdict.holds for verdict in verdicts)
    misprints = sum(verdict.as_printed == "fails" for verdict in verdicts)
    parts = [f"{held} of {len(verdicts)} statements hold; {misprints} of them not as printed"]
    said = "; ".join(parts[: len(verdicts)] + [f"{len(slips)} slips in the words"] * bool(slips)) + "."
    return f"{said} {summary([verdict.statement for verdict in verdicts], slips)}".rstrip()


def _cells(verdict: Verdict) -> tuple[str, ...]:
    from vsmnp.paper.derivations import report

    statement = verdict.statement
    printed = verdict.as_printed, statement.grade or ""
    shown = report.name(statement), statement.title, *printed, verdict.corrected
    return *shown, report.brief(verdict.evidence)


def _words(slip: Textual) -> tuple[str, ...]:
    return slip.id, slip.where, "fails", slip.grade, "none", f"“{slip.printed}” should be “{slip.correct}”"
