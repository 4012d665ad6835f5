"""Find out in another process whether HDF5 comes to an end with a file.

In damaged files HDF5 can loop for ever: sixteen zero bytes in the global heap are enough, and only the end of
the process stops it. What HDF5 is asked for is therefore first asked in another process. Each step there,
such as the look at one dataset, may compute for a stated time, and the whole may take a stated time. Nothing
is imported there from the current folder, Ctrl-C ends it also within HDF5, and it ends by itself if this
process is killed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

from ..errors import DataError, Interrupted
from . import hdf5_reach

#: Seconds that another process may take.
LONGEST = 60.0
#: Seconds that one step of it may compute. The look at a dataset of 300,000 chunks computes for less
#: than one. To wait for a disk or for other processes is not to compute.
COMPUTING = 30.0
#: How a program begins. By default an interrupt, an alarm and a timer end a process also within HDF5. The
#: alarm comes only if the process that waits for this one was killed, and the timer when a step has computed
#: for too long; Windows has neither. NumPy, which h5py imports, starts threads unless it is told not to.
_BEGIN = (
    "import os, signal, sys; os.environ['OPENBLAS_NUM_THREADS'] = '1'; "
    "signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "getattr(signal, 'alarm', int)({alarm:.0f}); "
    "next_step = lambda: hasattr(signal, 'setitimer') and signal.setitimer(signal.ITIMER_PROF, {computing}); "
    "next_step(); "
)
#: Program that asks HDF5 for what the readers of data ask for, with the file of :mod:`hdf5_reach`.
_LOOK = "exec(open({!r}, encoding='utf-8').read()); look(sys.argv[1], next_step)"


class EndlessError(Exception):
    """HDF5 computes for too long in one step, or ends its process by a signal."""


class SlowError(Exception):
    """The time of the other process was over before its work, which says nothing of the file."""

    def __str__(self) -> str:
        return (
            f"was not looked through within {LONGEST:.0f} s, because its disk or file server is slow, or the "
            "machine is busy: copy it to a local disk, or try again later"
        )


def elsewhere(program: str, *arguments: str, content: bytes = b"") -> bytes:
    """Run the text of a Python program in another process, and return what it prints.

    The program calls ``next_step()`` when a step of it has an end.

    Raises
    ------
    EndlessError
        If one step computes for longer than :data:`COMPUTING` seconds, or the process is ended by a signal.
    SlowError
        If it takes longer than :data:`LONGEST` seconds otherwise; on Windows, which does not end a process
        after some computing, also for one step without an end.
    Interrupted
        If it is ended by Ctrl-C, which this process leaves to somebody else.
    ValueError
        If it fails otherwise.
    """
    begin = _BEGIN.format(alarm=2 * LONGEST, computing=COMPUTING)
    command = [sys.executable, "-P", "-c", begin + program, *arguments]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        try:
            found, _ = process.communicate(content, LONGEST)
        except subprocess.TimeoutExpired as error:
            raise SlowError from error
        finally:  # also at an interrupt
            process.kill()
            process.wait()
    if process.returncode == -signal.SIGINT:
        raise Interrupted("Stopped.")
    if process.returncode < 0:
        raise EndlessError
    if process.returncode:
        raise ValueError("the program fails")
    return found


def require_end(path: Path) -> None:
    """Check that HDF5 comes to an end with what :func:`vsmnp.data.hdf5_reach.look` asks for.

    A file that it refuses has an end as well: who opens it says why.

    Raises
    ------
    DataError
        If it does not, or the look takes too long because of a slow disk.
    Interrupted
        As :func:`elsewhere` does.
    """
    try:
        elsewhere(_LOOK.format(hdf5_reach.__file__), str(path))
    except EndlessError as error:
        raise DataError(
            f"HDF5 comes to no end with {path} in {COMPUTING:.0f} s of computing, or fails in it, because "
            "the file is damaged: write it again with h5py."
        ) from error
    except SlowError as error:
        raise DataError(f"{path} {error}.") from error
    except (ValueError, OSError):
        return
