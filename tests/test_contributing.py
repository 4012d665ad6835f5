"""Test that the diagram and the file names of CONTRIBUTING.md agree with the tree."""

from __future__ import annotations

import re

from import_graph import ROOT
from package_diagram import diagram

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_diagram_is_that_of_the_imports() -> None:
    blocks = re.findall(r"```text\n(.*?)\n```", TEXT, re.DOTALL)
    assert blocks[0] == diagram()


def test_the_files_that_it_names_exist() -> None:
    named = re.findall(r"`((?:vsmnp|kernels|cli|tests|docs)/[\w/.]*)`", TEXT)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []
