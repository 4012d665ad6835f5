"""What goes to the screen: tables, JSON, progress. Results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import click


def say(text: str, quiet: bool = False) -> None:
    """A line for the person who watches."""
    if not quiet:
        click.echo(text, err=True)


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(f"Note: {record.getMessage()}")


@contextmanager
def notes_of(name: str, quiet: bool) -> Iterator[None]:
    """While it lasts, what is logged under that name is a note for the person who watches."""
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
    """Columns aligned: text to the left, numbers to the right."""
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


def mean_and_error(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean over models and its standard error; None where there is nothing to average."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    if not known or len(known) < len(values):
        return None, None
    mean = sum(known) / len(known)
    if len(known) == 1:
        return mean, None
    variance = sum((v - mean) ** 2 for v in known) / (len(known) - 1)
    return mean, math.sqrt(variance / len(known))


def json_text(value: Any) -> str:
    """One JSON document; numbers that are not finite become null."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json_text(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class Progress:
    """A bar on a terminal, a plain line now and then elsewhere, nothing when quiet.

    Parameters
    ----------
    label : str
        What is going on.
    total : int
        Steps until it is done.
    quiet : bool
        Say nothing.
    """

    _EVERY = 5.0

    def __init__(self, label: str, total: int, quiet: bool = False, start: int = 0) -> None:
        self.label, self.total, self.quiet = label, total, quiet
        self.note = ""
        self._bar: Any = None
        self._spoke = time.monotonic()
        if not quiet and sys.stderr.isatty():
            with suppress(ImportError):  # lines of text will do
                from tqdm import tqdm

                self._bar = tqdm(total=total, initial=start, desc=label, dynamic_ncols=True, leave=False)

    def at(self, done: int) -> None:
        """``done`` steps are done."""
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
        elif not self.quiet and time.monotonic() - self._spoke > self._EVERY:
            self._spoke = time.monotonic()
            say(f"{self.label}: {done} of {self.total}{self.note}")

    def tell(self, note: str) -> None:
        """Show live numbers beside the progress."""
        self.note = f"  {note}"
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)

    def pause(self, note: str) -> None:
        """Say what goes on while no step is made."""
        if self._bar is not None:
            self._bar.set_postfix_str(note)
        elif not self.quiet and time.monotonic() - self._spoke > self._EVERY:
            self._spoke = time.monotonic()
            say(f"{self.label}: {note}")

    def close(self) -> None:
        """Done."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
