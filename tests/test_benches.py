"""Test that no bench hides an error: a symbol replaced by its value, or by another one, is rejected."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from vsmnp.errors import ConfigError
from vsmnp.kernels import gpu_obstacle
from vsmnp.paper.derivations import Effort, Evidence, Statement, all_statements
from vsmnp.paper.derivations.benches import bench_of, blind
from vsmnp.paper.derivations.examples import kernel_set
from vsmnp.paper.derivations.examples.engine import EngineExample
from vsmnp.paper.derivations.skeleton import SKELETON
from vsmnp.paper.derivations.statement import Claim
from vsmnp.paper.derivations.verify import USUAL

STATEMENTS = {statement.id: statement for statement in all_statements()}
each = pytest.mark.parametrize("statement", STATEMENTS.values(), ids=list(STATEMENTS))
#: Symbols of sizes in formulas, and the names under which a claim can receive them.
NAMES = {"d_x": {"d_x", "d"}, r"\tfrac1S": {"S", "samples"}}
#: Statements whose claim gets a size otherwise, and how.
OTHERWISE = {
    "engine-one-family": "the claim is a table of c and delta; its checks put d_x into the formula",
    "engine-frozen-posterior-m3": "the claim is a map of d_x rows; d_x > d_z is a case of the theorem",
    "engine-tracking-posterior": "d_x is the number of variances, of those in use and of the others",
}


@each
def test_no_bench_hides_a_symbol(statement: Statement) -> None:
    assert blind(statement, USUAL) == []


def _check(*values: float) -> Any:
    """Make a check that a claim of two numbers is their product, one evaluation for each pair of values."""

    def check(claim: Claim, effort: Effort) -> Evidence:
        pairs = list(zip(values[::2], values[1::2], strict=True))
        error = max(abs(claim(a, b) - a * b) for a, b in pairs)
        return Evidence("closed form", error, 1e-9, "product")

    return check


def _of(*checks: Any) -> Statement:
    return replace(SKELETON, claim=lambda a, b: a * b, checks=checks, mutations={})


def test_a_blind_bench_is_found() -> None:
    assert blind(_of(_check(2, 3)), USUAL) == ["a is 2", "b is 3"]
    assert blind(_of(_check(2, 3), _check(2, 5)), USUAL) == ["a is 2"]
    assert blind(_of(_check(1, 3, 1, 0.5)), USUAL) == ["a is 1"]
    assert blind(_of(_check(2, 3, 4, 5)), USUAL) == []


def test_a_size_is_replaced_by_an_integer() -> None:
    """A float in its place would be refused, which is not what a check is for."""
    sized = replace(_of(_check(2, 3, 2, 5)), claim=lambda a, b: len(range(a)) * b)
    assert blind(sized, USUAL) == ["a is 2"]
    equal = replace(_of(_check(2, 2, 3, 3)), claim=lambda a, b: len(range(a)) * b)
    assert blind(equal, USUAL) == ["a is b", "b is a"]


def test_a_claim_that_is_rejected_itself_rejects_nothing_else() -> None:
    wrong = replace(_of(_check(2, 3, 4, 5)), claim=lambda a, b: a + b)
    assert blind(wrong, USUAL) == ["the claim is rejected by check"]


def test_equal_sizes_are_found() -> None:
    assert blind(replace(_of(_check(2, 2, 3, 3)), claim=lambda a, b: a * b), USUAL) == ["a is b", "b is a"]
    assert blind(_of(_check(2, 2, 3, 5)), USUAL) == []


def test_the_record_has_the_attributes_that_a_claim_reads() -> None:
    numbers = {symbol.name: values for symbol, values in bench_of(STATEMENTS["9"], USUAL).numbers.items()}
    assert sorted(numbers["d_x"]) == [2, 3]
    assert blind(STATEMENTS["engine-m2-biased"], USUAL) == []
    two = replace(STATEMENTS["engine-m2-biased"], checks=STATEMENTS["engine-m2-biased"].checks[:1])
    assert {"d_x is 2", "S is 2", "S is d_x", "d_x is S"} <= set(blind(two, USUAL))


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        (s.id, symbol)
        for s in all_statements()
        for symbol in NAMES
        if symbol in s.latex and not (symbol == "d_x" and s.id in OTHERWISE)
    ],
)
def test_the_sizes_in_a_formula_are_arguments_of_its_claim(name: str, symbol: str) -> None:
    """A number that is written into the claim in place of a symbol cannot be replaced by another."""
    received = {each.name for each in bench_of(STATEMENTS[name], USUAL).symbols}
    assert not received or received & NAMES[symbol], f"the claim gets {received}"


def test_the_sizes_of_the_usual_example_differ() -> None:
    example = EngineExample.build()
    sizes = [example.model.d_x, example.model.d_z, len(example.data), 1]
    assert len(set(sizes)) == len(sizes)
    assert example.gamma not in (0.5, 1.0)


# --- other kernel sets ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cpu", *(["cuda"] if gpu_obstacle("cuda") is None else [])])
def test_the_statements_of_the_engine_hold_on_another_kernel_set(name: str) -> None:
    """In a process of its own, since the examples of this one keep what they computed."""
    command = [sys.executable, "-m", "vsmnp", "verify", "--section", "engine", "--kernels", name, "--json"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    rows = json.loads(found.stdout)
    assert {row["corrected"] for row in rows} == {"holds"}
    assert {row["id"] for row in rows} == {s.id for s in all_statements() if not s.in_paper}


def test_the_kernel_set_is_chosen_before_the_statements() -> None:
    assert kernel_set.kernels().name == kernel_set.DEFAULT
    kernel_set.choose(kernel_set.DEFAULT)
    with pytest.raises(ConfigError, match="kernel set 'reference' in this process: check them on 'cpu'"):
        kernel_set.choose("cpu")
    with pytest.raises(ConfigError, match="There is no kernel set 'cud'"):
        kernel_set.choose("cud")
