"""Faults that are planted in the package, so that it is seen that the campaigns find them."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any


def _unsynced() -> None:
    """Skip each flush to the disk."""
    from vsmnp.storage import folders, writing

    folders.sync_handle = writing.sync_handle = lambda handle: None


def _in_place() -> None:
    """Write a file under its own name, and keep no checkpoint from which a run could go on otherwise."""
    from vsmnp.runs import checkpoint, folder
    from vsmnp.storage import writing

    def write(path: Path, content: bytes, *rest: object, former: Path | None = None, **more: object) -> None:
        if former is not None:
            former.unlink(missing_ok=True)
        with path.open("wb", buffering=0) as file:
            for begin in range(0, len(content), 1 + len(content) // 20):  # calls enough for a sample to meet
                file.write(content[begin : begin + 1 + len(content) // 20])

    checkpoint.write_whole = writing.write_whole = write
    folder.write_text = lambda path, text, *rest: path.write_text(text)


def _deep() -> None:
    """Read JSON without a look at how deep it is nested."""
    from vsmnp.paper.reproduce.failure import measures

    measures.read_json = lambda path: json.loads(path.read_bytes())


def _unheeded() -> None:
    """Skip the error of a file that could not be written."""
    from vsmnp.errors import StorageError
    from vsmnp.runs import folder

    write = folder.write_text

    def writes(*given: Any) -> None:
        with suppress(StorageError):
            write(*given)

    folder.write_text = writes


def _unlocked() -> None:
    """Take the folder of a run after a look whether it is empty, without a lock."""
    from vsmnp.runs import folder, lock

    folder.lock_folder = lambda at, *rest, **more: lock.FolderLock(at, None)


#: Faults that a campaign must find.
PLANTED = {
    "unsynced": _unsynced, "in-place": _in_place, "deep": _deep, "unheeded": _unheeded, "unlocked": _unlocked,
}  # fmt: skip
