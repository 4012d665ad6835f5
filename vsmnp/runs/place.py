"""The folder of a session: held, written, and given up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import checkpoint
from ..settings.settings import Settings
from ..errors import StorageError
from ..storage import write_text
from .folder import CHECKPOINT, claim, claim_named, hold
from .lock import FolderLock
from ..types import Array


@dataclass
class Place:
    """A folder, the lock on it, and which checkpoint was last read or written here.

    Attributes
    ----------
    folder : Path or None
        None if nothing is written.
    lock : FolderLock or None
        None as long as the run is only read.
    seal : str
        Of the checkpoint; see :func:`vsmnp.runs.checkpoint.seal`.
    kept : bool
        Whether the folder stays locked after the training.
    """

    folder: Path | None = None
    lock: FolderLock | None = None
    seal: str = ""
    kept: bool = False

    @classmethod
    def claimed(cls, settings: Settings, folder: Path | None, named: bool) -> Place:
        """The folder for a new run: the given one, one named after the settings, or none; locked.

        Raises
        ------
        StorageError
            As :func:`vsmnp.runs.folder.claim` does.
        """
        if folder is None and not named:
            return cls()
        lock = claim_named(settings) if folder is None else claim(folder)
        return cls(lock.folder, lock)

    def hold(self) -> None:
        """Lock the folder, unless it is locked, and make sure that the run in it is the one that is known.

        Raises
        ------
        LockedError
            If another session has it.
        StorageError
            If it cannot be locked, or another session went on with the run meanwhile.
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
        """Let other sessions have the folder."""
        if self.lock is not None:
            self.lock.release()

    @contextmanager
    def released_on_failure(self) -> Iterator[None]:
        """Release the folder if the block fails."""
        try:
            yield
        except BaseException:
            self.release()
            raise

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder, as :meth:`hold` does, until the block ends, or longer if it is ``kept``."""
        try:
            self.hold()
            yield
        finally:
            if not self.kept:
                self.release()

    def write(
        self, arrays: Mapping[str, Array], attributes: Mapping[str, Any], texts: Mapping[str, str]
    ) -> None:
        """Write the checkpoint, then the ``texts`` by the names of their files; each is whole or the old one.

        Raises
        ------
        StorageError
            If one cannot be written, or as :meth:`hold` does.
        """
        self.hold()
        if self.folder is None:
            return
        self.seal = checkpoint.save(self.folder / CHECKPOINT, arrays, attributes)
        for name, text in texts.items():
            write_text(self.folder / name, text)
