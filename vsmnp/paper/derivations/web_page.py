"""Present verdicts as a web page."""

from __future__ import annotations

import html
from collections.abc import Sequence

from . import report
from .sources import place_of_code
from .statement import Evidence, Statement
from .textual import Textual
from .verdict import StepVerdict, Verdict

_MATH = "https://cdn.jsdelivr.net/npm/mathjax@3/es5/tex-mml-chtml.js"
_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "h2{margin-top:2.5rem;border-bottom:1px solid #ddd}small,td{color:#444}li{margin:.3rem 0}"
    ".fails{color:#d55e00;font-weight:bold}.holds{color:#0072b2}"
)


def page(verdicts: Sequence[Verdict], slips: Sequence[Textual] = ()) -> str:
    """Write a self-contained web page; MathJax, loaded from the network, renders the LaTeX formulas."""
    body = "\n".join(_section(verdict) for verdict in verdicts)
    if slips:
        items = "".join(
            f"<li><b>{_text(s.where)}</b> ({s.grade}): “{_text(s.printed)}” should be "
            f"“{_text(s.correct)}”. {_text(s.why)}</li>"
            for s in report.by_grade(slips)
        )
        body += f"<h2>Slips in the words</h2><ul>{items}</ul>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>vsmnp verify</title>'
        f'<style>{_STYLE}</style><script async src="{_MATH}"></script></head>'
        f"<body><h1>The equations, checked</h1>\n{body}\n</body></html>\n"
    )


def _section(verdict: Verdict) -> str:
    statement = verdict.statement
    parts = [f'<h2 id="{_text(statement.id)}">{_text(report.name(statement))} {_text(statement.title)}</h2>']
    parts.append(
        f"<p>{_text(report.standing(verdict).replace('**', ''))} <small>{report.place(statement)}</small></p>"
    )
    if statement.printed is not None:
        parts.append(
            f"<p>{report.source(statement.printed)}: \\[{_text(statement.printed.latex)}\\] Corrected:</p>"
        )
    parts.append(
        f"<p>\\[{_text(statement.form.latex)}\\]</p><p><i>Assumes:</i> {_text(statement.assumptions)}</p>"
    )
    if verdict.steps:
        parts.append(f"<p>Derivation:</p><ol>{''.join(map(_step, verdict.steps))}</ol><p>Checks:</p>")
    parts.append("<ol>" + "".join(_item(each) for each in verdict.evidence) + "</ol>")
    rejected = "".join(
        f"<li>{_text(name)}: rejected by {', '.join(str(place + 1) for place in places)}</li>"
        for name, places in verdict.rejections.items()
    )
    parts.append(f"<p>Mutations:</p><ul>{rejected}</ul>")
    if verdict.counterexamples:
        items = "".join(f"<li>{each.kind}: {_text(each.detail)}</li>" for each in verdict.counterexamples)
        parts.append(f"<p>Against the printed form:</p><ul>{items}</ul>")
    if verdict.within is not None:
        parts.append(f"<p>Within the paper's assumptions: {_text(verdict.within.detail)}.</p>")
    if statement.consequence:
        parts.append(f"<p><b>What it changes:</b> {_text(statement.consequence)}</p>")
    parts.append(_code(statement))
    parts.append(f"<p>Test: <code>{_text(report.command_of_tests(statement))}</code>.</p>")
    return "\n".join(parts)


def _code(statement: Statement) -> str:
    if not statement.code:
        return f"<p>{_text(report.without_code(statement))}</p>"
    found = place_of_code(statement.code)
    return f"<p>Code: <code>{_text(statement.code)}</code> ({_text(found.file)}, line {found.line}).</p>"


def _step(each: StepVerdict) -> str:
    checked = f" ({_text(report.brief([each.evidence]))})" if each.evidence else ""
    return f"<li>\\[{_text(each.step.latex)}\\] {_text(each.step.reason)}{checked}</li>"


def _item(each: Evidence) -> str:
    standing = "holds" if each.holds else "fails"
    return (
        f'<li><span class="{standing}">{standing}</span> {each.kind}: {_text(each.detail)} '
        f"(error {each.error:.2g}, tolerance {each.tolerance:.2g})</li>"
    )


def _text(value: str) -> str:
    return html.escape(value)
