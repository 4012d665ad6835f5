"""Pages that the statements themselves write: the derivations and the errata, judged afresh by every build.

``derivations/index.md`` has a line for each statement, ``derivations/SECTION.md`` its formulas and its
evidence, and ``errata.md`` the errata with their grades, in the words of
``vsmnp.paper.derivations.report``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

    from vsmnp.paper.derivations import Verdict

_DERIVATIONS = """# Derivations

The paper's equations as statements that are executed: each is compared with densities, derivatives and
expectations that share no code with it, and so is the form that the paper prints where that is another one.
Each is derived in steps. Each check is also made of wrong forms (mutations), some of which it has to reject.
`vsmnp verify` makes the same checks.
"""

_ERRATA = """# Errata

Each formula that is not right as printed, with the counterexamples that it fails on, and as corrected,
with the checks that it passes. Slips in the words are listed at the end. "As printed" means as in the text
that was used here, which is a transcript of the page. Every error has a grade, and an error that appears in
several formulas counts once:
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
            f"({_label(verdict)})=\n{markdown([verdict], link=partial(_link, docs='..'))}"
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
        f"{markdown([verdict], link=partial(_link, docs='.'))}\n"
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
    """Write the name of code with its file, its line, and the page of the objective if it is one.

    ``docs`` is the way from the page to ``docs/``.
    """
    module, _, name = code.rpartition(".")
    found = inspect.unwrap(getattr(import_module(module), name))
    root = Path(__file__).resolve().parent.parent
    if not (inspect.isclass(found) or inspect.isroutine(found)):
        return f"`{code}`"
    source = Path(inspect.getsourcefile(found) or "")
    line = inspect.getsourcelines(found)[1]
    page = f"objectives/{source.stem.replace('_', '-')}"
    about = f"; [its page]({docs}/{page}.md)" if (root / f"{page}.md").exists() else ""
    package = source.as_posix().rpartition("/vsmnp/")[2]
    return f"`{code}` (`vsmnp/{package}`, line {line}{about})"


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
