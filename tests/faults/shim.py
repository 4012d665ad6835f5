"""Compile the library ``shim.c``, and control it from Python: which call of the system fails, and how."""

from __future__ import annotations

import ctypes
import errno
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

#: Kinds of calls, in the order of ``enum kind``, each with the errors that the system may return for it.
KINDS: dict[str, tuple[int, ...]] = {
    "open": (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EINTR),
    "read": (errno.EIO, errno.EINTR),
    "write": (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EINTR),
    "sync": (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EINTR),
    "rename": (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT),
    "stat": (errno.EIO,),
    "list": (errno.EIO,),
    "map": (errno.ENOMEM,),
    "allocate": (errno.ENOMEM,),
    "unlink": (errno.EIO, errno.EROFS),
    "make": (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT),
    "link": (errno.EIO, errno.ENOSPC, errno.EPERM),
    "lock": (errno.EIO, errno.EINTR),
    "chmod": (errno.EIO, errno.EROFS),
    "cut": (errno.EIO, errno.ENOSPC),
}
#: Bytes from which an allocation counts.
LARGE = 100_000
#: What is done at a call, in the order of ``enum mode``.
COUNT, FAIL, FAIL_ON, SHORT, KILL, STOP = range(6)
#: Kinds whose calls may do a part of what they are asked.
SHORTENED = ("read", "write")
SOURCE = Path(__file__).with_name("shim.c")


@dataclass(frozen=True)
class Plan:
    """One fault: at call ``k`` of these kinds, an error, a part, the end of the process, or a halt."""

    kinds: tuple[str, ...]
    k: int
    mode: int = FAIL
    code: int = 0

    def __str__(self) -> str:
        what = ["count", "fails once", "fails from there on", "does a part", "kills", "stops"][self.mode]
        return f"{'/'.join(self.kinds)} call {self.k} {what} {errno.errorcode.get(self.code, '')}".strip()


class State(ctypes.Structure):
    """``struct state`` of the library, in memory that a process shares with its children."""

    _fields_ = (
        ("armed", ctypes.c_int), ("kinds", ctypes.c_uint), ("k", ctypes.c_long), ("mode", ctypes.c_int),
        ("code", ctypes.c_int), ("large", ctypes.c_long), ("count", ctypes.c_long),
        ("fired", ctypes.c_long), ("counts", ctypes.c_long * len(KINDS)), ("stopped", ctypes.c_int),
        ("go", ctypes.c_int), ("programs", ctypes.c_long), ("outside", ctypes.c_long),
        ("log", ctypes.c_int), ("root", ctypes.c_char * 1024), ("last", ctypes.c_char * 1024),
        ("foreign", ctypes.c_char * 1024), ("forbidden", ctypes.c_char * 1024),
    )  # fmt: skip


def compiler() -> str | None:
    """Return the C compiler of this machine, or None."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(folder: Path) -> Path:
    """Compile the library into a folder and return its path."""
    library, program = folder / "shim.so", compiler()
    assert program is not None
    subprocess.run(
        [program, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"],
        check=True,
    )
    return library


def new_state(root: Path, plan: Plan | None = None, forbidden: Path | None = None) -> State:
    """Make a new state, which the children that are forked from now on share, for calls below ``root``."""
    library = ctypes.CDLL(None)
    library.faults_new.restype = ctypes.POINTER(State)
    state: State = library.faults_new().contents
    state.root = str(root.resolve()).encode()
    state.forbidden = b"" if forbidden is None else str(forbidden.resolve()).encode()
    state.large = LARGE
    if plan is not None:
        state.kinds = sum(1 << list(KINDS).index(kind) for kind in plan.kinds)
        state.k, state.mode, state.code = plan.k, plan.mode, plan.code
    return state


def taken(state: State) -> State:
    """Return a copy of a state whose process has ended, and free its memory."""
    copy = State.from_buffer_copy(state)
    ctypes.CDLL(None).faults_free(ctypes.byref(state))
    return copy


def mark(text: str) -> None:
    """Write a text into the record of changes."""
    ctypes.CDLL(None).faults_mark(text.encode())
