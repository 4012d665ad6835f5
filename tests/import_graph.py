"""The modules of the project and what each imports, read from their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
#: The installed package of each folder of the repository.
FOLDERS = {"vsmnp": "vsmnp", "kernels": "vsmnp.kernels", "cli": "vsmnp.cli"}


class Import(NamedTuple):
    """One imported module, its line, and whether importing the file imports it too."""

    module: str
    line: int
    at_once: bool


def module_name(path: Path) -> str:
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[folder], *rest]).removesuffix(".__init__")


MODULES = {module_name(path): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}
PACKAGES = {name for name, path in MODULES.items() if path.name == "__init__.py"}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def _statements(node: ast.AST, at_once: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Yield every import below a node, and whether it runs as the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_once
        else:
            later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
                isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            )
            yield from _statements(child, at_once and not later)


def imports(module: str) -> Iterator[Import]:
    package = module if module in PACKAGES else module.rpartition(".")[0]
    for statement, at_once in _statements(tree(module)):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield Import(alias.name, statement.lineno, at_once)
            continue
        source = statement.module or ""
        if statement.level:
            above = package.split(".")[: len(package.split(".")) - statement.level + 1]
            source = ".".join([*above, *source.split(".")]).rstrip(".")
        for alias in statement.names:
            member = f"{source}.{alias.name}"
            yield Import(member if member in MODULES else source, statement.lineno, at_once)
