"""Pages that the statements themselves write: the derivations and the errata, judged afresh by every build.

``derivations/index.md`` has a line for each statement, ``derivations/SECTION.md`` its formulas and its
evidence, and ``errata.md`` the errata with their grades, in the words of
``vsmnp.paper.derivations.report``. Each statement links to its code and its test, which ``sources`` shows,
and to the pages that quote its code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

    from vsmnp.paper.derivations import Statement, Verdict

#: The folder of the project, and the file of the tests of all statements in it.
ROOT = Path(__file__).resolve().parents[2]
TEST = "tests/test_derivations.py"

_DERIVATIONS = """# Derivations

The paper's equations as statements that are executed: each is compared with densities, derivatives and
expectations that share no code with it, and so is the form that the paper prints where that is another one.
Each is derived in steps. Each check is also made of wrong forms (mutations), some of which it has to reject.
`vsmnp verify` makes the same checks.
"""

_ERRATA = """# Errata

Each formula that is not right as printed, with the counterexamples that it fails on, and as corrected,
with the checks that it passes. Slips in the words, of which no formula can be evaluated, are listed at the
end. "As printed" means as in the text that was used here, which is a transcript of the page. Every error has
a grade, and an error that appears in several formulas counts once:
"""


def write_pages(app: Sphinx) -> None:
    """Write every page that changed; a page that is as it was keeps its time, and is not read again."""
    from vsmnp.paper.derivations import all_statements, judge_all

    found, docs = pages(list(judge_all(all_statements()))), Path(app.srcdir)
    for old in (docs / "derivations").glob("*.md"):
        if old.relative_to(docs).as_posix() not in found:
            old.unlink()
    for name, text in found.items():
        path = docs / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")


def pages(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Markdown by path under ``docs/``."""
    from vsmnp.paper.derivations.report import markdown

    found, sections = {"errata.md": _errata(verdicts)}, []
    for section, group in groupby(sorted(verdicts, key=_section), key=_section):
        sections.append(_file(section))
        parts = [
            f"({_label(verdict)})=\n{markdown([verdict], link=partial(_link, docs='..'), test=_test)}"
            for verdict in group
        ]
        found[f"derivations/{sections[-1]}.md"] = "\n".join([f"# {_heading(section)}\n", *parts])
    toctree = "\n".join(["```{toctree}", ":hidden:", "", *sections, "```"])
    found["derivations/index.md"] = "\n".join([_DERIVATIONS, toctree, "", _table(verdicts)])
    return found


def _errata(verdicts: Sequence[Verdict]) -> str:
    """Write the page of the errata, each with a link to its derivation."""
    from vsmnp.paper.derivations import slips
    from vsmnp.paper.derivations.report import grades, markdown

    wrong = [verdict for verdict in verdicts if verdict.statement.printed is not None]
    parts = [
        f"{markdown([verdict], link=partial(_link, docs='.'), test=_test)}\n"
        f"Derivation: {{ref}}`the statement <{_label(verdict)}>`.\n"
        for verdict in wrong
    ]
    table = grades([verdict.statement for verdict in wrong], slips())
    return "\n".join([_ERRATA, table, *parts, markdown([], slips())])


def _table(verdicts: Sequence[Verdict]) -> str:
    from vsmnp.paper.derivations.report import brief, name

    lines = ["| | statement | as printed | checks of the correct form |", "|---|---|---|---|"]
    for verdict in verdicts:
        of, place = verdict.statement, _file(_section(verdict))
        title = of.title.replace("|", r"\|")
        printed = verdict.as_printed if of.in_paper else "not in the paper"
        printed += f" ({of.grade})" if of.grade else ""
        lines.append(f"| {name(of)} | [{title}]({place}.md) | {printed} | {brief(verdict.evidence)} |")
    return "\n".join(lines) + "\n"


def _link(code: str, docs: str) -> str:
    """Write the name of code with links to its line and to the pages of the objectives that quote it.

    ``docs`` is the way from the page to ``docs/``.
    """
    from vsmnp.paper.derivations.sources import place_of_code

    found = place_of_code(code)
    quoting = [
        f"[{title_of(page)}]({docs}/{page})"
        for page, quoted in quotations().items() if (found.file, code.rpartition(".")[2]) in quoted
    ]  # fmt: skip
    about = f"; explained on {' and '.join(quoting)}" if quoting else ""
    return f"`{code}` ({{source}}`{found.file}:{found.line}`{about})"


def _test(statement: Statement) -> str:
    """Write the command of the tests of a statement, with a link to the test."""
    from vsmnp.paper.derivations.report import command_of_tests

    return f"`{command_of_tests(statement)}` ({{source}}`{TEST}:{line_of_test()}`)"


@cache
def line_of_test() -> int:
    """Find the line of the test that every statement has to pass: the first with a case for each."""
    tree = ast.parse((ROOT / TEST).read_text(encoding="utf-8"))
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    return next(node.lineno for node in tests if node.name.startswith("test_it_holds"))


def title_of(page: str) -> str:
    """Return the first heading of a page."""
    found = re.search(r"^# (.*)$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else page


@cache
def quotations() -> Mapping[str, set[tuple[str, str]]]:
    """Return for each page of an objective the files and the names of the code that it quotes."""
    quote = re.compile(
        r"^```\{literalinclude\} (?:\.\./)+(\S+)\n:pyobject: (\w+)(?:\.__call__)?$", re.MULTILINE
    )
    pages = sorted((ROOT / "docs/objectives").glob("*.md"))
    return {f"objectives/{page.name}": set(quote.findall(page.read_text(encoding="utf-8"))) for page in pages}


def _label(verdict: Verdict) -> str:
    return f"statement-{verdict.statement.id.lower()}"


def _section(verdict: Verdict) -> str:
    """Return the section whose page has the statement: A.5 for A.5.1, 3 for 3.2."""
    section = verdict.statement.section
    found = re.match(r"[A-Z]\.\d+|\d+", section)
    return found[0] if found else section


def _file(section: str) -> str:
    return "section-" + section.lower().replace(".", "-").replace(" ", "-")


def _heading(section: str) -> str:
    return f"Section {section}" if re.match(r"[A-Z]\.\d|\d", section) else "The engine's own identities"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("builder-inited", write_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
