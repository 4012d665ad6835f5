"""Compile CUDA C for absent cards: NVRTC needs no driver, and ptxas reports the resources of a kernel."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

MISSING = (
    "NVRTC was not found, so the CUDA sources cannot be checked: pip install nvidia-cuda-nvrtc (it is in the "
    "extra [test]) or install a CUDA toolkit."
)


class Usage(NamedTuple):
    """The resources of a card that one kernel needs."""

    registers: int
    stack: int
    spilled: int
    shared: int


def _folders() -> Iterator[Path]:
    """List the folders where the wheel or a toolkit keeps its libraries."""
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        yield from sorted(Path(root).glob("*/lib"))
    compiler = shutil.which("nvcc")
    roots = [Path(compiler).resolve().parent.parent] if compiler else []
    for root in (*roots, *sorted(Path("/usr/local").glob("cuda*"), reverse=True)):
        yield root / "lib64"


@cache
def _library() -> ctypes.CDLL:
    for folder in _folders():
        found = sorted(folder.glob("libnvrtc.so*"))
        if found:
            for builtins in sorted(folder.glob("libnvrtc-builtins.so*"))[:1]:
                ctypes.CDLL(str(builtins), ctypes.RTLD_GLOBAL)  # NVRTC itself searches other folders for it
            return ctypes.CDLL(str(found[0]))
    raise RuntimeError(MISSING)


def _text(size: str, content: str, program: ctypes.c_void_p) -> str:
    length = ctypes.c_size_t()
    getattr(_library(), size)(program, ctypes.byref(length))
    text = ctypes.create_string_buffer(length.value)
    getattr(_library(), content)(program, text)
    return text.value.decode()


def build(source: str, *options: str) -> str:
    """Compile a source to machine code and return the log.

    Raises
    ------
    RuntimeError
        With the log, if the source is not valid, or with a hint, if there is no NVRTC.
    """
    nvrtc, program = _library(), ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"joined.cu", 0, None, None)
    flags = [option.encode() for option in options]
    failed = nvrtc.nvrtcCompileProgram(program, len(flags), (ctypes.c_char_p * len(flags))(*flags))
    log = _text("nvrtcGetProgramLogSize", "nvrtcGetProgramLog", program)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise RuntimeError(log)
    return log


_ENTRY = re.compile(r"Compiling entry function '(\w+)' for 'sm_\d+'")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")


def usage(log: str) -> dict[str, Usage]:
    """Read the resources of each kernel from the output of ptxas."""
    found = {}
    pieces = _ENTRY.split(log)[1:]
    for name, text in zip(pieces[::2], pieces[1::2], strict=True):
        stack, used = _STACK.search(text), _USED.search(text)
        assert stack is not None, text
        assert used is not None, text
        spilled = int(stack[2]) + int(stack[3])
        found[name] = Usage(int(used[1]), int(stack[1]), spilled, int(used[2] or 0))
    return found
