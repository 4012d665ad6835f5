"""Compile CUDA C to libraries of this machine by g++, in place of NVRTC.

The cache holds a library under a hash of its source, headers and options.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .commands import run

DRIVER = Path(__file__).with_name("driver")
HEADERS = (DRIVER / "program.hpp", DRIVER / "kernel.hpp", DRIVER.parent.parent / "cushim" / "cushim.hpp")
#: Contraction would round differently from the options given for a card.
FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-ffp-contract=off")
#: Prefix of the path of a library, which replaces machine code; ``modules.cpp`` searches for it.
MARK = b"cuda_on_cpu:"

_KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\(\s*([^,)]+)[^)]*\)\s*)?(\w+)\s*\(")
_INCLUDE = re.compile(r"^\s*#\s*include[^\n]*", re.MULTILINE)
_DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\([^)]*\)\s+)?([\w ]+?)\s+(\w+)\[\];")
#: Headers of CuPy that are not needed here: complex numbers and atomic operations.
_UNUSED = re.compile(r"#include <cupy/(?:complex|atomics)\.cuh>\n")
#: The call that synchronises the threads of a block.
_TOGETHER = ("__syncthreads", "__syncwarp", "__shfl")


class Kernel(NamedTuple):
    """A kernel of a source, and its launch bounds."""

    name: str
    most_threads: str


def kernels(source: str) -> list[Kernel]:
    """List the kernels of a source, including those that macros generate."""
    found = _KERNEL.findall(_gcc(["-E", "-P"], _INCLUDE.sub("", source)))
    return [Kernel(name, bounds or "1024") for bounds, name in found]


def build(source: str, folder: Path, options: Sequence[str] = ()) -> Path:
    """Return the library of a source, compiled unless the folder contains it.

    Raises
    ------
    Unavailable
        With the messages of the compiler.
    """
    program = _program(source)
    flags = [*FLAGS, *(option for option in options if option.startswith("-D"))]
    digest = hashlib.sha256("\0".join([program, _headers(), *flags]).encode()).hexdigest()
    library = folder / f"{digest[:24]}.so"
    if not library.exists():
        fresh = folder / f"{digest[:24]}.{os.getpid()}.tmp"
        _gcc([*flags, f"-I{_headers_of_cupy()}", "-o", str(fresh)], program)
        fresh.replace(library)
    return library


def _program(source: str) -> str:
    """Convert a source to C++: definitions are added before it, a record of each kernel after it."""
    body = _UNUSED.sub("", source)
    found = kernels(body)
    together = any(word in body for word in _TOGETHER)
    # The project's sources use the macros SHARED and DYNAMIC; those of CuPy use CUDA's keywords.
    body = _DYNAMIC.sub(r"DYNAMIC(\1, \2, 0);", body).replace("__shared__", "static")
    return "\n".join(
        [
            f"#define WITH_BARRIERS {int(together)}",
            f'#include "{HEADERS[0]}"',
            body,
            *(f"ON_CPU_KERNEL({kernel.name}, {kernel.most_threads})" for kernel in found),
            "",
        ]
    )


@cache
def _headers() -> str:
    return "\n".join(header.read_text(encoding="utf-8") for header in HEADERS)


@cache
def _headers_of_cupy() -> Path:
    import cupy

    return Path(cupy.__file__).parent / "_core" / "include"


def _gcc(arguments: Sequence[str], source: str) -> str:
    return run(["g++", *arguments, "-x", "c++", "-"], text=source)
