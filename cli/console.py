"""Output of the commands: results go to stdout; progress, notes and explanations to stderr."""

from __future__ import annotations

import json
import logging
import math
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import click

from vsmnp.errors import VsmnpError


def say(text: str, quiet: bool = False) -> None:
    """Print a line to stderr, unless quiet; a stream that is full or closed stops no work."""
    if not quiet:
        with suppress(OSError):
            click.echo(text, err=True)


def note(text: str, quiet: bool = False) -> None:
    """Print a note to stderr, unless quiet."""
    say(f"Note: {text}", quiet)


@contextmanager
def optional(failure: str, quiet: bool) -> Iterator[None]:
    """Print a note that begins with ``failure`` if the block fails: results do not depend on it."""
    try:
        yield
    except Exception as error:  # whatever it is, what was computed before is kept
        reason = str(error) if isinstance(error, VsmnpError) else f"{type(error).__name__}: {error}"
        note(f"{failure}. {reason}", quiet)


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        note(record.getMessage())


@contextmanager
def notes_of(name: str, quiet: bool) -> Iterator[None]:
    """Print what is logged under a name as notes, unless quiet, until the context ends."""
    log, notes = logging.getLogger(name), _Notes()
    level = log.level
    if not quiet:
        log.setLevel(logging.INFO)
        log.addHandler(notes)
    try:
        yield
    finally:
        log.removeHandler(notes)
        log.setLevel(level)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Format rows as aligned columns, text to the left and numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(header), *cells]) for i in range(len(header))]
    right = [all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(header))]

    def line(values: Sequence[str]) -> str:
        parts = (v.rjust(w) if r else v.ljust(w) for v, w, r in zip(values, widths, right, strict=True))
        return "  ".join(parts).rstrip()

    return "\n".join([line(list(header)), line(["-" * w for w in widths]), *map(line, cells)])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def facts_table(facts: Mapping[str, Any]) -> str:
    """Format names and values as a table of two columns."""
    return table(("fact", "value"), [(name, str(value)) for name, value in facts.items()])


def mean_and_error(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Compute the mean over models and its standard error; None where a value is missing or infinite."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    if not known or len(known) < len(values):
        return None, None
    error = statistics.stdev(known) / math.sqrt(len(known)) if len(known) > 1 else None
    return statistics.fmean(known), error


def json_text(value: Any) -> str:
    """Format a value as one JSON document, with null for numbers that are not finite."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class ProgressLine:
    """A progress bar on a terminal, a line of text every few seconds elsewhere, nothing if quiet.

    Parameters
    ----------
    label : str
        Name of the work in progress.
    total : int
        Number of steps at the end of the work.
    quiet : bool
        Print nothing.
    start : int
        Number of steps that were made before.
    """

    _EVERY = 5.0

    def __init__(self, label: str, total: int, quiet: bool = False, start: int = 0) -> None:
        self.label, self.total, self.quiet = label, total, quiet
        self.note = ""
        self._bar: Any = None
        self._last = time.monotonic()
        if not quiet and sys.stderr.isatty():
            with suppress(ImportError):  # without tqdm, lines of text are printed
                from tqdm import tqdm

                self._bar = tqdm(total=total, initial=start, desc=label, dynamic_ncols=True, leave=False)

    def at(self, done: int) -> None:
        """Show that this many steps are done."""
        if self._bar is not None:
            with suppress(OSError):
                self._bar.update(done - self._bar.n)
        else:
            self._line(f"{done} of {self.total}{self.note}")

    def part(self, done: int, total: int) -> None:
        """Show that ``done / total`` of the work is done."""
        self.at(self.total * done // max(total, 1))

    def tell(self, note: str) -> None:
        """Show a note beside the progress from now on."""
        self.note = f"  {note}"
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)

    def pause(self, note: str) -> None:
        """Show what is done while no step is made."""
        if self._bar is not None:
            with suppress(OSError):
                self._bar.set_postfix_str(note)
        else:
            self._line(note)

    def _line(self, text: str) -> None:
        if not self.quiet and time.monotonic() - self._last > self._EVERY:
            self._last = time.monotonic()
            say(f"{self.label}: {text}")

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()
