"""Run the command line in children of one warm process, each with a plan of faults and a time limit."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from faults.shim import KINDS, Plan, State, new_state, taken

#: Seconds after which a command counts as hung.
LIMIT = 60.0
#: Calls for a lock after which a process counts as waiting for it, which a command alone makes some of.
_LOCK, _TRIES = list(KINDS).index("lock"), 60
#: PR_SET_PDEATHSIG of Linux: a child that has stopped at a call is not left behind.
_END_WITH_PARENT = 1
#: Fiftieths of a second without a call after which a process counts as waiting.
_STILL = 150


@dataclass
class Ended:
    """The end of a child: its code, its output, and the state of the library."""

    code: int
    output: str
    hung: bool
    state: State

    @property
    def fault(self) -> str:
        """The fault of the end itself: a hang, a signal, a traceback or more than a sentence; else empty."""
        if self.hung:
            return "hang"
        if "Traceback" in self.output or "Exception ignored" in self.output:
            return "traceback"
        if self.code < 0:
            return f"signal {-self.code}"
        errors = [line for line in self.output.splitlines() if line.startswith("Error:")]
        if self.code and (len(errors) != 1 or not errors[0].rstrip().endswith(".")):
            return f"exit {self.code} with {len(errors)} sentences"
        return ""


@dataclass
class Child:
    """A running child, the file of its output and the end of a pipe that it closes when it ends."""

    pid: int
    output: Path
    pipe: int
    state: State

    def stopped(self, limit: float = LIMIT) -> bool:
        """Wait until the child stops at its call; return false if it ends before."""
        for _ in range(int(limit / 0.002)):
            if self.state.stopped:
                return True
            if select.select([self.pipe], [], [], 0.002)[0]:
                return False
        raise AssertionError("the child neither stops nor ends")

    def ended(self, limit: float = LIMIT) -> bool:
        """Wait for the end of the child for some seconds, and return whether it has ended.

        Time in which the whole machine stood still, this process included, does not count.
        """
        spent = 0.0
        while True:
            begun = time.monotonic()
            if select.select([self.pipe], [], [], min(0.5, max(limit - spent, 0.0)))[0]:
                return True
            spent += min(time.monotonic() - begun, 1.0)
            if spent >= limit:
                return False

    def ends_or_waits(self) -> None:
        """Wait until the child ends or waits for another process: it asks for a lock again and again."""
        before, still = 0, 0
        while not self.ended(0.02) and self.state.counts[_LOCK] < _TRIES and still < _STILL:
            now = sum(self.state.counts)
            before, still = now, still + 1 if now == before else 0

    def go(self) -> None:
        """Let a child that has stopped go on."""
        self.state.go = 1

    def wait(self, limit: float = LIMIT) -> Ended:
        """Wait for the end of the child; one that takes too long is killed with its own children."""
        hung = not self.ended(limit)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pipe)
        code = os.waitstatus_to_exitcode(status)
        said = self.output.read_text(errors="replace") if self.output.exists() else ""
        self.output.unlink(missing_ok=True)
        return Ended(code, said, hung, taken(self.state))


def start(
    call: Callable[[], object], root: Path, plan: Plan | None = None, log: Path | None = None,
    forbidden: Path | None = None, armed: bool = True,
) -> Child:  # fmt: skip
    """Start a child that makes a call, while calls of the system on files below ``root`` are counted.

    The child ends as a script does: by the code of SystemExit, or with a traceback and 1.
    """
    state = new_state(root, plan, forbidden)
    output = root.parent / f"{root.name}.{time.monotonic_ns()}.out"
    pipe, held = os.pipe()
    pid = os.fork()
    if pid:
        os.close(held)
        return Child(pid, output, pipe, state)
    os.close(pipe)
    _child(call, state, output, log, armed)


def _child(call: Callable[[], object], state: State, output: Path, log: Path | None, armed: bool) -> NoReturn:
    code = 0
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
        out = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.close(out)
        if log is not None:
            state.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        state.armed = armed
        try:
            call()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            state.armed = 0
            traceback.print_exc()
            code = 1
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
        state.armed = 0
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code & 0xFF)


def _compile() -> None:
    """Compile a loop of the ``cpu`` set, or load it from the cache, and write what it computes."""
    import numpy as np

    from vsmnp.errors import VsmnpError
    from vsmnp.kernels import load
    from vsmnp.storage import write_text

    try:
        y = load("cpu").activation("softplus", np.linspace(-2, 2, 9))
        write_text(Path("loop.txt"), repr(y.tolist()))
    except VsmnpError as error:
        print(f"Error: {error}")
        sys.exit(1)


def command_line(words: Sequence[object], folder: Path) -> Callable[[], None]:
    """Return a call of the command line in a folder, which has the cache too, for :func:`start`.

    The word ``kernels`` alone compiles a loop, which no command does without many others.
    """

    def call() -> None:
        from vsmnp.cli import main

        os.chdir(folder)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        sys.argv = ["vsmnp", *map(str, words)]
        if words == ["kernels"]:
            _compile()
        else:
            main(prog_name="vsmnp")

    return call


def run(
    words: Sequence[object], root: Path, plan: Plan | None = None, limit: float = LIMIT,
    log: Path | None = None,
) -> Ended:  # fmt: skip
    """Run the command line in a child in the folder ``root``, and wait for its end."""
    return start(command_line(words, root), root, plan, log).wait(limit)
