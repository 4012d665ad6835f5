"""Test ``vsmnp verify`` and the reports that it writes."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from vsmnp.cli import main
from vsmnp.errors import ConfigError
from vsmnp.paper.derivations import Statement, all_statements, catalogue, judge, report, select, slips
from vsmnp.paper.derivations.errata import ERRATA, Grade, count, summary
from vsmnp.paper.derivations.places import places_of
from vsmnp.paper.derivations.proof import Step
from vsmnp.paper.derivations.skeleton import SKELETON


def _verify(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["verify", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_json_has_the_promised_shape() -> None:
    code, out, _ = _verify("--equation", "22", "--json")
    assert code == 0
    (row,) = json.loads(out)
    assert (row["id"], row["as_printed"], row["corrected"]) == ("22", "fails", "holds")
    assert (row["error"], row["grade"]) == ("positive-b", "needs an assumption")
    assert row["evidence"]
    for each in row["evidence"]:
        assert set(each) == {"kind", "error", "tolerance", "detail"}
        assert each["error"] <= each["tolerance"]
    assert any(each["error"] > each["tolerance"] for each in row["counterexamples"])
    assert {"as printed", *select("22")[0].mutations} == row["mutations"].keys()
    for mutation in row["mutations"].values():
        assert mutation["rejected_by"]
        for each in mutation["rejected_by"]:
            assert each["kind"] == row["evidence"][each["check"] - 1]["kind"]
        assert mutation["places"]
        for place in mutation["places"]:
            assert set(place) == {"file", "line", "replaced", "by"}
    for step in row["steps"]:
        assert step["formula"]
        assert step["reason"].endswith(".")
        assert step["evidence"] is None or step["evidence"]["error"] <= step["evidence"]["tolerance"]
    assert any(step["evidence"] for step in row["steps"])
    assert row["test"] == "pytest -n 0 tests/test_derivations.py -k '[22]'"


def test_json_names_the_code_with_its_line_or_says_why_there_is_none() -> None:
    _, out, _ = _verify("--equation", "22", "--json")
    (row,) = json.loads(out)
    assert row["without_code"] is None
    assert row["code"]["name"] == "vsmnp.objectives.OptimalGamma"
    root = Path(__file__).resolve().parent.parent
    lines = (root / row["code"]["file"]).read_text(encoding="utf-8").splitlines()
    assert lines[row["code"]["line"] - 1] == "class OptimalGamma:"
    _, out, _ = _verify("--equation", "17", "--json")
    (row,) = json.loads(out)
    assert row["code"] is None
    assert row["without_code"] == select("17")[0].without_code
    for option in ("--markdown", "--html"):
        _, page, _ = _verify("--equation", "17", option, "--quiet")
        assert "No code computes it. The constant needs the score of pi" in page
        _, page, _ = _verify("--equation", "22", option, "--quiet")
        assert f"vsmnp/objectives/gamma.py{'`' * (option == '--markdown')}, line" in page


def test_a_statement_that_does_not_hold_sets_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(SKELETON, claim=SKELETON.mutations["no half"])
    monkeypatch.setattr(catalogue, "all_statements", lambda: (broken,))
    code, out, err = _verify("--json")
    assert code == 1
    assert "Does not hold: engine-kl." in err
    assert json.loads(out)[0]["corrected"] == "fails"


def test_the_skeleton_is_a_good_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = judge(SKELETON)
    assert verdict.holds
    assert (verdict.as_printed, verdict.corrected) == ("none", "holds")


def test_markdown_and_html_show_both_formulas_and_the_counterexample(tmp_path: Path) -> None:
    code, out, _ = _verify("--equation", "(22)", "--markdown", "--quiet")
    assert code == 0
    (statement,) = select("22")
    assert statement.printed is not None
    for latex in (statement.printed.latex, statement.form.latex):
        assert f"$$\n{latex}\n$$" in out
    assert "Against the printed form" in out
    (judged,) = map(judge, (statement,))
    for each in judged.steps:
        assert f"$$\n{each.step.latex}\n$$\n\n{each.step.reason}" in out
    for name, places in judged.rejections.items():
        row = next(line for line in out.splitlines() if line.startswith(f"| {name} |"))
        assert row.count("rejected") == len(places)
    path = tmp_path / "page.html"
    code, page, _ = _verify("--equation", "22", "--html", "--out", str(path))
    assert (code, page) == (0, "")
    _Balanced().feed(path.read_text())
    for text in (out, html.unescape(path.read_text())):
        assert "pytest -n 0 tests/test_derivations.py -k '[22]'" in text
        for each in judged.steps:
            assert (f"{each.step.reason} ({each.step.kind} " in text) == (each.evidence is not None)


class _Balanced(HTMLParser):
    """A parser that checks that every element is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _of_number(n: int) -> Callable[[float], float]:
    return lambda x: x + n


