"""Test the documentation: every block of Python and every command runs, every quotation is in the source.

.ci/run builds the site with warnings as errors; these tests do not need the tools that build it. README.md is
tested in test_readme.py.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from typed import parse

from vsmnp.cli.main import COMMANDS

DOCS = Path(__file__).resolve().parent.parent / "docs"
#: Pages that the build writes from vsmnp.paper.derivations, whose statements have their own tests.
MADE = {DOCS / "errata.md", *(DOCS / "derivations").glob("*.md")}
TEXTS = {
    path.relative_to(DOCS).as_posix(): path.read_text()
    for path in sorted(DOCS.rglob("*.md"))
    if path not in MADE
}

#: Pages that quote from the middle of a module, and the lines at its top.
GIVEN = {
    "architecture.md": """
from dataclasses import dataclass
from vsmnp.layers.families import LinearMap
from vsmnp.types import Array, Kernels
"""
}


class Block(NamedTuple):
    """A fenced block: its first line, the word after the fence, and its text."""

    line: int
    kind: str
    argument: str
    body: str


def blocks(text: str) -> Iterator[Block]:
    """List every fenced block of a page."""
    for found in re.finditer(r"^```(\{?[\w-]+\}?) ?([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(text[: found.start()].count("\n") + 1, *found.groups())


def code_of(text: str) -> list[Block]:
    """List the blocks that are Python, executed by the build or not."""
    return [
        b for b in blocks(text) if b.kind == "python" or (b.kind, b.argument) == ("{code-cell}", "python")
    ]


def commands_of(text: str) -> list[str]:
    """List every line behind a prompt, together with those that a backslash adds to it."""
    shell = "\n".join(b.body for b in blocks(text) if b.kind in ("console", "sh", "bash"))
    lines = re.sub(r"\\\n\s*", "", shell).splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


# --- Python ---------------------------------------------------------------------------------------


def show(name: str) -> None:
    """Check that the picture exists, in place of ``IPython.display.Image``."""
    assert Path(name).read_bytes().startswith(b"\x89PNG\r\n")


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Create an empty folder, plots that open no window, and the imports of a notebook's shell."""
    display = ModuleType("IPython.display")
    vars(display).update(Image=show, Markdown=str, HTML=str)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def cells_of(text: str) -> list[Block]:
    """List the blocks that the build executes."""
    return [block for block in blocks(text) if block.kind == "{code-cell}"]


#: A page that the build executes and the tests as well; the others are executed by the build only.
EXAMPLE = "objectives/m1.md"


@pytest.mark.usefixtures("notebook")
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if cells_of(text) and page != EXAMPLE else ())
        for page, text in TEXTS.items()
        if code_of(text)
    ],
)
def test_the_code_of_a_page_runs_from_top_to_bottom(page: str) -> None:
    names: dict[str, object] = {"__name__": "page"}
    exec(GIVEN.get(page, ""), names)
    for block in code_of(TEXTS[page]):
        padded = "\n" * block.line + block.body  # a traceback names the line of the page
        exec(compile(padded, str(DOCS / page), "exec", dont_inherit=True), names)


def test_cells_are_cells() -> None:
    """A page with cells declares a notebook, and the reverse; there is no other language."""
    for page, text in TEXTS.items():
        cells = cells_of(text)
        assert bool(cells) == text.startswith("---\nfile_format: mystnb\n"), page
        assert {block.argument for block in cells} <= {"python"}, page


def test_a_page_is_downloaded_as_the_notebook_that_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code in the same order, no directive of the site, and a link to each notebook."""
    nbformat = import_module("nbformat")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    notebooks = import_module("notebooks")
    assert notebooks.PAGES
    for page in notebooks.PAGES:
        text = TEXTS[f"{page}.md"]
        book = nbformat.reads(notebooks.notebook(text), as_version=4)
        nbformat.validate(book)
        code = [cell.source for cell in book.cells if cell.cell_type == "code"]
        assert code == [block.body.strip() for block in cells_of(text)]
        prose = "".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
        assert prose.startswith("# ")
        assert "{" not in prose
        assert f"<{notebooks.FOLDER}/{page}.ipynb>" in text


def test_an_erratum_has_the_links_that_its_statement_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its derivation, its line of the source where the engine computes it, and its test."""
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from vsmnp.paper.derivations import judge, select

    verdicts, of_code = [judge(*select(name)) for name in ("22", "24", "prop-4.2", "15")], 0
    pages = import_module("derivations").pages(verdicts)
    wrong = [each.statement for each in verdicts if each.statement.printed is not None]
    assert len(wrong) >= 2
    _, *parts = re.split(r"^## ", pages["errata.md"], flags=re.MULTILINE)
    labels = {label for page in pages.values() for label in re.findall(r"^\((.*)\)=$", page, re.MULTILINE)}
    assert len(labels) == len(verdicts)
    for statement, part in zip(wrong, parts, strict=False):
        assert part.startswith(f"({statement.id}) ")
        (label,) = re.findall(r"Derivation: \{ref\}`.* <(.*)>`\.", part)
        assert label == f"statement-{statement.id}"
        assert label in labels
        assert f"-k '[{statement.id}]'" in part
        for file, line in re.findall(r"\{source\}`(vsmnp/.*?):(\d+)`", part):
            at = (DOCS.parent / file).read_text().splitlines()[int(line) - 1]
            assert statement.code.rpartition(".")[2] in at
            of_code += 1
        ((file, line),) = re.findall(r"\{source\}`(tests/.*?):(\d+)`", part)
        assert "def test_it_holds" in (DOCS.parent / file).read_text().splitlines()[int(line) - 1]
        for page in re.findall(r"\]\((\S+\.md)\)", part):
            assert (DOCS / page).is_file()
    assert of_code


