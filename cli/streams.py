"""The output streams of the process: characters that they lack are escaped, and a full one is an error."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress


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


def stdout_works() -> bool:
    """Return whether stdout takes what was printed: after a failure its remaining text fails again."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        return False
    return True


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
