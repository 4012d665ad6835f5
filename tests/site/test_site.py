"""Test that the built site needs no network, shows every formula, and fits a laptop and a telephone.

``SITE=build/docs pytest tests/site`` checks a site that sphinx-build has made; .ci/run does so. What needs a
layout is measured by a headless browser, where one is installed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from .browser import Measured, browser, measure, pages_of

SITE = Path(os.environ.get("SITE", "build/docs")).resolve()
pytestmark = pytest.mark.skipif("SITE" not in os.environ, reason="SITE names no built site")


@pytest.fixture(scope="module")
def measured() -> list[Measured]:
    """The measurements of all pages."""
    program = browser()
    if program is None:
        pytest.skip("no Chromium is installed")
    return measure(program, SITE)


def test_nothing_is_loaded_from_a_network() -> None:
    loads = re.compile(r"<(?:script|img|iframe)[^>]+src=\"(?:https?:)?//|<link[^>]+href=\"(?:https?:)?//")
    for page in pages_of(SITE):
        assert not loads.search((SITE / page).read_text(encoding="utf-8")), page


def test_every_formula_is_an_element_of_mathematics() -> None:
    """TeX outside of these elements would be shown as it is written."""
    hidden = re.compile(
        r"<(script|style|pre|code)\b.*?</\1>|<(div|span) class=\"math[^\"]*\">.*?</\2>", re.DOTALL
    )
    for page in pages_of(SITE):
        article = re.search(r"<article.*?</article>", (SITE / page).read_text(encoding="utf-8"), re.DOTALL)
        text = re.sub(r"<[^>]+>", "", hidden.sub("", article[0])) if article else ""
        assert not re.search(r"\\[()[\]]|\$\$|\\(?:frac|nabla|begin|sum)\b", text), page


def test_the_api_shows_nothing_of_the_machinery() -> None:
    """An alias has its name, a field no number in place of a text, and a value no address or function."""
    for page in pages_of(SITE):
        text = re.sub(r"<[^>]+>", "", (SITE / page).read_text(encoding="utf-8"))
        for word in ("TypeAliasForwardRef", "Alias for field number", "(*args, **kwargs)", "mappingproxy("):
            assert word not in text, page


def test_every_line_of_source_that_a_page_links_to_is_shown() -> None:
    """Each statement has a link to its test, and most have one to their code."""
    links = [
        (page, href)
        for page in pages_of(SITE)
        for href in re.findall(r'href="([^"]*_sources_shown/[^"]*#line-\d+)"', (SITE / page).read_text())
    ]
    assert len(links) > 200
    shown: dict[Path, str] = {}
    for page, href in links:
        file, _, anchor = href.partition("#")
        path = ((SITE / page).parent / file).resolve()
        if path not in shown:
            shown[path] = path.read_text(encoding="utf-8")
        assert f'id="{anchor}"' in shown[path], (page, href)


def test_the_index_has_a_picture() -> None:
    article = (SITE / "index.html").read_text(encoding="utf-8").split("<article")[1]
    assert "<img" in article


def test_no_raw_tex_is_shown(measured: list[Measured]) -> None:
    assert {m["page"]: m["raw"] for m in measured if m["raw"]} == {}
    assert {m["page"] for m in measured if m["typeset"] < m["formulas"]} == set()
    assert sum(m["formulas"] for m in measured) > 100


def test_every_picture_loads(measured: list[Measured]) -> None:
    assert {m["page"]: m["images"] for m in measured if m["images"]} == {}


def test_nothing_is_cut(measured: list[Measured]) -> None:
    assert {(m["page"], m["width"]): m["cut"] for m in measured if m["cut"]} == {}


def test_letters_are_readable(measured: list[Measured]) -> None:
    assert {(m["page"], m["width"]): m["small"] for m in measured if m["small"]} == {}
