"""Let the workers of a scheduler save often, and note beside the packs which process saved or resumed them.

``dask worker --preload lost_workers`` calls :func:`dask_setup` in the process that works.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from vsmnp.runs import session

_save, _resumed = session.Session.save, session.Session.resumed
#: The file in the folder of a sweep in which a line has what was done, a pack, a step and a process.
NOTES = "notes.txt"


def note(what: str, folder: Path, step: int) -> None:
    """Add a line to the notes of a sweep on the run in a folder of one of its packs."""
    with (folder.parent.parent / NOTES).open("a") as file:
        file.write(f"{what} {folder.name} {step} {os.getpid()}\n")


def save(self: session.Session, state: Any) -> None:
    """Save a run, and note its step."""
    _save(self, state)
    note("saved", Path(self.folder or ""), state.step)


def resumed(folder: Path, *arguments: Any, **named: Any) -> session.Session:
    """Resume a run, and note its step."""
    found = _resumed(folder, *arguments, **named)
    note("resumed", Path(folder), found.state.step)
    return found


def dask_setup(worker: Any) -> None:
    """Set the functions of sessions in a worker's process; Dask calls this when the worker starts."""
    session.SAVE_EVERY = 0.1
    session.Session.save = save  # type: ignore[method-assign]
    session.Session.resumed = resumed  # type: ignore[method-assign, assignment]
