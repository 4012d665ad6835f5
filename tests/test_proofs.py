"""Test the derivations of the statements: each line that has two sides holds, and could fail."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from importlib import import_module

import numpy as np
import pytest

from vsmnp.paper.derivations.catalogue import FILES, all_statements
from vsmnp.paper.derivations.evidence import numeric
from vsmnp.paper.derivations.proof import Step, all_proofs

STEPS = {
    f"{identifier}-{place}": step
    for identifier, steps in all_proofs().items() for place, step in enumerate(steps, 1)
}  # fmt: skip
CHECKED = {name: step for name, step in STEPS.items() if step.sides is not None}


def test_every_statement_is_derived() -> None:
    listed = [
        name for file in FILES for name in import_module(f"vsmnp.paper.derivations.proofs.{file}").PROOFS
    ]
    assert len(listed) == len(all_proofs())
    assert set(all_proofs()) == {each.id for each in all_statements()}


def test_no_derivation_rests_on_itself() -> None:
    """A reason cites statements by their ids in brackets; followed, the citations close no circle."""
    proofs = all_proofs()
    graph: dict[str, set[str]] = {
        identifier: {
            cited
            for step in steps
            for bracket in re.findall(r"(?<!\w)\(([^()]*)\)", step.reason)
            for cited in bracket.split(", ")
            if cited in proofs
        }
        for identifier, steps in proofs.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_step_is_a_line_with_a_reason(step: Step) -> None:
    assert "$" not in step.latex
    assert step.reason[0].isupper()
    assert step.reason.endswith(".")
    assert len(step.reason.split()) >= 4


@pytest.mark.parametrize("step", CHECKED.values(), ids=CHECKED)
def test_both_sides_of_a_step_agree_and_would_not_if_one_was_changed(step: Step) -> None:
    """Of a step whose sides are zero, or whose tolerance is wide, the check could not fail."""
    evidence = step.check()
    assert evidence is not None
    assert evidence.holds, evidence.detail
    assert step.sides is not None
    left, right = step.sides()
    for change in (1.001, -1.0):
        assert not numeric(step.kind, change * np.asarray(right), left, step.tolerance, step.reason).holds
