"""Pages that show the sources to which statements link, a page for each file and an anchor for each line.

The role ``{source}`FILE:LINE` `` is a link to a line. Only files of the project that are linked are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxRole

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).resolve().parents[2]
#: Folder of the pages in the site.
FOLDER = "_sources_shown"


class Source(SphinxRole):
    """A link from ``FILE:LINE`` to the page that shows the file."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        file, _, line = self.text.rpartition(":")
        node = pending_xref("", nodes.literal(self.text, self.text), reftype="source", refdomain="")
        node.attributes.update(file=file, line=line, reftarget=self.text, refwarn=True)
        node["refdoc"] = self.env.docname
        return [node], []


def path_of(file: str) -> Path:
    """Find a file of the project; what installs as ``vsmnp/kernels`` is the folder ``kernels`` of it."""
    within = ROOT / file
    return within if within.is_file() else ROOT / file.removeprefix("vsmnp/")


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Element) -> nodes.Node | None:
    """Make a link of a role; None, which Sphinx reports, for a line that no file has."""
    if node.get("reftype") != "source":
        return None
    path, line = path_of(node["file"]), int(node["line"])
    if not path.is_file() or not 1 <= line <= len(path.read_text(encoding="utf-8").splitlines()):
        return None
    if not hasattr(env.app.builder, "highlighter"):
        return text
    page = f"{FOLDER}/{node['file']}"
    uri = app.builder.get_relative_uri(node["refdoc"], page)
    return nodes.reference("", "", text, internal=True, refuri=f"{uri}#line-{line}")


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield a page for each file to which a statement links."""
    for file in shown():
        code = path_of(file).read_text(encoding="utf-8")
        body = app.builder.highlighter.highlight_block(  # type: ignore[attr-defined]
            code, "python", linenos="inline", lineanchors="line", anchorlinenos=True
        )
        yield f"{FOLDER}/{file}", {"title": file, "body": f"<h1>{file}</h1>{body}"}, "page.html"


def shown() -> list[str]:
    """List the files of the code of all statements, and the one of their tests."""
    from derivations import TEST

    from vsmnp.paper.derivations import all_statements
    from vsmnp.paper.derivations.sources import place_of_code

    return sorted({TEST, *(place_of_code(each.code).file for each in all_statements() if each.code)})


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the role and the pages with Sphinx."""
    app.add_role("source", Source())
    app.connect("missing-reference", resolve)
    app.connect("html-collect-pages", pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
