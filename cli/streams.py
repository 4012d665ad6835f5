"""The output streams of the process: characters that they lack are escaped, and a full one is an error."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from traceback import walk_tb

import click

#: Codes of errors of a write: a full disk, a file too large, and a pipe that nobody reads.
_OF_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE)


@contextmanager
def streams_of_any_text() -> Iterator[None]:
    """Escape characters that a stream cannot encode; exit with one sentence if stdout cannot be written.

    Click itself ends a command without a message if the reader of its output has closed the pipe.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno == errno.EPIPE:
            raise
        _discard_stdout()
        with suppress(OSError):
            print(
                f"Error: The output could not be written ({error.strerror or error}): free some space or "
                "send it elsewhere; runs and files that were written before are kept.",
                file=sys.stderr,
            )
        sys.exit(1)


def is_of_output(error: OSError) -> bool:
    """Return whether an error of the system was raised while text was printed; files name themselves."""
    if error.filename is None and error.errno in _OF_WRITES:
        return True
    return any(frame.f_code is click.echo.__code__ for frame, _ in walk_tb(error.__traceback__))


@contextmanager
def silent_unless(speaks: bool) -> Iterator[None]:
    """Discard what is printed in the block, unless this process speaks for all ranks of a training."""
    if speaks:
        yield
        return
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        yield


def _discard_stdout() -> None:
    """Replace stdout by nothing, so that its remaining text causes no second error at exit."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