def _named(x: float) -> float:
    return -x


@pytest.mark.parametrize(
    ("true", "mutated", "changes"),
    [
        (lambda x, y: x + 2 * y, lambda x, y: x - 2 * y, [("x + 2 * y", "x - 2 * y")]),
        (lambda x, y: x + 2 * y, lambda x, y: x + 3 * y, [("2", "3")]),
        (lambda x, y: x + 2 * y, lambda x, y: x + y, [("2 * y", "y")]),
        (lambda x, y: max(x, y), lambda x, y: max(x, -y), [("y", "-y")]),
        (lambda x, y: x, _named, [("<lambda>", "_named")]),
        (_named, lambda x: _named(2 * x), [("_named", "_named(2 * x)")]),
        (_named, partial(_named, 2), [("x", "x=2")]),
        (partial(_named, x=3), partial(_named, x=2), [("x=3", "x=2")]),
        (abs, partial(_named, 2), [("abs", "_named(2)")]),
        (Step("a", "b", tolerance=1), Step("a", "c", tolerance=2), [("reason=b", "reason=c"),
                                                                 ("tolerance=1", "tolerance=2")]),
        (lambda x: max(x, key=x), lambda x: max(x, key=2 * x), [("x", "2 * x")]),
        (lambda x: max(x, key=x), lambda x: max(x, default=x),
         [("max(x, key=x)", "max(x, default=x)")]),
        (lambda x: max(x, key=x), lambda x: max(x, default=2 * x),
         [("max(x, key=x)", "max(x, default=2 * x)")]),
        (_of_number(1), _of_number(2), [("1", "2")]),
        (lambda x, n=1: x + n, lambda x, n=4: x + n, [("1", "4")]),
        ((_named, lambda x: x), (_named, lambda x: 2 * x), [("x", "2 * x")]),
        ({"a": lambda x: x, "b": abs}, {"a": lambda x: -x, "b": _named}, [("x", "-x"), ("abs", "_named")]),
        (SimpleNamespace(a=lambda x: (x,)[0]), SimpleNamespace(a=lambda x: (x,)[1]), [("0", "1")]),
        (
            lambda x: (
                x + 1
            ).conjugate(),
            lambda x: (
                x + 2
            ).conjugate(),
            [("1", "2")],
        ),
    ],
)  # fmt: skip
def test_a_place_is_the_smallest_part_that_a_mutation_changes(
    true: Any, mutated: Any, changes: list[tuple[str, str]]
) -> None:
    assert [(each.replaced, each.by) for each in places_of(true, mutated)] == changes


def test_the_line_of_a_place_is_that_of_what_is_put_there() -> None:
    root = Path(__file__).resolve().parent.parent
    of_a_line = 0
    for statement in all_statements():
        for name, claim in statement.wrong.items():
            places = places_of(statement.claim, claim)
            assert places, (statement.id, name)
            for place in places:
                assert place.replaced != place.by, (statement.id, name)
                assert "<lambda>" not in place.by, (statement.id, name)
                lines = (root / place.file).read_text(encoding="utf-8").splitlines()[place.line - 1 :]
                (first, *_) = re.findall(r"\w+", place.by)
                assert first in "".join(lines[:2]), (statement.id, name)
                of_a_line += 1
    assert of_a_line > 400


def test_errata_come_with_the_slips_in_the_words() -> None:
    code, out, _ = _verify("--errata", "--section", "3.1", "--json")
    assert code == 0
    rows = json.loads(out)
    assert {row["as_printed"] for row in rows} == {"fails"}
    assert "figure-1-model" in {row["id"] for row in rows}
    assert {row["grade"] for row in rows} == {Grade.MISPRINT, Grade.PEDANTIC}


