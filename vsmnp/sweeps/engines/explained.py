"""Turn any error of the work into one sentence, and list the libraries that a worker lacks."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from platform import node
from traceback import extract_tb

from ...errors import VsmnpError
from ...storage import failed_call
from ...types.progress import Stop
from .engine import Item, Report, Result, Work, WorkFailedError

#: The name of a library at the begin of a requirement, such as ``numpy>=2.0``.
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def missing_libraries() -> list[str]:
    """List the libraries of the plain installation that are not installed on this machine.

    A copy of vsmnp that was not installed declares none.
    """
    try:
        declared = requires("vsmnp") or []
    except PackageNotFoundError:
        return []
    names = [_NAME.match(each) for each in declared if "extra ==" not in each]
    return [name.group() for name in names if name and not _is_installed(name.group())]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def explained(work: Work[Item, Result], item: Item, report: Report, stop: Stop) -> Result:
    """Return ``work(item, report, stop)``; an error that has no sentence gets one in this process.

    A lack of memory is left to the command, which names its options.

    Raises
    ------
    WorkFailedError
        If the work raises an error that is none of vsmnp's.
    """
    try:
        return work(item, report, stop)
    except (VsmnpError, MemoryError, OverflowError):
        raise
    except Exception as error:
        raise failure_of(error, f"The worker on {node()}") from error


def failure_of(error: BaseException, worker: str) -> WorkFailedError:
    """Return the sentence of an error that is none of vsmnp's, such as a module that a worker lacks."""
    if isinstance(error, ImportError):
        return cannot_import(worker, str(error))
    if isinstance(error, OSError):
        return WorkFailedError(
            f"{worker} stopped because {failed_call(error)}: see to the disk and its permissions there; the "
            "same command tries it again."
        )
    return WorkFailedError(
        f"{worker} stopped because of {_described(error)}: report this as a fault of vsmnp; the same command "
        "tries it again."
    )


def cannot_import(worker: str, reason: str) -> WorkFailedError:
    """Return the sentence of a worker that cannot import vsmnp, or a module that vsmnp needs."""
    return WorkFailedError(
        f"{worker} cannot import what it needs ({reason}): install vsmnp there, in the version of this "
        "process and with its libraries."
    )


def _described(error: BaseException) -> str:
    """Return the class and the text of an error, with the line of the code that raised it."""
    text = " ".join(str(error).split()).rstrip(".")
    frames = extract_tb(error.__traceback__)
    line = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{f' ({text})' if text else ''}{line}"
