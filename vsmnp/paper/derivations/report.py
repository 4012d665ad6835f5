"""Present verdicts as rows, as Markdown and as a web page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .errata import ERRATA, MEANING, Grade, count
from .statement import Evidence, Form, Statement, Verdict
from .textual import Textual

_MATH = "https://cdn.jsdelivr.net/npm/mathjax@3/es5/tex-mml-chtml.js"
_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "h2{margin-top:2.5rem;border-bottom:1px solid #ddd}small,td{color:#444}li{margin:.3rem 0}"
    ".fails{color:#d55e00;font-weight:bold}.holds{color:#0072b2}"
)


def row(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain data: what ``vsmnp verify --json`` prints for a statement."""
    statement = verdict.statement
    return {
        "id": statement.id,
        "section": statement.section,
        "title": statement.title,
        "as_printed": verdict.as_printed,
        "corrected": verdict.corrected,
        "error": statement.error or None,
        "grade": statement.grade,
        "within": asdict(verdict.within) if verdict.within else None,
        "evidence": [asdict(each) for each in verdict.evidence],
        "counterexamples": [asdict(each) for each in verdict.counterexamples],
        "formula": statement.form.latex,
        "printed_formula": statement.printed.latex if statement.printed else None,
        "printed_literally": statement.printed is None or statement.printed.literal,
        "assumptions": statement.assumptions,
        "consequence": statement.consequence,
        "code": statement.code,
    }


def textual_row(slip: Textual) -> dict[str, Any]:
    """Return a slip in the words as plain data with the same first keys as :func:`row`."""
    return {
        "id": slip.id, "section": slip.section, "title": slip.where, "as_printed": "fails",
        "corrected": "none", "error": slip.error, "grade": slip.grade, "evidence": [],
        "printed": slip.printed, "correct": slip.correct, "why": slip.why,
    }  # fmt: skip


def brief(evidence: Sequence[Evidence]) -> str:
    """Format kinds and errors briefly: ``symbolic; quadrature 2e-15; monte carlo 0.8 s.e.``."""
    return "; ".join(_brief(each) for each in evidence)


def _brief(each: Evidence) -> str:
    if each.kind == "symbolic":
        return "symbolic" if each.holds else "symbolic: no"
    unit = " s.e." if each.kind == "monte carlo" else ""
    return f"{each.kind} {each.error:.1g}{unit}"


def name(statement: Statement) -> str:
    """Return ``(15)`` for an equation and the id for any other statement."""
    return f"({statement.id})" if statement.id.isdigit() else statement.id


def markdown(verdicts: Sequence[Verdict], slips: Sequence[Textual] = (), level: int = 2) -> str:
    """Write statements with their formulas and evidence in Markdown, math between dollar signs.

    Parameters
    ----------
    verdicts : sequence of Verdict
        Verdicts in the order of the page.
    slips : sequence of Textual
        Slips in the words, listed at the end by grade.
    level : int
        Level of the headings.
    """
    parts = [_markdown(verdict, "#" * level) for verdict in verdicts]
    if slips:
        parts.append(f"{'#' * level} Slips in the words\n")
        parts += [
            f"- **{s.where}** (*{s.grade}*): “{s.printed}” should be “{s.correct}”. {s.why}"
            for s in by_grade(slips)
        ]
    return "\n".join(parts) + "\n"


def by_grade(slips: Sequence[Textual]) -> Sequence[Textual]:
    """Sort slips by their grade, the strongest first."""
    return sorted(slips, key=lambda slip: list(Grade).index(slip.grade))


def grades(statements: Sequence[Statement], slips: Sequence[Textual] = ()) -> str:
    """Write a table of the grades in Markdown: meaning, and number of distinct errors."""
    lines = ["| grade | meaning | errors |", "|---|---|---|"]
    counts = count([*statements, *slips])
    lines += [f"| {grade} | {MEANING[grade]} | {number} |" for grade, number in counts.items()]
    return "\n".join(lines) + "\n"