def test_selection() -> None:
    assert {s.section for s in select(section="A.2")} == {"A.2"}
    assert all(s.printed is not None for s in select(errata=True))
    assert {s.section for s in slips("B")} == {"B.1", "B.2"}
    with pytest.raises(ConfigError, match="No statement fits"):
        select(equation="99")
    with pytest.raises(ConfigError, match="right as printed: leave out --errata"):
        select(equation="18", errata=True)
    with pytest.raises(ConfigError, match="No statement fits"):
        select(equation="99", errata=True)
    with pytest.raises(ConfigError, match="Section B has slips in the words only: add --errata"):
        select(section="B")
    code, _, err = _verify("--equation", "nonsense")
    assert code != 0
    assert "No statement fits" in err


def test_one_format_at_a_time() -> None:
    code, _, err = _verify("--equation", "22", "--json", "--html")
    assert code == 2
    assert "Give one of" in err


def test_brief_tells_kind_and_error() -> None:
    words = report.brief(judge(SKELETON).evidence)
    assert words.startswith("symbolic; quadrature ")


def test_the_summary_counts_statements_slips_and_errors() -> None:
    _, _, err = _verify("--section", "B", "--errata")
    assert err.splitlines()[-1] == f"{len(slips('B'))} slips in the words. {summary([], slips('B'))}"
    _, _, err = _verify("--equation", "22")
    counted = "1 of 1 statements hold; 1 of them not as printed. "
    counted += "1 distinct error in formulas: 1 needs an assumption."
    assert err.splitlines()[-1] == counted
    _, _, err = _verify("--equation", "18")
    assert err.splitlines()[-1] == "1 of 1 statements hold; 0 of them not as printed."


def test_all_of_the_paper_is_there_its_equations_first_and_in_order() -> None:
    ids = [s.id for s in all_statements()]
    assert ids[:32] == [str(number) for number in range(1, 33)]
    propositions = {"prop-3.1", "prop-4.1", "prop-4.2", "prop-A.1", "remark-3.2"}
    assert propositions | {"algorithm-1-kl", "algorithm-1-fd", "algorithm-1-m1"} <= set(ids)
    assert {s.id for s in all_statements() if s.id.startswith("engine-")} == {
        s.id for s in all_statements() if not s.in_paper
    }


@pytest.mark.parametrize("statement", all_statements(), ids=lambda s: s.id)
def test_formulas_are_sound_latex(statement: Statement) -> None:
    for form in (statement.form, statement.printed):
        if form is not None:
            latex = form.latex.replace(r"\{", "").replace(r"\}", "")
            assert latex.count("{") == latex.count("}") > 0 or "{" not in latex
            assert latex.count(r"\left") == latex.count(r"\right")
            assert not set("%#&~$") & set(latex.replace(r"\&", ""))


def test_the_readme_counts_what_is_there() -> None:
    readme = " ".join((Path(__file__).resolve().parent.parent / "README.md").read_text().split())
    assert f"Each of {len(all_statements())} statements" in readme
    assert summary(all_statements(), slips()) in readme


def test_every_count_of_the_errata_is_of_one_table() -> None:
    """The page, the last line of the command and the sentence of README count by the same function."""
    formulas, words = count(all_statements()), count(slips())
    rows = [line.strip("|").split("|") for line in report.grades(all_statements(), slips()).splitlines()[2:]]
    found = {row[0].strip(): [int(cell) for cell in row[-3:]] for row in rows}
    assert found == {
        **{grade: [formulas[grade], words[grade], formulas[grade] + words[grade]] for grade in Grade},
        "all": [len(ERRATA), len(slips()), len(ERRATA) + len(slips())],
    }
    sentence = summary(all_statements(), slips())
    for where, counts in (("formulas", formulas), ("words", words)):
        (part,) = re.findall(rf"(\d+) distinct errors in {where}: ([^.]*)\.", sentence)
        assert int(part[0]) == sum(counts.values())
        assert part[1] == ", ".join(f"{number} {grade}" for grade, number in counts.items() if number)
    _, _, err = _verify("--section", "3.1", "--errata")
    chosen = select(section="3.1", errata=True)
    assert err.splitlines()[-1].endswith(summary(chosen, slips("3.1")))
