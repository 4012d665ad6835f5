"""Test that every statement holds, every misprint fails, and every check can fail."""

from __future__ import annotations

import gc
import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import _lru_cache_wrapper, cached_property
from importlib import import_module
from types import FrameType
from typing import Any

import pytest

from vsmnp.paper.derivations import Effort, Evidence, Statement, all_statements, judge
from vsmnp.paper.derivations.skeleton import SKELETON
from vsmnp.paper.derivations.sources import lines_of_code, place_of_code
from vsmnp.paper.derivations.statements import __path__ as files
from vsmnp.paper.derivations.verify import USUAL

STATEMENTS = {statement.id: statement for statement in all_statements()}
each = pytest.mark.parametrize("statement", STATEMENTS.values(), ids=list(STATEMENTS))


@each
def test_it_holds_the_misprint_fails_and_so_does_every_mutation(statement: Statement) -> None:
    """Every mutation is rejected by some check, and every check rejects one."""
    verdict = judge(statement)
    assert [e.detail for e in verdict.evidence if not e.holds] == []
    if statement.printed is not None:
        assert verdict.as_printed == "fails"
    assert statement.mutations
    assert (verdict.accepted, verdict.idle) == ([], [])


def test_a_slip_that_passes_and_a_check_that_cannot_fail_are_found() -> None:
    def says(claim: str, effort: Effort) -> Evidence:
        return Evidence("symbolic", float(claim != "true"), 0.5, "")

    def nods(claim: str, effort: Effort) -> Evidence:
        return Evidence("symbolic", 0.0, 0.5, "")

    statement = replace(
        all_statements()[0], printed=None, checks=(nods, says), mutations={"slip": "false", "none": "true"}
    )
    verdict = judge(statement)
    assert verdict.rejections == {"slip": (1,), "none": ()}
    assert (verdict.accepted, verdict.idle) == (["none"], [0])


class _Reached(BaseException):
    """Signal that the code of a statement runs."""


@pytest.fixture
def calls() -> Iterator[Callable[[Callable[[Any], None] | None], None]]:
    """Set what is told of every call of a function; afterwards nothing is told any more."""
    before = sys.getprofile()
    yield sys.setprofile  # type: ignore[misc]
    sys.setprofile(before)


def _runs(statement: Statement, told: Any) -> bool:
    """Return whether a check of a statement calls a function of the code that the statement names."""
    path, lines = lines_of_code(statement.code)

    def note(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_firstlineno in lines and code.co_filename == path:
            raise _Reached

    for each in gc.get_objects():  # what was computed before is computed again
        if isinstance(each, _lru_cache_wrapper) and each.__module__.startswith("vsmnp.paper.derivations."):
            each.cache_clear()
        elif str(type(each).__module__).startswith("vsmnp.paper.derivations.") and hasattr(each, "__dict__"):
            for name, kept in vars(type(each)).items():
                if isinstance(kept, cached_property):
                    vars(each).pop(name, None)
    told(note)
    try:
        for check in sorted(statement.checks, key=lambda check: "symbolic" in check.__qualname__):
            check(statement.claim, USUAL)
    except _Reached:
        return True
    finally:
        told(None)
    return False


def test_a_check_runs_the_code_that_its_statement_names(calls: Any) -> None:
    """A name of code that no check runs would be a claim about the engine without evidence."""
    named = [statement for statement in STATEMENTS.values() if statement.code]
    assert len(named) > 100
    assert [statement.id for statement in named if not _runs(statement, calls)] == []


def test_code_that_no_check_runs_is_found(calls: Any) -> None:
    assert _runs(SKELETON, calls)
    assert not _runs(replace(SKELETON, code="vsmnp.objectives.M2"), calls)


@each
def test_a_statement_has_code_or_a_reason_for_having_none(statement: Statement) -> None:
    if statement.code:
        assert statement.without_code == ""
        place = place_of_code(statement.code)
        path, lines = lines_of_code(statement.code)
        assert place.line in lines
        assert path.endswith(place.file)
        with open(path, encoding="utf-8") as source:
            assert statement.code.rpartition(".")[2] in source.read().splitlines()[place.line - 1]
    else:
        assert statement.without_code[0].isupper()
        assert statement.without_code.endswith(".")
        assert len(statement.without_code.split()) > 5


@pytest.mark.parametrize("words", [{"code": ""}, {"without_code": "Nothing of the kind is computed."}])
def test_a_statement_with_neither_or_with_both_is_refused(words: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="either the name of its code or a reason"):
        replace(SKELETON, **words)  # type: ignore[arg-type]


def test_ids_are_unique_and_every_file_is_in_the_catalogue() -> None:
    found = [
        s
        for file in pkgutil.iter_modules(files)
        for s in import_module(f"vsmnp.paper.derivations.statements.{file.name}").STATEMENTS
    ]
    assert sorted(s.id for s in found) == sorted(s.id for s in all_statements())
    assert len(STATEMENTS) == len(found)
