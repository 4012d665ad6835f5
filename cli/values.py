"""Types of options and arguments: choices, data sets, presets and runs, with suggestions and completion."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from vsmnp.errors import suggestion
from vsmnp.settings.presets import PRESETS


class NameChoice(click.Choice[str]):
    """One of some names, in letters of any case; a misspelt one gets a suggestion."""

    def __init__(self, choices: Sequence[str]) -> None:
        super().__init__(choices, case_sensitive=False)

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the sentence on a wrong value: the names, and the one that is most like it."""
        like = suggestion(str(value), self.choices)
        return f"'{value}' is not one of {', '.join(self.choices)}{like}."


class IntegerList(click.ParamType[tuple[int, ...]]):
    """A tuple of integers written as ``30,30``, ``0-9`` or ``0,4-6``."""

    name = "integers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        numbers: list[int] = []
        for part in str(value).split(","):
            first, dash, last = part.strip().partition("-")
            try:
                start, stop = int(first), int(last) if dash else int(first)
            except ValueError:
                self.fail(f"'{value}' is not a list of integers: write it as 30,30 or 0-9.", param, ctx)
            if not start <= stop < start + 1_000_000:
                self.fail(f"'{part}' is not a rising range of integers: write it as 0-9.", param, ctx)
            numbers.extend(range(start, stop + 1))
        return tuple(numbers)


class RunPath(click.Path):
    """The folder of a run, or its checkpoint."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the runs below the folder typed so far, or below ``runs``, and folders."""
        folders = dict.fromkeys((incomplete.rpartition("/")[0], "runs"))
        paths = [path for folder in folders for path in _folders(Path(folder))]
        runs = [path for path in paths if os.path.isfile(path / "checkpoint.h5")]
        words = [str(path) for path in runs if str(path).startswith(incomplete)]
        return [CompletionItem(incomplete, type="dir"), *map(CompletionItem, words)]


class Named(click.ParamType[str]):
    """A text that is one of some names or, if ``paths``, a path; it is checked where it is used."""

    name = "text"

    def __init__(self, names: Callable[[], Iterable[str]], paths: bool = False) -> None:
        self.names, self.paths = names, paths

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the names, and files and folders where a path is possible."""
        files = [CompletionItem(incomplete, type="file")] if self.paths else []
        return [*files, *(CompletionItem(name) for name in self.names() if name.startswith(incomplete))]


def _data_names() -> Sequence[str]:
    from vsmnp.data import NAMES  # imports NumPy

    return NAMES


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted; none if it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if os.path.isdir(path))
    except OSError:
        return []


PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
COUNT = click.IntRange(min=1)
RUN = RunPath()
DATASET = Named(_data_names, paths=True)
PRESET = Named(lambda: PRESETS)
