"""CUDA C to libraries of this machine: what stands in NVRTC's place, by g++.

A library is kept in the cache under a hash of all that it is made of.
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
#: Contraction would round otherwise than a card is told to.
FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-ffp-contract=off")
#: Before the path of a library, in the place of machine code; ``modules.cpp`` looks for it.
MARK = b"cuda_on_cpu:"

_KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\(\s*([^,)]+)[^)]*\)\s*)?(\w+)\s*\(")
_INCLUDE = re.compile(r"^\s*#\s*include[^\n]*", re.MULTILINE)
_DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\([^)]*\)\s+)?([\w ]+?)\s+(\w+)\[\];")
#: Of CuPy, and of no use here: complex numbers and atomic operations.
_UNUSED = re.compile(r"#include <cupy/(?:complex|atomics)\.cuh>\n")
#: What makes the threads of a block wait for each other.
_TOGETHER = ("__syncthreads", "__syncwarp", "__shfl")


class Kernel(NamedTuple):
    """A kernel of a source, and its launch bounds."""

    name: str
    most_threads: str


def kernels(source: str) -> list[Kernel]:
    """The kernels of a source, those that macros make included."""
    found = _KERNEL.findall(_gcc(["-E", "-P"], _INCLUDE.sub("", source)))
    return [Kernel(name, bounds or "1024") for bounds, name in found]


def build(source: str, folder: Path, options: Sequence[str] = ()) -> Path:
    """The library of a source, compiled unless the folder has it.

    Raises
    ------
    Unavailable
        With the compiler's words.
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
    """A source as C++: the words that it needs before it, a record of each kernel behind it."""
    body = _UNUSED.sub("", source)
    found = kernels(body)
    together = any(word in body for word in _TOGETHER)
    # The project's sources say SHARED and DYNAMIC; those of CuPy speak CUDA.
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
