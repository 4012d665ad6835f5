"""Compile CUDA C for an absent GPU: NVRTC needs no driver, and ptxas reports the resources of a kernel."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ...errors import ConfigError

MISSING = (
    "NVRTC was not found, so CUDA sources cannot be compiled without a GPU: pip install nvidia-cuda-nvrtc "
    "(it is in the extra [test]) or install a CUDA toolkit."
)


class Usage(NamedTuple):
    """The resources of a multiprocessor that one kernel needs: registers of a thread, bytes of the rest."""

    registers: int
    stack: int
    spilled: int
    shared: int


class Compiled(NamedTuple):
    """The machine code of a source, and the compiler's log."""

    code: bytes
    log: str


def installed_folders(kind: str) -> Iterator[Path]:
    """List the folders ``kind`` (``lib`` or ``bin``) of NVIDIA's wheels and of CUDA toolkits.

    Parameters
    ----------
    kind : str
        The last part of the path of a folder.
    """
    spec = importlib.util.find_spec("nvidia")
    for wheels in (spec.submodule_search_locations or ()) if spec else ():
        yield from sorted(Path(wheels).glob(f"*/{kind}"))
    compiler = shutil.which("nvcc")
    roots = [Path(compiler).resolve().parent.parent] if compiler else []
    for root in (*roots, *sorted(Path("/usr/local").glob("cuda*"), reverse=True)):
        yield root / ("lib64" if kind == "lib" else kind)


@cache
def _library() -> ctypes.CDLL:
    for folder in installed_folders("lib"):
        found = sorted(folder.glob("libnvrtc.so*"))
        if found:
            for builtins in sorted(folder.glob("libnvrtc-builtins.so*"))[:1]:
                ctypes.CDLL(str(builtins), ctypes.RTLD_GLOBAL)  # NVRTC itself searches other folders for it
            return ctypes.CDLL(str(found[0]))
    raise ConfigError(MISSING)


def _bytes(size: str, content: str, program: ctypes.c_void_p) -> bytes:
    length = ctypes.c_size_t()
    getattr(_library(), size)(program, ctypes.byref(length))
    text = ctypes.create_string_buffer(length.value)
    getattr(_library(), content)(program, text)
    return text.raw


def compiled(source: str, *options: str) -> Compiled:
    """Compile a source to machine code.

    Raises
    ------
    ConfigError
        With a remedy, if there is no NVRTC.
    RuntimeError
        With the log, if the source is not valid.
    """
    nvrtc, program = _library(), ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"joined.cu", 0, None, None)
    flags = [option.encode() for option in options]
    failed = nvrtc.nvrtcCompileProgram(program, len(flags), (ctypes.c_char_p * len(flags))(*flags))
    log = _bytes("nvrtcGetProgramLogSize", "nvrtcGetProgramLog", program).rstrip(b"\0").decode()
    code = b"" if failed else _bytes("nvrtcGetCUBINSize", "nvrtcGetCUBIN", program)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise RuntimeError(log)
    return Compiled(code, log)


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
