"""Present verdicts as rows and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from .errata import ERRATA, MEANING, Grade, count
from .places import places_of
from .sources import place_of_code
from .statement import Evidence, Form, Statement
from .textual import Textual
from .verdict import StepVerdict, Verdict


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
        "mutations": {name: _mutation(verdict, name) for name in verdict.rejections},
        "steps": [
            {
                "formula": each.step.latex,
                "reason": each.step.reason,
                "evidence": each.evidence and asdict(each.evidence),
            }
            for each in verdict.steps
        ],
        "counterexamples": [asdict(each) for each in verdict.counterexamples],
        "formula": statement.form.latex,
        "printed_formula": statement.printed.latex if statement.printed else None,
        "printed_literally": statement.printed is None or statement.printed.literal,
        "assumptions": statement.assumptions,
        "consequence": statement.consequence,
        "code": {"name": statement.code, **place_of_code(statement.code)._asdict()}
        if statement.code
        else None,
        "without_code": statement.without_code or None,
        "test": command_of_tests(statement),
    }


def _mutation(verdict: Verdict, name: str) -> dict[str, Any]:
    """Return the places of a mutation, and the checks that reject it by their numbers and kinds."""
    true, mutated = verdict.statement.claim, verdict.statement.wrong[name]
    return {
        "places": [asdict(each) for each in places_of(true, mutated)],
        "rejected_by": [
            {"check": place + 1, "kind": verdict.evidence[place].kind} for place in verdict.rejections[name]
        ],
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


def command_of_tests(statement: Statement) -> str:
    """Write the command that runs the tests of a statement, and of no other."""
    return f"pytest -n 0 tests/test_derivations.py -k '[{statement.id}]'"


def quoted(code: str) -> str:
    """Write the dotted name of code with its file and its line."""
    found = place_of_code(code)
    return f"`{code}` (`{found.file}`, line {found.line})"


def without_code(statement: Statement) -> str:
    """Write why no code computes a statement."""
    return f"No code computes it. {statement.without_code}"


def markdown(
    verdicts: Sequence[Verdict], slips: Sequence[Textual] = (), level: int = 2,
    link: Callable[[str], str] = quoted, test: Callable[[Statement], str] | None = None,
) -> str:  # fmt: skip
    """Write statements with their formulas and evidence in Markdown, math between dollar signs.

    Parameters
    ----------
    verdicts : sequence of Verdict
        Verdicts in the order of the page.
    slips : sequence of Textual
        Slips in the words, listed at the end by grade.
    level : int
        Level of the headings.
    link : callable
        Writes the dotted name of code, perhaps with links.
    test : callable, optional
        Writes how a statement is tested, perhaps with links; the command, unless given.
    """
    parts = [_markdown(verdict, "#" * level, link, test or _test) for verdict in verdicts]
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
    """Write a table of the grades in Markdown: meaning, and distinct errors in formulas and in words."""
    lines = ["| grade | meaning | in formulas | in words | together |", "|---|---|---|---|---|"]
    formulas, words = count(statements), count(slips)
    rows = [(grade, formulas[grade], words[grade]) for grade in Grade]
    lines += [f"| {grade} | {MEANING[grade]} | {a} | {b} | {a + b} |" for grade, a, b in rows]
    a, b = sum(formulas.values()), sum(words.values())
    return "\n".join([*lines, f"| all | | {a} | {b} | {a + b} |"]) + "\n"


def _test(statement: Statement) -> str:
    return f"`{command_of_tests(statement)}`"


def _markdown(
    verdict: Verdict, heading: str, link: Callable[[str], str], test: Callable[[Statement], str]
) -> str:
    statement = verdict.statement
    lines = [f"{heading} {name(statement)} {statement.title}\n", f"{standing(verdict)} {place(statement)}\n"]
    if statement.printed is not None:
        lines += [f"{source(statement.printed)}:\n", f"$$\n{statement.printed.latex}\n$$\n", "Corrected:\n"]
    lines += [f"$$\n{statement.form.latex}\n$$\n", f"*Assumes:* {statement.assumptions}\n"]
    lines += _derivation(verdict.steps)
    lines += [
        f"{place}. {_mark(each)} *{each.kind}*: {each.detail} (error {each.error:.2g})"
        for place, each in enumerate(verdict.evidence, 1)
    ]
    lines += _matrix(verdict)
    if verdict.counterexamples:
        lines += ["", "Against the printed form:\n"]
        lines += [f"- *{each.kind}*: {each.detail}" for each in verdict.counterexamples]
    if verdict.within is not None:
        lines += ["", f"Within the paper's assumptions: {verdict.within.detail}."]
    if statement.consequence:
        lines += ["", f"**What it changes:** {statement.consequence}"]
    lines += ["", f"Code: {link(statement.code)}." if statement.code else without_code(statement)]
    lines += ["", f"Test: {test(statement)}."]
    return "\n".join(lines) + "\n"


def _derivation(steps: Sequence[StepVerdict]) -> list[str]:
    """Write the steps of a derivation, each formula with its reason and the outcome of its check."""
    if not steps:
        return []
    lines = ["**Derivation.**\n"]
    for each in steps:
        checked = f" ({_brief(each.evidence)})" if each.evidence else ""
        lines.append(f"$$\n{each.step.latex}\n$$\n\n{each.step.reason}{checked}\n")
    return [*lines, "**Checks.**\n"]


def _matrix(verdict: Verdict) -> list[str]:
    """Write the table of the mutations and the checks that reject them, by the numbers of the checks."""
    places = range(len(verdict.evidence))
    lines = ["", f"| mutation | {' | '.join(str(place + 1) for place in places)} |"]
    lines.append("|---" * (1 + len(places)) + "|")
    for name, rejecting in verdict.rejections.items():
        cells = " | ".join("rejected" if place in rejecting else "" for place in places)
        lines.append(f"| {name} | {cells} |")
    return lines


def _mark(each: Evidence) -> str:
    return "holds," if each.holds else "**fails,**"


def standing(verdict: Verdict) -> str:
    """Describe how the statement holds, as printed and as corrected, and the kind of its error."""
    if not verdict.statement.in_paper:
        return f"An identity of the engine; it {verdict.corrected}."
    if verdict.statement.printed is None:
        return f"As printed it {verdict.as_printed}."
    says = ERRATA[verdict.statement.error].says if verdict.statement.error else ""
    return (
        f"As printed it **{verdict.as_printed}** ({verdict.statement.grade}); corrected it "
        f"{verdict.corrected}. {says}"
    )


def source(printed: Form) -> str:
    """Name the source of the printed form: a formula of the paper, or its words."""
    return "As printed" if printed.literal else "As the text says"


def place(statement: Statement) -> str:
    """Name the section of the paper; an identity of the engine has none."""
    return f"Section {statement.section} of the paper." if statement.in_paper else ""
