"""List the picture files of a folder, and what else lies there."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import DataError
from .decode import SUFFIXES
from .reader import PictureFile

#: Files, or kinds of files, that a sentence names.
_NAMED = 5


@dataclass
class Found:
    """The pictures in a folder and its sub-folders, sorted by name, and what was left out.

    Parameters
    ----------
    files : list of PictureFile
        The pictures, by their names relative to the folder.
    others : list of str
        Files of other suffixes.
    links : list of str
        Links that lead to nothing, or to a folder that is listed already.
    """

    files: list[PictureFile] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    def notes(self) -> tuple[str, ...]:
        """Write the sentences about what was left out."""
        notes = []
        if self.others:
            kinds = defaultdict(list)
            for name in sorted(self.others):
                kinds[os.path.splitext(name)[1].lower() or "no suffix"].append(name)
            named = ", ".join(
                f"{len(names):,} of {kind} ({names[0]}{', ...' if len(names) > 1 else ''})"
                for kind, names in list(kinds.items())[:_NAMED]
            )
            more = f" and {len(kinds) - _NAMED} more kinds" if len(kinds) > _NAMED else ""
            notes.append(
                f"{len(self.others):,} file(s) were left out because they do not end in "
                f"{', '.join(SUFFIXES)}: {named}{more}."
            )
        if self.links:
            named = ", ".join(sorted(self.links)[:_NAMED])
            more = f" and {len(self.links) - _NAMED} more" if len(self.links) > _NAMED else ""
            notes.append(
                f"{len(self.links):,} link(s) lead to nothing or to a folder that is read already, and were "
                f"left out: {named}{more}."
            )
        return tuple(notes)


def list_pictures(folder: Path, deep: bool = True) -> Found:
    """List the pictures of a folder (and its sub-folders, if ``deep``); links are followed, each folder once.

    Hidden files and folders are skipped.

    Raises
    ------
    DataError
        If a folder cannot be read.
    """
    found, seen = Found(), set()
    linked: list[Path] = []
    try:
        left = [folder]
        while left or linked:
            here = left.pop() if left else linked.pop()  # real folders first: a link may lead to one of them
            facts = os.stat(here)
            if (facts.st_dev, facts.st_ino) in seen:
                found.links.append(os.path.relpath(here, folder))
                continue
            seen.add((facts.st_dev, facts.st_ino))
            for entry in _entries(here):
                if entry.is_dir():
                    if deep:
                        (linked if entry.is_symlink() else left).append(Path(entry.path))
                    continue
                name = os.path.relpath(entry.path, folder)
                if not entry.is_file():
                    found.links.append(name) if entry.is_symlink() else found.others.append(name)
                elif entry.name.lower().endswith(SUFFIXES):
                    about = entry.stat()
                    found.files.append(PictureFile(name, about.st_size, about.st_mtime_ns))
                else:
                    found.others.append(name)
    except OSError as error:
        where = error.filename or folder
        raise DataError(
            f"The folder {where} cannot be read ({error.strerror}): change its permissions."
        ) from error
    found.files.sort(key=lambda each: each.name)
    return found


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what a folder holds by name, without hidden files."""
    with os.scandir(folder) as entries:
        yield from sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
