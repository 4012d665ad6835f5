"""How the ``cpu`` set keeps machine code on disk: Numba's own cache, in a folder of ours.

Numba looks at the file of a loop alone, and would not see a change of a formula that the loop calls: here
machine code is valid for as long as no source changes. Numba also numbers the files of machine code, and two
processes that take a number at once would each write to the other's: here each is named after what it is for.
A file that is cut short or cannot be written only means that a loop is compiled again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    _CacheLocator,
    _SourceFileBackedLocatorMixin,
)

from .machine_code_folder import SOURCES, claim, code_folder, digest, sources


class _Place(_SourceFileBackedLocatorMixin, _CacheLocator):
    """Finds the files of a loop; a sub-folder of the sources has one of the same name in the cache.

    Whether they can be written shows as they are written: a cache may be there to be read alone.
    """

    def __init__(self, function: Callable[..., Any], file: str, folder: Path) -> None:
        self._py_file, self._lineno = file, function.__code__.co_firstlineno
        self._ours = Path(file).is_relative_to(SOURCES)
        below = (
            Path(file).parent.relative_to(SOURCES) if self._ours else self.get_suitable_cache_subpath(file)
        )
        self._folder = folder / below

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Place | None:
        folder = code_folder()
        if folder is None or not os.path.exists(py_file):
            return None
        claim(folder)
        return cls(py_func, py_file, folder)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> Any:
        return sources(), None if self._ours else super().get_source_stamp()


class _Loop(CompileResultCacheImpl):
    _locator_classes = (_Place,)


class _Files(IndexDataCacheFile):
    """The index of a loop and its machine code, a file for each signature and processor."""

    def save(self, key: Any, data: Any) -> None:
        name = f"{Path(self._index_name).stem}.{digest(key, self._source_stamp)}.nbc"
        overloads = self._load_index()
        overloads[key] = name
        self._save_data(name, data)
        self._save_index(overloads)

    def _load_index(self) -> Any:
        try:
            return super()._load_index()
        except Exception:  # it names what an older version had
            return {}

    def _load_data(self, name: str) -> Any:
        try:
            return super()._load_data(name)
        except Exception as error:  # as if there were no such file
            raise OSError(f"{name} cannot be read") from error


class _Kept(FunctionCache):
    """The machine code of a loop, for all signatures."""

    _impl_class = _Loop

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        place = self._impl.locator
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, place.get_source_stamp())

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)


def keep(made: Any, function: Any) -> None:
    """Let what Numba ``made`` of ``function`` look for its machine code on disk, and leave it there."""
    with suppress(RuntimeError):  # there is no place for it: each process compiles afresh
        made._cache = _Kept(function)
