"""Run the CUDA sources as C++ programs of this machine, by the protocol that CuPy keeps on a card.

Every launch is checked: the arguments have the types that the kernel declares; and a kernel gets copies of
arrays with a margin of NaN on both sides, which it must not change.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.lib.stride_tricks import as_strided

from vsmnp.kernels.cuda.matrices import Matrices, MatrixProduct
from vsmnp.types import Array, Shape

HEADER = Path(__file__).with_name("cushim.hpp")
MISSING = (
    "No C++ compiler was found, so the CUDA sources cannot be run on this machine: install g++ (Debian and "
    "Ubuntu: apt-get install g++)."
)
#: Contraction would round differently from the options given for a card.
FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-Wall", "-Werror",
         "-Wno-unknown-pragmas", "-Wno-unused-function", "-Wno-sign-compare",
         "-Wno-maybe-uninitialized")  # fmt: skip
#: Bytes around an array that no kernel may write.
MARGIN = 256

_KERNEL = re.compile(r"__global__ void\s+__launch_bounds__\([^)]*\)\s+(\w+)\s*\(")


def _compiled(arguments: Sequence[str | Path], source: str) -> str:
    compiler = shutil.which("g++")
    if compiler is None:
        raise RuntimeError(MISSING)
    done = subprocess.run(
        [compiler, *arguments, "-x", "c++", "-"], input=source, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[:4000])
    return done.stdout


def kernel_names(source: str) -> list[str]:
    """List the kernels of a joined source, including those that macros generate."""
    return _KERNEL.findall(_compiled(["-E", "-P"], source))


def build(source: str, folder: Path, flags: Sequence[str] = FLAGS) -> Path:
    """Build a library of the kernels of a joined source, kept in ``folder``.

    Raises
    ------
    RuntimeError
        If there is no compiler, or with its messages, if the source is not valid.
    """
    text = "\n".join(
        [f'#include "{HEADER}"', source, *map("CUSHIM_KERNEL({})".format, kernel_names(source)), ""]
    )
    digest = hashlib.sha256(
        "\n".join([text, HEADER.read_text(encoding="utf-8"), *flags]).encode()
    ).hexdigest()
    library = folder / f"{digest[:20]}.so"
    if not library.exists():
        fresh = folder / f"{digest[:20]}.{id(text)}.tmp"
        _compiled([*flags, "-o", fresh], text)
        fresh.replace(library)
    return library


class _Copy:
    """The bytes of an array between two margins, as the memory of a kernel."""

    def __init__(self, array: Array) -> None:
        low, high = byte_bounds(array) if array.size else (array.ctypes.data, array.ctypes.data)
        self.home = np.ctypeslib.as_array((ctypes.c_uint8 * (high - low)).from_address(low))
        self.bytes = np.full(high - low + 2 * MARGIN, 0xFF, np.uint8)
        self.inside = self.bytes[MARGIN : MARGIN + high - low]
        self.inside[:] = self.home
        self.pointer = self.inside.ctypes.data + array.ctypes.data - low

    def close(self, written: bool) -> bool:
        """Copy changed bytes back; return whether the margins, and an input, are unchanged."""
        changed = self.inside != self.home
        if written:
            self.home[changed] = self.inside[changed]
        whole = bool((self.bytes[:MARGIN] == 0xFF).all() and (self.bytes[-MARGIN:] == 0xFF).all())
        return whole and (written or not changed.any())


def _letters(argument: Any) -> str:
    """Return the type of an argument as ``cushim.hpp`` writes it."""
    if isinstance(argument, int):
        return "i8"
    kind = "b" if argument.dtype.kind == "b" else argument.dtype.kind
    return f"{kind}{argument.dtype.itemsize}"


class _Kernel(NamedTuple):
    call: Any
    parameters: tuple[str, ...]


class ShimModule:
    """The kernels of one library."""

    def __init__(self, library: Path, launcher: ShimLauncher) -> None:
        self._library, self._launcher = ctypes.CDLL(str(library)), launcher

    def _kernel(self, name: str) -> _Kernel:
        signature, call = (
            getattr(self._library, f"cushim_{what}_{name}") for what in ("signature", "launch")
        )
        signature.restype = call.restype = ctypes.c_char_p
        return _Kernel(call, tuple(signature().decode().split(";")[:-1]))

    def launch(
        self, kernel: str, grid: Shape, block: Shape, arguments: Sequence[Any], shared_memory: int = 0,
        carve_out: int | None = None,
    ) -> None:  # fmt: skip
        """Run a kernel to its end.

        Raises
        ------
        RuntimeError
            If the arguments are not the kernel's, it is given more shared memory than a block may have, or a
            share outside of 0 to 100, it writes outside of its arrays, diverges at a barrier or never ends.
        """
        most = self._launcher.shared_bytes
        if shared_memory > most or not 0 <= (carve_out or 0) <= 100:
            raise RuntimeError(f"{kernel}: {shared_memory} bytes of {most} and {carve_out} percent of them.")
        self._launcher.carve_outs[kernel] = shared_memory, carve_out
        call, parameters = self._kernel(kernel)
        given = tuple(_letters(a) for a in arguments)
        wanted = tuple(p.removeprefix("in ").removeprefix("out ") for p in parameters)
        arrays = tuple(isinstance(a, np.ndarray) for a in arguments)
        if given != wanted or arrays != tuple(" " in p for p in parameters):
            raise RuntimeError(f"{kernel} takes {', '.join(parameters)}; it was given {', '.join(given)}.")
        self._launcher.launched.add(kernel)
        copies, keep, slots = [], [], (ctypes.c_void_p * len(arguments))()
        for i, (argument, is_array) in enumerate(zip(arguments, arrays, strict=True)):
            if is_array and self._launcher.guarded:
                copies.append((i, _Copy(argument)))
                box = np.array([copies[-1][1].pointer], np.uintp)
            elif is_array:
                box = np.array([argument.ctypes.data], np.uintp)
            else:
                box = np.array([argument], np.int64 if isinstance(argument, int) else argument.dtype)
            keep.append(box)
            slots[i] = box.ctypes.data
        sizes = ((ctypes.c_uint * 3)(*(*shape, 1, 1, 1)[:3]) for shape in (grid, block))
        message = call(*sizes, slots, ctypes.c_uint(self._launcher.seed)).decode()
        whole = [copy.close(parameters[i].startswith("out ")) for i, copy in copies]
        if message or not all(whole):
            raise RuntimeError(f"{kernel}: {message or 'something was written outside an array'}.")


@dataclass
class ShimLauncher:
    """A launcher for this machine in place of a card.

    Parameters
    ----------
    folder : Path
        Folder of compiled libraries.
    seed : int
        Seed of the order in which threads and blocks run; 0 is the natural one.
    flags : sequence of str
        Further options of the compiler.
    guarded : bool
        Whether kernels work on copies with margins; a sanitizer needs the arrays themselves.
    shared_bytes : int
        Bytes of shared memory that a block may be given.
    processors : int
        Number of multiprocessors that it reports.
    free_bytes : int
        Bytes of free memory that it reports.
    launched, carve_outs : set and dict
        Names of launched kernels, and the shared memory and its share of each one's last launch.
    """

    folder: Path
    seed: int = 0
    flags: Sequence[str] = FLAGS
    guarded: bool = True
    shared_bytes: int = 227 * 1024
    processors: int = 132
    free_bytes: int = 2**30
    launched: set[str] = field(default_factory=set)
    carve_outs: dict[str, tuple[int, int | None]] = field(default_factory=dict)

    def compile(self, source: str) -> ShimModule:
        """Compile a source at once."""
        return ShimModule(build(source, self.folder, self.flags), self)

    def shared_memory(self) -> int:
        """Return the shared memory of the largest card, unless a test sets less."""
        return self.shared_bytes

    def multiprocessors(self) -> int:
        """Return the multiprocessors of a large card, unless a test sets others."""
        return self.processors

    def free_memory(self) -> int:
        """Return a gigabyte of free memory, unless a test sets less."""
        return self.free_bytes

    def multiply(self, product: MatrixProduct) -> None:
        """Multiply as BLAS does with the same arguments, within the memory of the arrays."""
        transposed, (rows, columns, inner), a, b, accumulate, c, batch = product
        left = _matrices(a, batch, *((inner, rows) if transposed[0] else (rows, inner)))
        right = _matrices(b, batch, *((columns, inner) if transposed[1] else (inner, columns)))
        out = _matrices(c, batch, rows, columns)
        total = np.matmul(left.swapaxes(1, 2) if transposed[0] else left,
                          right.swapaxes(1, 2) if transposed[1] else right)  # fmt: skip
        out[...] = out + total if accumulate else total

    def recorder(self) -> Any:
        """Return None: NumPy's own functions would not be recorded."""
        return None


def _matrices(m: Matrices, batch: int, rows: int, columns: int) -> Array:
    """Return the batch as an array ``(batch, rows, columns)``, stored by columns, after BLAS's own checks."""
    size = m.array.itemsize
    assert m.leading >= max(1, rows), "BLAS wants a leading dimension of at least the rows"
    view = as_strided(m.array, (batch, rows, columns), (m.stride * size, size, m.leading * size))
    (low, high), (first, last) = byte_bounds(m.array), byte_bounds(view)
    assert low <= first, "BLAS would read before the array"
    assert last <= high, "BLAS would read behind the array"
    return view
