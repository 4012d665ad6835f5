"""Load this folder's libraries in place of CUDA's, in a process that has not imported CuPy yet.

No file of CuPy is changed: its module of the CUDA runtime is imported from the folder of built libraries, the
libraries that it looks up are loaded under their names beforehand, and its call of NVRTC becomes one of g++.
"""

from __future__ import annotations

import ctypes
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from . import compiler
from .arguments import checked
from .commands import Unavailable

RUNTIME = "cupy_backends.cuda.api.runtime"
LIBRARIES = {"cublas": "libcublas.so.13"}


class Places(NamedTuple):
    """The folders of the built libraries, of CuPy's runtime module, and of compiled kernels."""

    libraries: Path
    runtime: Path
    kernels: Path


def activate(places: Places) -> None:
    """Prepare this process; CuPy itself is imported later, by the code that uses it."""
    os.environ["CUPY_ACCELERATORS"] = ""  # CUB's kernels are machine code of a card
    os.environ["CUPY_CACHE_IN_MEMORY"] = "1"  # the files on disk are libraries, in a separate folder
    sys.meta_path.insert(0, _Finder(places))


class _Finder(importlib.abc.MetaPathFinder):
    """An import finder that finds CuPy's runtime module, and changes three modules once they are loaded."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._busy = False
        self._changes = {
            "cuda.pathfinder": self._change_finding,
            "cupy.cuda.compiler": self._change_compiler,
            "cupy": self._change_modules,
        }

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == RUNTIME:
            ctypes.CDLL(str(self._places.libraries / "libcuda.so.1"), ctypes.RTLD_GLOBAL)
            return importlib.util.spec_from_file_location(
                name, next(self._places.runtime.glob("runtime*.so"))
            )
        if self._busy or name not in self._changes:
            return None
        self._busy = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._busy = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Then(spec.loader, self._changes[name])
        return spec

    def _change_compiler(self, module: Any) -> None:
        folder = self._places.kernels

        def compiled(source: str, options: tuple[str, ...] = (), *_: Any, **named: Any) -> tuple[bytes, Any]:
            try:
                library = compiler.build(source, folder, options)
            except Unavailable as error:
                raise module.CompileException(str(error), source, "kern.cu", options) from error
            names = named.get("name_expressions") or ()
            return compiler.MARK + os.fsencode(library) + b"\0", {name: name for name in names}

        module._compile_using_nvrtc_no_warning = compiled
        module._preprocess = lambda *_, **__: ""
        module._get_nvrtc_version = lambda: (13, 0)
        module._get_max_compute_capability = lambda: "90"

    def _change_modules(self, module: Any) -> None:
        module.RawModule = checked(
            module.RawModule, ctypes.CDLL(str(self._places.libraries / "libcuda.so.1"))
        )

    def _change_finding(self, module: Any) -> None:
        def load(name: str) -> Any:
            if name not in LIBRARIES:
                raise module.DynamicLibNotFoundError(
                    f"There is no {name} in a CUDA whose device is the host."
                )
            path = str(self._places.libraries / LIBRARIES[name])
            handle = ctypes.CDLL(path, ctypes.RTLD_GLOBAL)._handle
            return module.LoadedDL(path, False, handle, "the tests")

        module.load_nvidia_dynamic_lib = load


class _Then(importlib.abc.Loader):
    """A loader that changes its module as soon as it is loaded."""

    def __init__(self, loader: Any, change: Any) -> None:
        self._loader, self._change = loader, change

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._change(module)
