"""Write pages that are notebooks as .ipynb files too, for readers who want to run them themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: The pages that link to a notebook of themselves.
PAGES = ("first-hour",)
#: Folder of the notebooks below ``docs/``; the build copies those that a page links to.
FOLDER = "downloads"

_CELL = re.compile(r"^```\{code-cell\} python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADER = re.compile(r"\A---\n.*?^---\n", re.MULTILINE | re.DOTALL)
#: A paragraph that links to the notebook, which has no meaning inside of it.
_LINK = re.compile(r"^\{download\}.*?\n\n", re.MULTILINE | re.DOTALL)


def notebook(text: str) -> str:
    """Convert a page in MyST Markdown, whose cells are Python, to the JSON of a notebook without outputs."""
    from nbformat import v4, writes

    parts = _CELL.split(_LINK.sub("", _HEADER.sub("", text)))
    cells = []
    for number, part in enumerate(parts):  # text and code in turn
        if source := part.strip():
            make = v4.new_code_cell if number % 2 else v4.new_markdown_cell
            cells.append(make(source, id=f"cell-{number}"))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return writes(v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})) + "\n"


def write_notebooks(app: Sphinx) -> None:
    """Write the notebook of each page that has one; a file that is as it was keeps its time."""
    docs = Path(app.srcdir)
    for page in PAGES:
        path = docs / FOLDER / f"{page}.ipynb"
        text = notebook((docs / f"{page}.md").read_text(encoding="utf-8"))
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("builder-inited", write_notebooks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
