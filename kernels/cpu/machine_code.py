"""Cache the machine code of the ``cpu`` set on disk: Numba's cache with other validity and file names.

Numba checks the file of a loop alone, and misses a change of a formula that the loop calls: here machine
code is valid for as long as no source of the kernels changes. Numba also numbers the files of machine code in
an index, and of two processes that write it at the same time one loses its entry: here a file is named by a
digest of its key, and there is no index. A loop whose file is damaged or cannot be written is compiled again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    _CacheLocator,
    _SourceFileBackedLocatorMixin,
)
from numba.core.serialize import loads

from .machine_code_folder import SOURCES, claim, code_folder, digest, sources

#: Bytes of the SHA-256 before the machine code.
_SEAL = 32


class _Place(_SourceFileBackedLocatorMixin, _CacheLocator):
    """The location of a loop's cache files; sub-folders of the sources have counterparts in the cache.

    It is not checked in advance whether the files can be written: a cache may be read-only.
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
    """One file of machine code for each signature and processor of a loop, sealed by a SHA-256."""

    def save(self, key: Any, data: Any) -> None:
        content = self._dump((self._source_stamp, key, data))
        with self._open_for_write(str(self._path(key))) as file:
            file.write(sha256(content).digest() + content)

    def load(self, key: Any) -> Any:
        """Return the machine code of a key, or None; a file that is damaged or of other sources is removed.

        Machine code with a changed bit would end the process at each start.
        """
        path = self._path(key)
        try:
            whole = path.read_bytes()
        except OSError:
            return None
        seal, content = whole[:_SEAL], whole[_SEAL:]
        if sha256(content).digest() == seal:
            with suppress(Exception):  # it refers to classes of an older version
                stamp, of, data = loads(content)
                if (stamp, of) == (self._source_stamp, key):
                    return data
        with suppress(OSError):
            path.unlink()
        return None

    def flush(self) -> None:
        """Do nothing: there is no index to empty."""

    def _path(self, key: Any) -> Path:
        return Path(self._cache_path, f"{Path(self._index_name).stem}.{digest(key, self._source_stamp)}.nbc")


class _Kept(FunctionCache):
    """The cached machine code of a loop, for all its signatures."""

    _impl_class = _Loop

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        place = self._impl.locator
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, place.get_source_stamp())

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)


def keep(made: Any, function: Any) -> None:
    """Let ``made``, the compiled ``function``, load its machine code from disk and save it there."""
    with suppress(RuntimeError):  # no cache folder: each process compiles the loop itself
        made._cache = _Kept(function)
