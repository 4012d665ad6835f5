"""The folder of a run on disk: the names of its files; choose, claim, lock and write a folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ..errors import LockedError, OccupiedError, StorageError
from ..settings.settings import Settings
from ..storage import ABANDONED, COPY, ELSEWHERE, make_folder, make_new_folder, remove_leftovers, write_text
from ..types import Array
from . import checkpoint
from .checkpoint import CHECKPOINT as CHECKPOINT
from .checkpoint import PREVIOUS as PREVIOUS
from .lock import FolderLock, lock_folder
from .newest import is_newest

CONFIG, METRICS = "config.toml", "metrics.csv"
EVALUATION, VALIDATION = "evaluation.csv", "validation.csv"
_log = logging.getLogger(__name__)

#: Parent folder of runs for which no folder is given.
RUNS = Path("runs")


def folder_of(run: str | Path) -> Path:
    """Return the folder of a run that is named by its folder or by its checkpoint."""
    path = Path(os.path.expanduser(run))
    return path.parent if path.name == CHECKPOINT else path


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
                lock = lock_folder(folder)
                if _is_empty_or_release(lock):
                    return lock
    raise AssertionError("numbers do not end")


def claim(folder: Path) -> FolderLock:
    """Create the folder if necessary and lock it; a folder with content is rejected unchanged.

    Raises
    ------
    LockedError
        If a run in the folder is being trained.
    OccupiedError
        If it is not empty.
    StorageError
        If the folder cannot be created or locked.
    """
    lock = lock_folder(make_folder(folder))
    if _is_empty_or_release(lock):
        _remove_leftovers(lock)
        return lock
    raise OccupiedError(
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
    lock = lock_folder(folder, "wait until that has ended", COPY)
    _remove_leftovers(lock)
    return lock


def _remove_leftovers(lock: FolderLock) -> None:
    """Remove the temporary files of killed processes from a locked folder."""
    # only the lock holder writes these
    for name in (CHECKPOINT, PREVIOUS, CONFIG, METRICS, EVALUATION, VALIDATION):
        remove_leftovers(lock.folder / name, 0.0 if lock.firm else ABANDONED)


def _is_empty_or_release(lock: FolderLock) -> bool:
    """Return whether a locked folder has hidden files only; release the lock if not, or if it is unreadable.

    Raises
    ------
    StorageError
        If the folder cannot be listed.
    """
    empty = False
    try:
        empty = all(entry.name.startswith(".") for entry in lock.folder.iterdir())
    except OSError as error:
        raise StorageError(
            f"The folder {lock.folder} cannot be listed ({error.strerror or error}): change its permissions "
            "or choose another with --out."
        ) from error
    finally:
        if not empty:
            lock.release()
    return empty


@dataclass
class RunFolder:
    """A folder, its lock, and the seal of the checkpoint last read or written in it.

    Attributes
    ----------
    folder : Path or None
        None if nothing is written to disk.
    lock : FolderLock or None
        None if the run is only read.
    seal : str
        Seal of the checkpoint; see :func:`vsmnp.runs.checkpoint.seal`.
    kept : bool
        Whether the folder stays locked after training.
    remedy : str
        What to do if a file of the run cannot be written.
    """

    folder: Path | None = None
    lock: FolderLock | None = None
    seal: str = ""
    kept: bool = False
    remedy: str = ELSEWHERE

    @classmethod
    def claimed(cls, settings: Settings, folder: Path | None, named: bool) -> RunFolder:
        """Lock the folder of a new run: the given one, one named after the settings, or none.

        Raises
        ------
        StorageError
            As in :func:`claim`.
        """
        if folder is None and not named:
            return cls()
        lock = claim_named(settings) if folder is None else claim(folder)
        return cls(lock.folder, lock)

    @classmethod
    def resumed(cls, folder: Path, locked: bool) -> RunFolder:
        """Return the folder of a run that exists, locked if it is to be trained; raises as :func:`hold`."""
        return cls(folder, hold(folder) if locked else None, remedy=COPY)

    def hold(self) -> None:
        """Lock the folder if necessary, and check that its run is in the state last read or written.

        Raises
        ------
        LockedError
            If another session holds the lock.
        StorageError
            If the folder cannot be locked, or another session has trained the run since.
        CheckpointError
            If no checkpoint in it can be read.
        """
        if self.folder is None or (self.lock is not None and self.lock.held):
            return
        self.lock = hold(self.folder)
        with self.released_on_failure():
            if not is_newest(self.folder, self.seal):
                raise StorageError(
                    f"Another session has trained the run in {self.folder} meanwhile: go on with it by "
                    f"--resume {self.folder}."
                )

    def release(self) -> None:
        """Release the lock of the folder."""
        if self.lock is not None:
            self.lock.release()

    @contextmanager
    def released_on_failure(self) -> Iterator[None]:
        """Release the folder if the block raises an exception."""
        try:
            yield
        except BaseException:
            self.release()
            raise

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder as :meth:`hold` does until the block ends, or longer if ``kept``."""
        try:
            self.hold()
            yield
        finally:
            if not self.kept:
                self.release()

    def write(
        self, arrays: Mapping[str, Array], attributes: Mapping[str, Any], texts: Mapping[str, str]
    ) -> None:
        """Write the checkpoint and ``texts`` by file name; each file is replaced completely or not at all.

        The first checkpoint is written before the texts, because a folder without one cannot be resumed.
        Later ones are written after them: a run whose checkpoint is at its end has all of its rows, and what
        failed to be written is written again when the run goes on. The checkpoint that was last read or
        written stays as :data:`PREVIOUS`.

        Raises
        ------
        StorageError
            If a file cannot be written, or as in :meth:`hold`.
        """
        self.hold()
        if self.folder is None:
            return
        path, known = self.folder / CHECKPOINT, self.seal
        if not known:
            self.seal = checkpoint.save(path, arrays, attributes, self.remedy)
        for name, text in texts.items():
            write_text(self.folder / name, text, self.remedy)
        if known:
            self.seal = checkpoint.save(path, arrays, attributes, self.remedy, self.folder / PREVIOUS, known)
