"""List the sentences that the package writes for its users, and record which of them are reached."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import click
import pytest
from import_graph import MODULES, tree

import vsmnp.bench.contenders.peers  # noqa: F401 - it defines an error of its own
from vsmnp.errors import VsmnpError

#: A place in the sources: a file, and a line of it.
Line: TypeAlias = tuple[str, int]

#: What a remedy begins with, after a colon, a semicolon, a period, "or", or at the beginning of a text.
_VERBS = (
    "add allow ask call change check choose clear close compare compute convert copy count create delete "
    "divide draw encode evaluate free get give go install keep leave look lower make mend move name open pip "
    "put raise reinstall remove rename repair replace restore resume run save say send start take train try "
    "unset update use wait write"
)  # fmt: skip
_VERB = rf"(?:{'|'.join(_VERBS.split())}|scale the|set the|do not)(?: \S+){{2}}|set [A-Z]{{3}}"
_REMEDY = re.compile(
    rf"(?:^|[:;] |\bor |, so )(?:{_VERB})|\. (?i:{_VERB})|\bor say |--[a-z]+[ a-z-]* (?:gives|leaves) "
)
#: Arguments whose texts describe an option, and no situation.
_HELP = ("help", "epilog", "text")


@dataclass(frozen=True)
class Sentence:
    """A sentence in the sources: its place, and the pattern of a text that is in no call."""

    place: str
    file: str
    lines: range
    pattern: str = ""


@dataclass
class Reached:
    """The lines that were active when the sentences of refusals were built, and what these say."""

    lines: set[Line] = field(default_factory=set)
    followed: list[tuple[str, str]] = field(default_factory=list)
    _built: list[tuple[str, set[Line]]] = field(default_factory=list)

    def add(self, sentence: object) -> None:
        """Record a sentence that is being built, with the lines that are active in the caller's caller."""
        lines: set[Line] = set()
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            lines.add((_resolved(frame.f_code.co_filename), frame.f_lineno))
            frame = frame.f_back
        self._built.append((_plain(sentence), lines))

    def refused(self, told: str, advice: str) -> None:
        """Count the sentences that a refusal told: others that were built are of no use to the user."""
        for sentence, lines in self._built:
            if sentence.rstrip(".") in _plain(told):
                self.lines |= lines
        self._built.clear()
        self.followed.append((_plain(told), _plain(advice)))

    def has(self, sentence: Sentence) -> bool:
        """Return whether a sentence was reached: by its lines, or else by advice in what it says."""
        if not sentence.pattern:
            return any((sentence.file, line) in self.lines for line in sentence.lines)
        return any(_says(told, sentence.pattern, advice) for told, advice in self.followed)


def _plain(sentence: object) -> str:
    """Return a sentence without its breaks of lines."""
    return " ".join(str(sentence).split())


def _says(told: str, pattern: str, advice: str) -> bool:
    """Return whether advice is, at least in part, among the words of a text that match a pattern."""
    found, first = re.search(pattern, told), told.find(advice)
    return found is not None and max(found.start(), first) < min(found.end(), first + len(advice))


@cache
def _resolved(file: str) -> str:
    return str(Path(file).resolve())


@contextmanager
def sentences_recorded() -> Iterator[Reached]:
    """Record where each error is built and each warning given, until the context ends."""
    reached = Reached()
    shown, begun = click.ClickException.__init__, warnings.warn

    def built(error: VsmnpError, *arguments: object) -> None:
        Exception.__init__(error, *arguments)
        reached.add(error)

    def refused(error: click.ClickException, message: str) -> None:
        shown(error, message)
        reached.add(message)

    def warned(message: Any, *arguments: Any, **options: Any) -> None:
        reached.add(message)
        begun(message, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VsmnpError, "__init__", built)
        patch.setattr(click.ClickException, "__init__", refused)
        patch.setattr(warnings, "warn", warned)
        yield reached


def sentences(of: Callable[[str], bool]) -> list[Sentence]:
    """List the sentences of the modules whose names ``of`` accepts.

    They are the calls of the classes of errors, of ``warnings.warn``, and of ``reading``, which gets the
    remedy for a file that a parser cannot read; and the texts elsewhere that name a remedy, such as the rows
    of tables and notes. A TypeError is for those who change the package.
    """
    return [each for name in MODULES if of(name) for each in (*_calls(name), *_texts(name))]


def _calls(module: str) -> Iterator[Sentence]:
    """Yield the calls of a module that build an error or give a warning."""
    path = MODULES[module]
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and _is_told(node):
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            yield Sentence(f"{module}:{node.lineno}: {ast.unparse(node)}", str(path.resolve()), lines)


def _is_told(node: ast.Call) -> bool:
    """Return whether a call builds an error for the user or gives a warning."""
    name = ast.unparse(node.func)
    names = {each.__name__ for each in _classes(VsmnpError)} | {"reading", "self.fail", "warnings.warn"}
    return name in names or (name.startswith("click.") and name.endswith(("Error", "Parameter", "Exception")))


def _texts(module: str) -> Iterator[Sentence]:
    """Yield the texts of a module that name a remedy and are in no call that builds an error."""
    whole = tree(module)
    left_out: set[ast.AST] = set()
    for node in ast.walk(whole):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # a docstring
            left_out.add(node.value)
        if isinstance(node, ast.Call) and (_is_told(node) or ast.unparse(node.func) == "TypeError"):
            left_out.update(ast.walk(node))
        if isinstance(node, ast.keyword) and node.arg in _HELP:
            left_out.update(ast.walk(node.value))
        if isinstance(node, ast.JoinedStr):
            left_out.update(each for each in ast.walk(node) if isinstance(each, ast.Constant))
    for node in ast.walk(whole):
        if node not in left_out and isinstance(node, ast.Constant | ast.JoinedStr):
            parts = _parts(node)
            if _REMEDY.search("{}".join(parts)) and not parts[0].startswith("#"):  # a comment in a file
                pattern = ".*".join(map(re.escape, parts))
                yield Sentence(f"{module}:{node.lineno}: {ast.unparse(node)}", "", range(0), pattern)


def _parts(node: ast.Constant | ast.JoinedStr) -> list[str]:
    """Return the parts of a text between the values that are put into it."""
    if isinstance(node, ast.Constant):
        return re.split(r"\{\w*\}|%s", node.value) if isinstance(node.value, str) else [""]
    return [str(each.value) if isinstance(each, ast.Constant) else "" for each in node.values]


def _classes(base: type[VsmnpError]) -> Iterator[type[VsmnpError]]:
    yield base
    for each in base.__subclasses__():
        yield from _classes(each)
