"""Keep the records of all parts in `gpu.json` and `gpu.md`, both replaced atomically at every change."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .page import markdown

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Record:
    """Record the result of one part.

    Attributes
    ----------
    name, title : str
        The part, and what it finds out.
    status : str
        ``waiting``, ``running``, ``passed``, ``failed``, ``out of time``, ``skipped`` or ``stopped``. A
        report that was cut off has one part that is still ``running``.
    command : str
        As it is typed.
    seconds, limit : float
        How long it took, and how long it might have taken.
    why : str
        The reason, where it did not pass.
    rows : list of dict
        Its findings.
    output : list of str
        The last lines that it printed.
    """

    name: str
    title: str
    status: str = "waiting"
    command: str = ""
    seconds: float = 0.0
    limit: float = 0.0
    why: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    output: list[str] = field(default_factory=list)


@dataclass
class Journal:
    """Hold all records and write both files.

    Parameters
    ----------
    folder : Path
        Where the files go; it is there already.
    facts : dict
        What is known of the run: date, budget, machine.
    records : list of Record
        One a part, in order.
    """

    folder: Path
    facts: dict[str, Any]
    records: list[Record]

    def save(self) -> None:
        """Replace both files; report an error of the disk on standard error and continue."""
        report = {"facts": self.facts, "parts": [asdict(record) for record in self.records]}
        try:
            text = json.dumps(report, indent=1)
            replace_file(self.folder / "gpu.json", without_places(text, self.folder) + "\n")
            replace_file(self.folder / "gpu.md", without_places(markdown(report), self.folder))
        except OSError as error:
            print(f"The report could not be written: {error}", file=sys.stderr, flush=True)


def replace_file(path: Path, text: str) -> None:
    """Write a file under another name and rename it, so that a reader finds the old file or the new one."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def without_places(text: str, folder: Path) -> str:
    """Replace the folders of this machine by names that are the same on every machine."""
    places = {
        str(folder.resolve()): "$OUT", str(ROOT): ".", tempfile.gettempdir(): "$TMPDIR",
        sys.prefix: "$PREFIX", str(Path.home()): "~",
    }  # fmt: skip
    for place in sorted(places, key=len, reverse=True):
        if len(place) > 1:
            text = re.sub(re.escape(place) + r"(?![\w-])", places[place], text)
    return text
