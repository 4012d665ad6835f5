"""Define a situation with its remedy, and find the sentences of the readers that no situation reaches."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TypeAlias

import pytest
from click.testing import CliRunner
from import_graph import MODULES, tree

from vsmnp.cli import main
from vsmnp.data import Dataset, load_data
from vsmnp.errors import VsmnpError

#: Something that is refused before the remedy is followed, and not afterwards.
Step: TypeAlias = Callable[[], object]
#: What makes a situation: the first step that it yields is refused, and each later one follows the remedy.
Situation: TypeAlias = Callable[[pytest.MonkeyPatch], Iterator[Step]]
#: A place in the sources: a file, and a line of it.
Line: TypeAlias = tuple[str, int]

_TRAIN = (
    "train",
    "--dry-run",
    "--kernels",
    "reference",
    "--hidden",
    "4",
    "--steps",
    "2",
    "--batch-size",
    "2",
)


@dataclass(frozen=True)
class Remedy:
    """The advice of a sentence, and the situation that leads to it."""

    advice: str
    situation: Situation


#: All situations by their modules and names.
REMEDIES: dict[str, Remedy] = {}


def remedy(advice: str) -> Callable[[Situation], Situation]:
    """Add a situation to :data:`REMEDIES`, with the words of its advice that the error must contain."""

    def enter(situation: Situation) -> Situation:
        name = f"{situation.__module__.rpartition('.')[2]}-{situation.__name__}"
        assert name not in REMEDIES, name
        REMEDIES[name] = Remedy(advice, situation)
        return situation

    return enter


def train(dataset: object, *options: str) -> Step:
    """Return the step that reads data by ``vsmnp train --dry-run``."""

    def run() -> None:
        command = [*_TRAIN, "--dataset", str(dataset), *options]
        done = CliRunner().invoke(main, command, prog_name="vsmnp")
        if done.exit_code:
            raise VsmnpError(" ".join(done.stderr.split()))

    return run


def read(data: object, **options: object) -> Callable[[], Dataset]:
    """Return the step that reads data in Python."""
    return lambda: load_data(data, **options)  # type: ignore[arg-type]


@dataclass
class Reached:
    """The lines of ``vsmnp/data`` that were active when an error was built, and the errors' sentences."""

    lines: set[Line] = field(default_factory=set)
    sentences: list[str] = field(default_factory=list)


@contextmanager
def errors_recorded() -> Iterator[Reached]:
    """Record where in ``vsmnp/data`` each error is built, until the context ends."""
    reached = Reached()

    def built(error: VsmnpError, *arguments: object) -> None:
        Exception.__init__(error, *arguments)
        reached.sentences.append(str(error))
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            reached.lines.add((str(Path(frame.f_code.co_filename).resolve()), frame.f_lineno))
            frame = frame.f_back

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VsmnpError, "__init__", built)
        yield reached


def sentences_of_readers() -> dict[str, tuple[str, range]]:
    """List the places in ``vsmnp/data`` that write a sentence for the user: its text, the file, the lines.

    They are the calls of the classes of errors, and those of ``reading``, which get the remedy for a file
    that a parser cannot read.
    """
    names = {each.__name__ for each in _classes(VsmnpError)} | {"reading"}
    return {
        f"{path.name}:{node.lineno}: {ast.unparse(node)}": (
            str(path.resolve()), range(node.lineno, (node.end_lineno or node.lineno) + 1)
        )
        for module, path in MODULES.items() if module.startswith("vsmnp.data.")
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    }  # fmt: skip


def _classes(base: type[VsmnpError]) -> Iterator[type[VsmnpError]]:
    yield base
    for each in base.__subclasses__():
        yield from _classes(each)
