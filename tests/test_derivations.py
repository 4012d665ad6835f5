"""Test that every statement holds, every misprint fails, and every check can fail."""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from importlib import import_module

import pytest

from vsmnp.paper.derivations import Effort, Evidence, Statement, all_statements, judge
from vsmnp.paper.derivations.statements import __path__ as files

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


@pytest.mark.parametrize("code", sorted({each.code for each in STATEMENTS.values() if each.code}))
def test_the_code_of_a_statement_exists(code: str) -> None:
    module, _, name = code.rpartition(".")
    assert hasattr(import_module(module), name)


def test_ids_are_unique_and_every_file_is_in_the_catalogue() -> None:
    found = [
        s
        for file in pkgutil.iter_modules(files)
        for s in import_module(f"vsmnp.paper.derivations.statements.{file.name}").STATEMENTS
    ]
    assert sorted(s.id for s in found) == sorted(s.id for s in all_statements())
    assert len(STATEMENTS) == len(found)
