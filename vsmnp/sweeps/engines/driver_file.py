"""The file by which workers on other machines see that their driver still wants their work."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ...storage import read_text, write_text

#: Seconds between two looks at the file, whose server may be far away.
_EVERY = 1.0


@dataclass
class DriverFile:
    """A file in a shared folder with a text of its own; work goes on as long as it has this text.

    Attributes
    ----------
    path : Path
        The absolute path of the file.
    text : str
        A random text, so that a worker of an earlier process stops when a new one begins.
    """

    path: Path
    text: str = field(default_factory=lambda: uuid.uuid4().hex)
    _looked: float = field(default=0.0, init=False)
    _wanted: bool = field(default=True, init=False)

    @classmethod
    def below(cls, folder: Path) -> DriverFile:
        """Return the file of a folder, which is not written yet."""
        return cls(folder.absolute() / ".driver")

    def write(self) -> None:
        """Write the file of the driver.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        write_text(self.path, self.text)

    def remove(self) -> None:
        """Remove the file, upon which workers save and stop; one of another process is left alone."""
        if self.is_seen():
            with suppress(OSError):
                self.path.unlink()

    def is_seen(self) -> bool:
        """Return whether this process reads the text in the file."""
        try:
            return read_text(self.path) == self.text
        except (OSError, ValueError):
            return False

    def is_withdrawn(self) -> bool:
        """Return whether the work is no longer wanted, by a look at the file once a second."""
        now = time.monotonic()
        if self._wanted and now - self._looked > _EVERY:
            self._looked, self._wanted = now, self.is_seen()
        return not self._wanted
