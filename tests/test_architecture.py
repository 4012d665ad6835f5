"""Test the import law of the packages, the content of an ``__init__`` and the length of files."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter

import pytest
from import_graph import FOLDERS, MODULES, PACKAGES, ROOT, imports, tree

#: The import law, lowest first; a row and the sign ``<`` begin a level. A name stands for a package with all
#: that is in it, or for a module; a package inside another that is named itself has its own level. A file
#: imports strictly lower levels only; the files of one package may import each other as long as no circle
#: closes.
LAW = """
    types  errors  version
    storage  parallel  kernels.formulas  kernels.reference  <  kernels.cpu  kernels.cuda
    kernels.numba_cuda  kernels  rng
    layers  data  <  settings
    model  <  objectives  metrics
    training  <  runs
    evaluation  api  <  figures  <  sweeps
    paper  bench  estimator
    vsmnp  <  cli  <  __main__
"""
LEVELS = [
    ["vsmnp" if name == "vsmnp" else f"vsmnp.{name}" for name in level.split()]
    for row in LAW.strip().splitlines()
    for level in row.split("<")
]
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}

#: Slow to load, or not always there: imported in the function that uses them.
HEAVY = {"numba", "h5py", "matplotlib", "pooch", "PIL", "sympy", "cupy", "onnxruntime"}
#: The kernel sets made of Numba functions; `kernels.load` imports them when they are asked for.
MADE_OF_NUMBA = re.compile(
    r"vsmnp\.kernels\.(formulas\.(activations|scalar|elementary)|cpu\.(?!allocator)[\w.]+|numba_cuda\.\w+)"
)
#: Automatic differentiation is what this library does without; pickle runs what it reads.
BANNED = {"torch", "jax", "tensorflow", "autograd", "pickle", "dill", "cloudpickle", "joblib", "shelve"}
#: Folders of the repository that are never modules of their own.
NOT_MODULES = {"kernels", "cli", "tests", "benchmarks"}

LONGEST_FILE = 320
#: Most files of a folder side by side, and folders of interchangeable siblings, which may have more.
LARGEST_FOLDER = 20
OF_SIBLINGS = {"vsmnp/paper/derivations/statements", "vsmnp/paper/derivations/proofs"}
#: Most modules at the root of the package, besides those that Python itself asks for by their name.
MOST_AT_THE_ROOT = 6
NAMED_BY_PYTHON = {"__init__.py", "__main__.py"}


def _place(module: str) -> str | None:
    """Return the entry of the table that a module falls under: its own name or the nearest package's."""
    if module in LEVEL_OF:
        return module
    package = module.rpartition(".")[0]
    return None if package in ("", "vsmnp") else _place(package)


def _where(module: str, line: int) -> str:
    return f"{MODULES[module].relative_to(ROOT)}:{line}"


def test_every_module_has_a_level() -> None:
    """A new file is placed consciously: by a line in the table, or by joining a package that has one."""
    assert [module for module in MODULES if _place(module) is None] == []


def test_the_table_names_only_what_exists() -> None:
    assert [name for name in LEVEL_OF if name not in MODULES] == []
    assert sum(map(len, LEVELS)) == len(LEVEL_OF), "a name has two levels"


def test_folders_are_small() -> None:
    """A folder has few files, and the root of the package has fewer: a reader begins there."""
    folders = {path.parent for top in ("vsmnp", "kernels", "cli") for path in (ROOT / top).rglob("*.py")}
    files = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) for folder in folders}
    large = {name: n for name, n in files.items() if n > LARGEST_FOLDER and name not in OF_SIBLINGS}
    assert large == {}
    at_the_root = {path.name for path in (ROOT / "vsmnp").glob("*.py")} - NAMED_BY_PYTHON
    assert len(at_the_root) <= MOST_AT_THE_ROOT


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    here = _place(module)
    assert here is not None
    wrong = []
    for imported in imports(module):
        if imported.module.partition(".")[0] != "vsmnp":
            continue
        there = _place(imported.module)
        if there is None:
            wrong.append(f"{_where(module, imported.line)}: there is no module {imported.module}")
        elif there != here and LEVEL_OF[there] >= LEVEL_OF[here]:
            wrong.append(
                f"{_where(module, imported.line)}: {module} (level {LEVEL_OF[here]}) imports "
                f"{imported.module} (level {LEVEL_OF[there]})"
            )
    assert wrong == []


def test_imports_close_no_circle() -> None:
    """Imports inside functions count as well: they can close a circle too."""
    graph = {
        module: {imported.module for imported in imports(module) if imported.module in MODULES} - {module}
        for module in MODULES
        if module != "vsmnp"
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_load_where_they_are_used(module: str) -> None:
    allowed = {"numba"} if MADE_OF_NUMBA.fullmatch(module) else set()
    at_once = {imported.module.partition(".")[0] for imported in imports(module) if imported.at_once}
    assert at_once & HEAVY <= allowed


@pytest.mark.parametrize("module", MODULES)
def test_no_framework_and_no_pickle(module: str) -> None:
    assert {imported.module.partition(".")[0] for imported in imports(module)} & BANNED == set()
    allowing = [
        _where(module, node.value.lineno)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.keyword)
        and node.arg == "allow_pickle"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert allowing == []


@pytest.mark.parametrize("module", MODULES)
def test_folders_are_imported_by_their_installed_names(module: str) -> None:
    """`kernels` alone could be another package: that of this project is `vsmnp.kernels`."""
    assert {imported.module.partition(".")[0] for imported in imports(module)} & NOT_MODULES == set()


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_init_files_define_nothing(package: str) -> None:
    """They import names; `vsmnp` itself does so on demand, through a module `__getattr__`."""
    names = (
        {"__all__", "__version__", "__getattr__", "__dir__", "_MODULES"}
        if package == "vsmnp"
        else {"__all__"}
    )
    docstring, *body = tree(package).body
    assert isinstance(docstring, ast.Expr), "a package says what it is"
    assert isinstance(docstring.value, ast.Constant)
    for statement in body:
        match statement:
            case ast.Import() | ast.ImportFrom():
                pass
            case ast.If(test=ast.Name("TYPE_CHECKING"), orelse=[]):
                assert all(isinstance(inner, ast.Import | ast.ImportFrom) for inner in statement.body)
            case ast.Assign(targets=[ast.Name(name)]) | ast.FunctionDef(name=name):
                assert name in names, _where(package, statement.lineno)
            case _:
                pytest.fail(f"{_where(package, statement.lineno)}: {ast.unparse(statement)[:60]}")


def test_a_public_class_has_a_name_of_its_own() -> None:
    places: dict[str, list[str]] = {}
    for module in MODULES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(_where(module, node.lineno))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_files_are_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for folder in FOLDERS
        for pattern in ("*.py", "*.cu", "*.cuh")
        for path in (ROOT / folder).rglob(pattern)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}
