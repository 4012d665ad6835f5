"""Test that the first line of every docstring says what the code does, by a verb and an object."""

from __future__ import annotations

import ast

import pytest
from import_graph import FOLDERS, ROOT

#: The words with which the docstring of a function may begin: add the verb of a new function.
_VERBS = """
Accumulate Add Advance Allocate Append Apply Arrange Ask Assemble Average Block Bound Broadcast Build Call
Capture Cast Check Choose Claim Clear Close Collect Combine Compare Compile Complete Compose Compute Convert
Convolve Copy Count Create Cut Decide Decode Delete Derive Descend Describe Detect Differentiate Discard
Divide Do Download Draw Encode End Escape Estimate Evaluate Exchange Execute Expand Explain Extract Fetch
Fill Find Finish Fit Flag Flatten Fold Format Free Fuse Gather Generate Get Give Group Handle Hash Hold
Import Initialise Insert Integrate Invert Iterate Join Keep Label Launch Let Limit Link List Load Lock Look
Lower Make Map Mark Mask Match Measure Meet Merge Minimise Move Multiply Name Normalise Open Optimise Order
Pack Pad Parse Pass Permute Pick Place Plot Point Predict Prepare Print Process Project Propagate Pull Push
Put Raise Rank Read Rebuild Record Reduce Refuse Register Reinterpret Release Remove Rename Repeat Replace
Replay Report Require Reset Reshape Resize Resolve Restore Restrict Resume Return Reverse Run Sample Save
Scale Scatter Search Select Send Separate Set Share Show Skip Solve Sort Split Start Step Stop Store
Subtract Sum Summarise Swap Synchronise Tabulate Take Tell Test Time Train Transform Transpose Truncate Turn
Undo Unpack Update Use Verify Wait Walk Warn Weight Wrap Write Yield
"""
VERBS = frozenset(_VERBS.split())
#: Words with which no docstring begins, because it would be a fragment or a riddle.
_BANNED = "At Here How It No Nobody Nothing Now Such That There This What When Where While Who Why"
BANNED = frozenset(_BANNED.split())
#: The smallest number of words of a first line.
FEWEST = 4
#: The files of the installed folders, of the tests and of the benchmarks.
FILES = {folder: sorted((ROOT / folder).rglob("*.py")) for folder in (*FOLDERS, "tests", "benchmarks")}


def is_decorated(node: ast.AST, *names: str) -> bool:
    """Return whether a decorator of the function or class ends in one of the names."""
    decorators = getattr(node, "decorator_list", ())
    ends = {ast.unparse(each).partition("(")[0].rpartition(".")[2] for each in decorators}
    return not ends.isdisjoint(names)


def is_action(node: ast.AST) -> bool:
    """Return whether the node is a function that is not a property."""
    return isinstance(node, ast.FunctionDef) and not is_decorated(node, "property", "cached_property")


def is_law(node: ast.AST) -> bool:
    """Return whether the node is a test or a fixture, whose docstring adds to its name."""
    return isinstance(node, ast.FunctionDef) and (
        node.name.startswith("test_") or is_decorated(node, "fixture")
    )


def fault(line: str, begins_with_verb: bool) -> str:
    """Return what is wrong with the first line of a docstring, or an empty text."""
    words = [word.rstrip(",;:.") for word in line.split()]
    if len(words) < FEWEST:
        return f"has fewer than {FEWEST} words"
    if begins_with_verb and words[0] not in VERBS:
        return "does not begin with a verb of tests/test_first_lines.py"
    if words[0] in BANNED:
        return f"begins with {words[0]!r}"
    return ""


@pytest.mark.parametrize("folder", FILES)
def test_the_first_line_of_a_docstring_says_what_the_code_does(folder: str) -> None:
    """A function begins with a verb; a module, a class or a property may be named by a noun."""
    faults = []
    for path in FILES[folder]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) or is_law(node):
                continue
            line = (ast.get_docstring(node) or "").partition("\n")[0]
            what = fault(line, is_action(node)) if line else ""
            if what:
                place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"
                faults.append(f"{place}: the docstring {what}: {line}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("line", "begins_with_verb", "what"),
    [
        ("Sum the squares of all residuals.", True, ""),
        ("The squares of all residuals.", False, ""),
        ("The squares of all residuals.", True, "does not begin with a verb"),
        ("What is left of the residuals.", False, "begins with 'What'"),
        ("The same.", False, "fewer than 4 words"),
    ],
)
def test_a_riddle_is_found(line: str, begins_with_verb: bool, what: str) -> None:
    found = fault(line, begins_with_verb)
    assert what in found
    assert bool(found) == bool(what)
