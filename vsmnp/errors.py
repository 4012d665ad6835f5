"""Define one exception class per kind of failure; the message of each is one sentence.

The sentence says what is wrong, where (file, option, shape), and what to do. The command line
prints it and exits with :attr:`VsmnpError.exit_code`; a traceback is never shown to the user.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Self, TypeVar

T = TypeVar("T")
#: Longest sentence, in characters, that is shown whole.
_LONGEST = 2000
#: Characters that have escapes of their own.
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    r"""Escape what cannot be printed, except spaces, as Python and a shell's ``$'...'`` do: ``\n``."""
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else _escaped(c) for c in text)


def _escaped(c: str) -> str:
    return _ESCAPES.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 2**16 else f"\\U{ord(c):08x}")


class VsmnpError(Exception):
    """The base class of every failure that vsmnp reports."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the sentence on one line; a long one, which quotes a file, is shortened in its middle.

        What cannot be printed, as in a name with a line break or one that moves the cursor, is written as an
        escape.
        """
        sentence = printable(super().__str__())
        if len(sentence) <= _LONGEST:
            return sentence
        return f"{sentence[: _LONGEST // 2]} ... {sentence[-_LONGEST // 4 :]}"

    @property
    def reason(self) -> str:
        """The sentence without its remedy, which follows the last colon."""
        return str(self).rpartition(": ")[0] or str(self).rstrip(".")


class ConfigError(VsmnpError):
    """A setting, or a combination of settings, that cannot be run."""

    exit_code = 2


class DataError(VsmnpError):
    """A data file or dataset that is missing or corrupt, or that has the wrong shape."""


class StorageError(VsmnpError):
    """A file that could not be written because the disk is full or the folder is not writable."""


class OccupiedError(StorageError):
    """A folder for a new run that has content."""


class LockedError(StorageError):
    """A run that another process, or another session of this one, has locked."""


class CheckpointError(VsmnpError):
    """A checkpoint that is truncated, was not written by vsmnp, or does not match the settings."""


class DamagedError(CheckpointError):
    """A checkpoint whose bytes are gone, or are not those that were written."""


class ForeignError(CheckpointError):
    """A checkpoint whose bytes are whole, with contents that no version writes."""


class DeviceError(VsmnpError):
    """A device or kernel set that this machine does not have."""


class LibraryError(VsmnpError):
    """A library that a part of vsmnp needs and this installation lacks."""


class RankError(VsmnpError):
    """Ranks of one training that do not fit together, or the failure of another rank."""

    @classmethod
    def relayed(cls, sentence: str, exit_code: int) -> Self:
        """Return the failure of another rank, with its sentence and its exit code."""
        error = cls(sentence)
        error.exit_code = exit_code
        return error


class DivergenceError(VsmnpError):
    """A loss that became NaN or infinite; the last finite state was kept."""


class Interrupted(VsmnpError):
    """A run that was stopped on request; its state was saved."""

    exit_code = 130


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the question "did you mean 'x'?" for the known name most like a misspelt one, else nothing."""
    folded = {each.casefold(): each for each in known}
    like = get_close_matches(name.casefold(), folded, n=1)
    return f" (did you mean '{folded[like[0]]}'?)" if like else ""


def member_of(members: Mapping[str, T], kind: str, name: str) -> T:
    """Return the member of a closed set by its name.

    Raises
    ------
    ConfigError
        If the set has no member of that name; the sentence lists those that it has.
    """
    if name not in members:
        raise ConfigError(
            f"There is no {kind} '{name}'{suggestion(name, members)}: choose one of {', '.join(members)}."
        )
    return members[name]
