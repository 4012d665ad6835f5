"""Run one part in a separate process group, within its limit, and record its findings while it runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .record import ROOT, Journal, Record
from .rows import VARIABLE, read_rows

#: Seconds between two polls of a running part.
PAUSE = 0.25
#: Number of kept lines of a part's output, first and last, and the largest length of one.
HEAD, TAIL, WIDTH = 30, 60, 400
#: Seconds before its limit at which a part is asked to end, so that it can save its findings.
GRACE = 2.0


@dataclass(frozen=True)
class Part:
    """Describe a part: what it measures, its command, and its time limit.

    Parameters
    ----------
    name, title : str
        The part, and what it finds out.
    command : callable
        Gives the command when the part begins: some are known only after what came before.
    seconds : float
        Its limit. What earlier parts left of theirs is added.
    needs_gpu : bool
        Whether it is skipped where no GPU can be used.
    shown : str or None
        The command as it is typed; None: made from the command.
    rows : Path or None
        A file of rows that the command writes itself; None: the one that the environment names.
    environment : mapping
        Variables that it is given besides.
    """

    name: str
    title: str
    command: Callable[[], Sequence[str]]
    seconds: float
    needs_gpu: bool = True
    shown: str | None = None
    rows: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def perform(part: Part, record: Record, journal: Journal, scratch: Path, limit: float) -> None:
    """Run a part to its end or its limit; the journal is saved whenever more is known.

    Parameters
    ----------
    record : Record
        Of the part; it is changed.
    scratch : Path
        The folder that the command starts in.
    limit : float
        Seconds after which the part and all that it started are killed.
    """
    record.limit = limit
    try:
        command = [str(word) for word in part.command()]
    except (OSError, LookupError) as error:
        _end(record, journal, "skipped", str(error))
        return
    record.command = part.shown or " ".join([_typed(command[0]), *command[1:]])
    if shutil.which(command[0]) is None:
        _end(record, journal, "skipped", f"{Path(command[0]).name} is not on this machine")
        return
    record.status = "running"
    journal.save()
    with tempfile.TemporaryDirectory() as place:
        output, rows = Path(place, "output"), part.rows or Path(place, "rows")
        start = time.monotonic()
        with output.open("wb") as file:
            process = subprocess.Popen(
                command, cwd=scratch, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env=_environment(part, rows), process_group=0,
            )  # fmt: skip
        try:
            late = _watch(process, record, journal, (output, rows), start)
        finally:
            _kill(process)
        _read(record, output, rows)
    if late:
        _end(record, journal, "out of time", f"it was stopped after {limit:.0f} s")
    elif process.returncode:
        _end(record, journal, "failed", _reason(process.returncode, record.output))
    else:
        _end(record, journal, "passed", "")


def _watch(
    process: subprocess.Popen[bytes], record: Record, journal: Journal, files: tuple[Path, Path], start: float
) -> bool:
    """Wait for the process, and return whether the limit ended it; findings are saved meanwhile."""
    asked = False
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(PAUSE)
        record.seconds = time.monotonic() - start
        if process.returncode is not None or record.seconds >= record.limit:
            return asked or process.returncode is None
        if not asked and record.seconds >= record.limit - min(GRACE, record.limit / 4):
            asked = True
            _signal(process, signal.SIGTERM)
        if _read(record, *files):
            journal.save()


def _read(record: Record, output: Path, rows: Path) -> bool:
    """Copy rows and output to the record; return whether there was anything new."""
    before = record.rows, record.output
    text = output.read_bytes().decode("utf-8", errors="replace")
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    lines = [line[:WIDTH] for line in lines if line]
    if len(lines) > HEAD + TAIL:
        lines = [*lines[:HEAD], f"... {len(lines) - HEAD - TAIL} lines ...", *lines[-TAIL:]]
    record.rows, record.output = read_rows(rows), lines
    return before != (record.rows, record.output)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the whole process group; one that cannot be ended is abandoned after ten seconds."""
    _signal(process, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the process group, if any of its processes exists."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _end(record: Record, journal: Journal, status: str, why: str) -> None:
    record.status, record.why = status, why
    journal.save()


def _reason(code: int, output: Sequence[str]) -> str:
    """Describe how a process ended that did not pass."""
    if code < 0:
        return f"it was ended by {signal.Signals(-code).name}"
    return f"exit code {code}: {output[-1] if output else 'it printed nothing'}"


def _typed(program: str) -> str:
    return "python" if program == sys.executable else Path(program).name


def _environment(part: Part, rows: Path) -> dict[str, str]:
    folders = [str(ROOT / "benchmarks"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders)), "PYTHONUNBUFFERED": "1",
        "TQDM_DISABLE": "1", VARIABLE: str(rows), **part.environment,
    }  # fmt: skip
