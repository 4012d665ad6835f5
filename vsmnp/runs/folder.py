"""The folder of a run on disk: the names of its files; choose, claim and lock a folder."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from pathlib import Path

from ..errors import LockedError, StorageError
from ..settings.settings import Settings
from ..storage import ABANDONED, make_folder, make_new_folder, remove_leftovers
from .lock import FolderLock, lock_folder

CHECKPOINT, CONFIG, METRICS = "checkpoint.h5", "config.toml", "metrics.csv"
EVALUATION = "evaluation.csv"
#: Parent folder of runs for which no folder is given.
RUNS = Path("runs")


def claim_named(settings: Settings) -> FolderLock:
    """Create a folder under ``runs/`` that is named after the settings and numbered, and lock it.

    Raises
    ------
    StorageError
        If the folder cannot be created or locked.
    """
    first, last = settings.seeds[0], settings.seeds[-1]
    seeds = f"seed{first}" if first == last else f"seeds{first}-{last}"
    published = "-as-published" if settings.as_published else ""
    name = f"{Path(settings.dataset).stem}-{settings.inference}-{settings.objective}{published}-{seeds}"
    make_folder(RUNS)
    for number in count(1):
        folder = RUNS / (name if number == 1 else f"{name}-run{number}")
        if make_new_folder(folder):
            with suppress(LockedError):  # another run was given this folder by --out
                lock = hold(folder)
                if is_empty(folder):
                    return lock
                lock.release()
    raise AssertionError("numbers do not end")


def claim(folder: Path) -> FolderLock:
    """Create the folder if necessary and lock it; a folder with content is rejected unchanged.

    Raises
    ------
    LockedError
        If a run in the folder is being trained.
    StorageError
        If the folder cannot be created or locked, or is not empty.
    """
    lock = hold(make_folder(folder))
    if is_empty(folder):
        return lock
    lock.release()
    raise StorageError(
        f"The folder {folder} is not empty: choose another with --out, or go on with the run in it by "
        f"--resume {folder}."
    )


def hold(folder: Path) -> FolderLock:
    """Lock the folder of a run, and remove temporary files left by killed processes.

    Raises
    ------
    LockedError
        If the run is being trained by another session.
    StorageError
        If the folder cannot be locked.
    """
    lock = lock_folder(folder)
    for name in (CHECKPOINT, CONFIG, METRICS, EVALUATION):  # only the lock holder writes these
        remove_leftovers(folder / name, 0.0 if lock.firm else ABANDONED)
    return lock


def is_empty(folder: Path) -> bool:
    """Return whether a folder contains nothing but hidden files."""
    return all(entry.name.startswith(".") for entry in folder.iterdir())