def test_a_statement_links_to_the_pages_that_quote_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every objective has a page, and the file of its class may have another name."""
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    derivations = import_module("derivations")
    for name, page in {
        "ELBO": "elbo", "KL": "kl", "M1": "m1", "M2": "m2", "M3": "m3", "JointFisher": "fisher-autoencoder",
        "PosteriorFisher": "fisher", "bilevel.Bilevel": "bilevel", "score_norm.ScoreNormTerm":
        "fisher-autoencoder",
    }.items():  # fmt: skip
        (linked,) = re.findall(r"\]\((.*?)\)", derivations._link(f"vsmnp.objectives.{name}", ".."))
        assert linked == f"../objectives/{page}.md"


# --- commands -------------------------------------------------------------------------------------

SHOWN = [(page, line) for page, text in TEXTS.items() for line in commands_of(text)]


def test_the_commands_are_shown() -> None:
    shown = {line.split()[1] for page, line in SHOWN if page == "command_line.md"}
    assert shown >= {"train", "evaluate", "compare", "sample", "plot", "info", "data"}
    assert shown <= set(COMMANDS)


@pytest.mark.parametrize("line", [line for _, line in SHOWN])
def test_a_command_parses(line: str) -> None:
    parse(line)


# --- quotations -----------------------------------------------------------------------------------

QUOTED = [(page, b) for page, text in TEXTS.items() for b in blocks(text) if b.kind == "{literalinclude}"]


@pytest.mark.parametrize(("page", "block"), QUOTED, ids=lambda v: v if isinstance(v, str) else str(v.line))
def test_what_is_quoted_exists_and_is_called_by_its_name(page: str, block: Block) -> None:
    path = (DOCS / page).parent / block.argument
    options = dict(re.findall(r"^:(\w+): (.*)$", block.body, re.MULTILINE))
    assert path.resolve() == DOCS.parent / options["caption"]
    body: list[ast.stmt] = ast.parse(path.read_text()).body
    for name in options["pyobject"].split("."):
        (found,) = [
            node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name
        ]
        body = found.body


def test_each_convention_has_the_one_test_that_is_named_beside_it() -> None:
    section = TEXTS["figures.md"].partition("## Where a convention meets")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 8
    for row in rows:
        named = re.search(r"`(test_\w+\.py) -k (\w+)` \|$", row)
        assert named, row
        tests = re.findall(r"^def (test_\w+)", (DOCS.parent / "tests" / named[1]).read_text(), re.MULTILINE)
        assert sum(named[2] in name for name in tests) == 1, row


@pytest.mark.parametrize("page", [page for page in TEXTS if re.match(r"objectives/(?!index)", page)])
def test_a_page_of_an_objective_goes_from_the_density_to_its_test(page: str) -> None:
    headings = re.findall(r"^## (.*)$", TEXTS[page], re.MULTILINE)
    parts = ["The density", "In steps", "The gradient", "The code", "On a model", "The tests"]
    assert [heading for heading in headings if heading in parts] == parts
    quoted = [block.argument for block in blocks(TEXTS[page]) if block.kind == "{literalinclude}"]
    assert any("/vsmnp/objectives/" in path for path in quoted)
    assert any("/tests/" in path for path in quoted)
    assert any("assert " in block.body for block in code_of(TEXTS[page]))


MODULES = [
    name
    for text in TEXTS.values()
    for name in re.findall(r"^\.\. (?:auto|current)module:: (.+)$", text, re.M)
]


def test_the_api_names_modules_once() -> None:
    assert len(set(MODULES)) == len(MODULES) > 40
    for name in MODULES:
        assert import_module(name).__doc__
