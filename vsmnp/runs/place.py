"""The folder of a training session: its lock, and the files written to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StorageError
from ..settings.settings import Settings
from ..storage import write_text
from ..types import Array
from . import checkpoint
from .folder import CHECKPOINT, claim, claim_named, hold
from .lock import FolderLock


@dataclass
class Place:
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
    """

    folder: Path | None = None
    lock: FolderLock | None = None
    seal: str = ""
    kept: bool = False

    @classmethod
    def claimed(cls, settings: Settings, folder: Path | None, named: bool) -> Place:
        """Lock the folder of a new run: the given one, one named after the settings, or none.

        Raises
        ------
        StorageError
            As in :func:`vsmnp.runs.folder.claim`.
        """
        if folder is None and not named:
            return cls()
        lock = claim_named(settings) if folder is None else claim(folder)
        return cls(lock.folder, lock)

    def hold(self) -> None:
        """Lock the folder if necessary, and check that its checkpoint is the one last read or written.

        Raises
        ------
        LockedError
            If another session holds the lock.
        StorageError
            If the folder cannot be locked, or another session has trained the run since.
        """
        if self.folder is None or (self.lock is not None and self.lock.held):
            return
        self.lock = hold(self.folder)
        with self.released_on_failure():
            if checkpoint.seal(self.folder / CHECKPOINT) != self.seal:
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
        """Write the checkpoint, then ``texts`` by file name; each file is replaced completely or not at all.

        Raises
        ------
        StorageError
            If a file cannot be written, or as in :meth:`hold`.
        """
        self.hold()
        if self.folder is None:
            return
        self.seal = checkpoint.save(self.folder / CHECKPOINT, arrays, attributes)
        for name, text in texts.items():
            write_text(self.folder / name, text)
