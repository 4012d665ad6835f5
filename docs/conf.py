"""How the documentation is built: ``sphinx-build -W --keep-going -b html docs build/docs``."""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx import addnodes
from sphinx.util.inspect import TypeAliasForwardRef

if TYPE_CHECKING:
    from docutils.nodes import document
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

# The notebooks run in processes of their own, which inherit this: one thread each.
for pool in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ.setdefault(f"{pool}_NUM_THREADS", "1")

os.environ.setdefault("TQDM_DISABLE", "1")  # no progress bars on pages

# A page that runs `vsmnp` runs that of this environment, whether or not it is activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

project = "vsmnp"
author = "the vsmnp developers"
copyright = f"2026, {author}"
release = version = installed_version("vsmnp")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "derivations",
    "notebooks",
    "sources",
]
exclude_patterns = ["_ext/**", "_static/**", "downloads/**"]

# --- notebooks: every page is executed by every build ---

nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# --- formulas: MathJax from an installed package, so that the pages need no network ---

# The package is an extension of Sphinx too, but one that stops the pages from being read in parallel.
found = find_spec("sphinx-mathjax-offline")
if found is None or found.origin is None:
    raise ModuleNotFoundError("MathJax for the formulas is missing: pip install 'vsmnp[docs]'")
mathjax = Path(found.origin).parent
mathjax_path = "mathjax/tex-chtml.js"

# --- the API, from the docstrings ---

add_module_names = False
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_type_aliases = {
    name: name
    for name in (
        "Array",
        "Cache",
        "DType",
        "Kernels",
        "Layer",
        "Params",
        "Shape",
        "Shapes",
        "SquaredMean",
        "Baseline",
    )
}
TypeAliasForwardRef.__repr__ = lambda alias: alias.name  # in unions, Sphinx writes the repr of an alias
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# --- what it looks like ---

html_theme = "furo"
html_title = f"vsmnp {release}"
html_static_path = ["_static", str(mathjax / "static")]
html_css_files = ["vsmnp.css"]
html_js_files = ["fit.js"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072b2", "color-brand-content": "#0072b2"},
    "dark_css_variables": {"color-brand-primary": "#56b4e9", "color-brand-content": "#56b4e9"},
}


def section_to_rubric(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Make a rubric of the heading over the references of a module, as numpydoc does in a function."""
    if what == "module" and "References" in lines:
        at = lines.index("References")
        lines[at : at + 2] = [".. rubric:: References", ""]


def without_any_arguments(
    app: Sphinx, what: str, name: str, obj: object, options: Any, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Leave out the arguments of a protocol, whose own constructor takes any."""
    return ("", returns) if what == "class" and signature == "(*args, **kwargs)" else None


def without_the_obvious(app: Sphinx, doctree: document) -> None:
    """Leave out fields that have no text but their number, and values that are long or no expressions."""
    for desc in list(doctree.findall(addnodes.desc)):
        if re.match(r"Alias for field number \d+\b", desc[-1].astext()):  # numpydoc's comment follows
            desc.parent.remove(desc)
    for annotation in list(doctree.findall(addnodes.desc_annotation)):
        value = annotation.astext()
        if value.startswith(" = ") and (len(value) > 120 or "<" in value):
            annotation.parent.remove(annotation)


def setup(app: Sphinx) -> None:
    """Connect the handlers of this file to Sphinx."""
    app.connect("autodoc-process-docstring", section_to_rubric)
    app.connect("autodoc-process-signature", without_any_arguments)
    app.connect("doctree-read", without_the_obvious, priority=100)  # before the tables of contents are made
