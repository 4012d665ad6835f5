"""Find the place of a mutation: which part of the true claim it changes, and what it puts there.

Both claims are read in their source, and the smallest expression outside of which they are equal is the
place. A claim of several functions has a place for each that differs; a function with a name is written by
its name. A function of which some arguments are given, or a record of numbers, has a place for each argument
or field that differs: the line that declares it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache, partial
from types import FunctionType, SimpleNamespace
from typing import Any

from .sources import SourcePlace, file_of, place_of, place_of_parameter, tree_of
from .statement import Claim


@dataclass(frozen=True)
class MutationPlace:
    """The part of a claim that a mutation changes.

    Attributes
    ----------
    file : str
        File of the mutation, ``vsmnp/paper/...``.
    line : int
        Line of what the mutation puts there.
    replaced : str
        Expression of the true claim.
    by : str
        Expression of the mutation in its place.
    """

    file: str
    line: int
    replaced: str
    by: str


def places_of(true: Claim, mutated: Claim) -> tuple[MutationPlace, ...]:
    """Compare two claims, and return the smallest part in which they differ, for each function of a claim."""
    first, second = _functions(true), _functions(mutated)
    if first is None or second is None or first.keys() != second.keys():
        return _differences(true, mutated)
    return tuple(
        place for key, claim in second.items() if claim is not first[key]
        for place in places_of(first[key], claim)
    )  # fmt: skip


def _functions(claim: Claim) -> Mapping[Any, Claim] | None:
    """Return the parts of a claim that is made of several functions; None for any other claim."""
    if isinstance(claim, tuple | list):
        return dict(enumerate(claim))
    if isinstance(claim, SimpleNamespace):
        return vars(claim)
    return claim if isinstance(claim, Mapping) else None


def _differences(true: Claim, mutated: Claim) -> tuple[MutationPlace, ...]:
    before, after = _given(true), _given(mutated)
    if before is not None and after is not None and before[0] is after[0]:
        return tuple(_of_arguments(after[0], before[1], after[1]))
    original, found = _source(true), _source(mutated)
    if found is None:
        return (_placed(_definition(mutated), _name(true), _name(mutated)),)
    node, file = found
    old, new = _narrowed(original[0], node) if original else (None, node)
    if old is not None and ast.dump(old) == ast.dump(new):
        enclosed = places_of(_enclosed(true), _enclosed(mutated))
        return tuple(each if each.file else replace(each, file=file, line=node.lineno) for each in enclosed)
    replaced = _name(true) if old is None else ast.unparse(old)
    return (_placed(SourcePlace(file, new.lineno), replaced, ast.unparse(new)),)


def _placed(place: SourcePlace, replaced: str, by: str) -> MutationPlace:
    return MutationPlace(place.file, place.line, replaced, by)


def _given(claim: Claim) -> tuple[Any, Mapping[str, Any]] | None:
    """Return a function with the arguments that a claim gives it, or a class with the fields of a record."""
    if is_dataclass(claim) and not isinstance(claim, type):
        return type(claim), {each.name: getattr(claim, each.name) for each in fields(claim)}
    function = claim.func if isinstance(claim, partial) else claim
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
        return None
    bound = inspect.signature(function).bind_partial(*getattr(claim, "args", ()), **_keywords(claim))
    bound.apply_defaults()
    return function, bound.arguments


def _keywords(claim: Claim) -> Mapping[str, Any]:
    return claim.keywords if isinstance(claim, partial) else {}


def _of_arguments(
    function: Any, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[MutationPlace]:
    """Yield the declaration of each argument to which the two claims give another value."""
    for name in {**before, **after}:
        old, new = (f"{name}={_name(given[name])}" if name in given else name for given in (before, after))
        if old != new:
            yield _placed(place_of_parameter(function, name), old, new)


def _narrowed(a: ast.expr, b: ast.expr) -> tuple[ast.expr, ast.expr]:
    """Descend into two expressions as long as a single part of them differs."""
    while type(a) is type(b):
        parts = list(zip(_parts(a), _parts(b), strict=False))
        different = [(p, q) for p, q in parts if _differ(p, q)]
        same_shape = len(list(_parts(a))) == len(list(_parts(b))) == len(parts)
        if not same_shape or len(different) != 1:
            break
        p, q = different[0]
        if not (isinstance(p, ast.expr) and isinstance(q, ast.expr)):
            break
        a, b = p, q
    return a, b


def _parts(node: ast.AST) -> Iterator[Any]:
    """Yield the values of the fields of a node, those of lists one by one, names of arguments apart."""
    for _, value in ast.iter_fields(node):
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.keyword):
                yield from (each.arg, each.value)
            else:
                yield each


def _differ(p: Any, q: Any) -> bool:
    if isinstance(p, ast.AST) and isinstance(q, ast.AST):
        return ast.dump(p) != ast.dump(q)
    return bool(type(p) is not type(q) or p != q)


def _source(claim: Claim) -> tuple[ast.expr, str] | None:
    """Return the expression that a lambda computes, and its file; None for any other claim."""
    if not isinstance(claim, FunctionType) or claim.__name__ != "<lambda>":
        return None
    code = claim.__code__
    spans = {(first, column, last, end) for first, last, column, end in code.co_positions()}
    ends = {span[2:] for span in spans}  # the call of a method begins at its name
    bodies = [node.body for node in _lambdas(code.co_filename) if node.lineno == code.co_firstlineno]
    whole = [each for each in bodies if _span(each) in spans]
    found = whole or [each for each in bodies if _span(each)[2:] in ends]
    return (found[0], file_of(code.co_filename)) if found else None


def _span(node: ast.expr) -> tuple[int, int, int | None, int | None]:
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


@cache
def _lambdas(path: str) -> tuple[ast.Lambda, ...]:
    return tuple(node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Lambda))


def _enclosed(claim: FunctionType) -> dict[str, Any]:
    """Return the values of a function that its expression does not have: of its closure, and its defaults."""
    defaults = {name: each.default for name, each in inspect.signature(claim).parameters.items()}
    given = {name: value for name, value in defaults.items() if value is not inspect.Parameter.empty}
    return {**inspect.getclosurevars(claim).nonlocals, **given}


def _definition(claim: Claim) -> SourcePlace:
    """Return the place of a function that has a name, also where a claim gives it some arguments.

    A value is not defined by itself: what contains it has the place.
    """
    function = claim.func if isinstance(claim, partial) else claim
    return place_of(function) if isinstance(function, FunctionType | type) else SourcePlace("", 0)


def _name(claim: Claim) -> str:
    """Write a claim by its name, a partial function with the arguments that it is given."""
    if isinstance(claim, partial):
        given = [*map(_name, claim.args), *(f"{name}={_name(of)}" for name, of in claim.keywords.items())]
        return f"{_name(claim.func)}({', '.join(given)})"
    return str(getattr(claim, "__name__", claim))
