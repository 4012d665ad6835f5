"""Find the file and the line of code from the object itself, so that no place is written by hand."""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple, TypeAlias

#: The folder that contains the package ``vsmnp``: a checkout, or where packages are installed.
ROOT = Path(__file__).resolve().parents[3]
_Node: TypeAlias = ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign


class SourcePlace(NamedTuple):
    """A line of a source.

    Attributes
    ----------
    file : str
        Path from the folder that contains the package, such as ``vsmnp/objectives/m2.py``.
    line : int
        Line, counted from 1.
    """

    file: str
    line: int


def file_of(path: str) -> str:
    """Write a path from the folder that contains the package; of a file elsewhere, write its name."""
    full = Path(path).resolve()
    return full.relative_to(ROOT).as_posix() if full.is_relative_to(ROOT) else full.name


@cache
def tree_of(path: str) -> ast.Module:
    """Parse the source at a path."""
    return ast.parse("".join(linecache.getlines(path)))


def place_of_code(code: str) -> SourcePlace:
    """Find a definition by its dotted name, which may be a name under which another module imports it."""
    path, nodes = _definition(code)
    return SourcePlace(file_of(path), nodes[-1].lineno)


def lines_of_code(code: str) -> tuple[str, range]:
    """Return the path of the file that defines a dotted name, and the lines of the definition."""
    path, nodes = _definition(code)
    return path, range(nodes[-1].lineno, (nodes[-1].end_lineno or nodes[-1].lineno) + 1)


def place_of(thing: Any) -> SourcePlace:
    """Find the definition of a class, or of a function that has a name.

    Raises
    ------
    LookupError
        If the source of the object does not define it by its name.
    """
    path, node = _of_object(inspect.unwrap(thing))
    return SourcePlace(file_of(path), node.lineno)


def place_of_parameter(thing: Any, name: str) -> SourcePlace:
    """Find the line that declares a parameter of a function, or a field of a class.

    Raises
    ------
    LookupError
        If there is none of that name.
    """
    path, node = _of_object(inspect.unwrap(thing))
    if isinstance(node, ast.FunctionDef):
        given = node.args
        declared: list[Any] = [each for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)
                               if each.arg == name]  # fmt: skip
    else:
        declared = list(_defining(node.body, name)) if isinstance(node, ast.ClassDef) else []
    if not declared:
        raise LookupError(f"{thing.__qualname__} declares no {name}.")
    return SourcePlace(file_of(path), declared[0].lineno)


def _definition(code: str) -> tuple[str, list[_Node]]:
    module, _, name = code.rpartition(".")
    found = inspect.unwrap(getattr(import_module(module), name))
    if isinstance(found, type | FunctionType):
        path, node = _of_object(found)
        return path, [node]
    path = str(import_module(module).__file__)
    return path, [_only(_defining(tree_of(path).body, name), code)]


def _of_object(found: Any) -> tuple[str, _Node]:
    path, body = str(inspect.getfile(found)), tree_of(inspect.getfile(found)).body
    *outer, name = found.__qualname__.split(".")
    for each in outer:
        node = _only(_defining(body, each), found.__qualname__)
        body = node.body if isinstance(node, ast.ClassDef | ast.FunctionDef) else []
    return path, _only(_defining(body, name), found.__qualname__)


def _defining(body: list[ast.stmt], name: str) -> Iterator[_Node]:
    """Yield the statements of a body that define a name."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names = {node.name}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {each.id for each in targets if isinstance(each, ast.Name)}
        else:
            continue
        if name in names:
            yield node


def _only(found: Iterator[_Node], name: str) -> _Node:
    node = next(found, None)
    if node is None:
        raise LookupError(f"No definition of {name} is in its source.")
    return node