def _markdown(verdict: Verdict, heading: str) -> str:
    statement = verdict.statement
    lines = [
        f"{heading} {name(statement)} {statement.title}\n",
        f"{_standing(verdict)} {_place(statement)}\n",
    ]
    if statement.printed is not None:
        lines += [f"{_source(statement.printed)}:\n", f"$$\n{statement.printed.latex}\n$$\n", "Corrected:\n"]
    lines += [f"$$\n{statement.form.latex}\n$$\n", f"*Assumes:* {statement.assumptions}\n"]
    lines += [
        f"- {_mark(each)} *{each.kind}*: {each.detail} (error {each.error:.2g})" for each in verdict.evidence
    ]
    if verdict.counterexamples:
        lines += ["", "Against the printed form:\n"]
        lines += [f"- *{each.kind}*: {each.detail}" for each in verdict.counterexamples]
    if verdict.within is not None:
        lines += ["", f"Within the paper's assumptions: {verdict.within.detail}."]
    if statement.consequence:
        lines += ["", f"**What it changes:** {statement.consequence}"]
    if statement.code:
        lines += ["", f"In the engine: `{statement.code}`."]
    return "\n".join(lines) + "\n"


def _mark(each: Evidence) -> str:
    return "holds," if each.holds else "**fails,**"


def _standing(verdict: Verdict) -> str:
    if not verdict.statement.in_paper:
        return f"An identity of the engine; it {verdict.corrected}."
    if verdict.statement.printed is None:
        return f"As printed it {verdict.as_printed}."
    says = ERRATA[verdict.statement.error].says if verdict.statement.error else ""
    return (
        f"As printed it **{verdict.as_printed}** ({verdict.statement.grade}); corrected it "
        f"{verdict.corrected}. {says}"
    )


def _source(printed: Form) -> str:
    return "As printed" if printed.literal else "As the text says"


def _place(statement: Statement) -> str:
    return f"Section {statement.section} of the paper." if statement.in_paper else ""


def page(verdicts: Sequence[Verdict], slips: Sequence[Textual] = ()) -> str:
    """Write a self-contained web page; MathJax, loaded from the network, renders the LaTeX formulas."""
    body = "\n".join(_section(verdict) for verdict in verdicts)
    if slips:
        items = "".join(
            f"<li><b>{_text(s.where)}</b> ({s.grade}): “{_text(s.printed)}” should be "
            f"“{_text(s.correct)}”. {_text(s.why)}</li>"
            for s in by_grade(slips)
        )
        body += f"<h2>Slips in the words</h2><ul>{items}</ul>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>vsmnp verify</title>'
        f'<style>{_STYLE}</style><script async src="{_MATH}"></script></head>'
        f"<body><h1>The equations, checked</h1>\n{body}\n</body></html>\n"
    )


def _section(verdict: Verdict) -> str:
    statement = verdict.statement
    parts = [f'<h2 id="{_text(statement.id)}">{_text(name(statement))} {_text(statement.title)}</h2>']
    parts.append(f"<p>{_standing(verdict).replace('**', '')} <small>{_place(statement)}</small></p>")
    if statement.printed is not None:
        parts.append(
            f"<p>{_source(statement.printed)}: \\[{_text(statement.printed.latex)}\\] Corrected:</p>"
        )
    parts.append(
        f"<p>\\[{_text(statement.form.latex)}\\]</p><p><i>Assumes:</i> {_text(statement.assumptions)}</p>"
    )
    parts.append("<ul>" + "".join(_item(each) for each in verdict.evidence) + "</ul>")
    if verdict.counterexamples:
        items = "".join(f"<li>{each.kind}: {_text(each.detail)}</li>" for each in verdict.counterexamples)
        parts.append(f"<p>Against the printed form:</p><ul>{items}</ul>")
    if verdict.within is not None:
        parts.append(f"<p>Within the paper's assumptions: {_text(verdict.within.detail)}.</p>")
    if statement.consequence:
        parts.append(f"<p><b>What it changes:</b> {_text(statement.consequence)}</p>")
    if statement.code:
        parts.append(f"<p>In the engine: <code>{_text(statement.code)}</code>.</p>")
    return "\n".join(parts)


def _item(each: Evidence) -> str:
    standing = "holds" if each.holds else "fails"
    return (
        f'<li><span class="{standing}">{standing}</span> {each.kind}: {_text(each.detail)} '
        f"(error {each.error:.2g}, tolerance {each.tolerance:.2g})</li>"
    )


def _text(value: str) -> str:
    return html.escape(value)
