"""Find out in another process whether HDF5 comes to an end with a file.

In damaged files HDF5 can loop for ever: sixteen zero bytes in the global heap are enough, and only the end of
the process stops it. What HDF5 is asked for is therefore first asked in another process, which may take a
stated time. Nothing is imported there from the current folder, Ctrl-C ends it also within HDF5, and it ends
by itself if this process is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

from ..errors import DataError, Interrupted
from . import hdf5_reach

#: Seconds that another process may take.
LONGEST = 60.0
#: Share of that time which a process computes that is in a loop: one that waits for files computes less.
_COMPUTED = 1 / 20
#: How a program begins: by default these two signals end a process also within HDF5. The alarm, which Windows
#: lacks, comes only if the process that waits for it was killed. NumPy, which h5py imports, starts threads
#: unless it is told not to.
_BEGIN = (
    "import os, signal, sys; os.environ['OPENBLAS_NUM_THREADS'] = '1'; "
    "signal.signal(signal.SIGINT, signal.SIG_DFL); "
    f"getattr(signal, 'alarm', int)({2 * LONGEST:.0f}); "
)
#: Program that asks HDF5 for what the readers of data ask for, with the file of :mod:`hdf5_reach`.
_LOOK = "exec(open({!r}, encoding='utf-8').read()); look(sys.argv[1])"


class EndlessError(Exception):
    """HDF5 computes for too long, or ends its process by a signal."""


class SlowError(Exception):
    """The other process waited until its time was over, which says nothing of the file."""

    def __str__(self) -> str:
        return (
            f"was not looked through within {LONGEST:.0f} s, because its disk or file server is slow, or the "
            "machine is busy: copy it to a local disk, or try again later"
        )


def elsewhere(program: str, *arguments: str, content: bytes = b"") -> bytes:
    """Run the text of a Python program in another process, and return what it prints.

    Raises
    ------
    EndlessError
        If it computes for longer than :data:`LONGEST` seconds, or is ended by a signal.
    SlowError
        If it takes as long and computed for a small part of the time.
    Interrupted
        If it is ended by Ctrl-C, which this process leaves to somebody else.
    ValueError
        If it fails otherwise.
    """
    command = [sys.executable, "-P", "-c", _BEGIN + program, *arguments]
    begin, is_late = _computed_by_others(), False
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        try:
            found, _ = process.communicate(content, LONGEST)
        except subprocess.TimeoutExpired:
            is_late = True
        finally:  # also at an interrupt
            process.kill()
            process.wait()
    if is_late:
        raise EndlessError if _computed_by_others() - begin > _COMPUTED * LONGEST else SlowError
    if process.returncode == -signal.SIGINT:
        raise Interrupted("Stopped.")
    if process.returncode < 0:
        raise EndlessError
    if process.returncode:
        raise ValueError("the program fails")
    return found


def _computed_by_others() -> float:
    """Return the seconds of the processor that processes took which this one began and which have ended."""
    times = os.times()
    return times.children_user + times.children_system


def require_end(path: Path) -> None:
    """Check that HDF5 comes to an end with what :func:`vsmnp.data.hdf5_reach.look` asks for.

    A file that it refuses has an end as well: who opens it says why.

    Raises
    ------
    DataError
        If it does not, or had no end because of a slow disk.
    Interrupted
        As :func:`elsewhere` does.
    """
    try:
        elsewhere(_LOOK.format(hdf5_reach.__file__), str(path))
    except EndlessError as error:
        raise DataError(
            f"HDF5 comes to no end with {path} within {LONGEST:.0f} s, or fails in it, because the file is "
            "damaged: write it again with h5py."
        ) from error
    except SlowError as error:
        raise DataError(f"{path} {error}.") from error
    except (ValueError, OSError):
        return
