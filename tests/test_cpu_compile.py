"""Test that machine code on disk is not used after any source of the set changes."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numba
import pytest

from vsmnp.kernels.cpu import compilation, machine_code_folder


def stamp() -> object:
    def loop(x: float) -> float:
        return x + 1

    return compilation.compiled(loop)._cache._cache_file._source_stamp  # type: ignore[attr-defined]


def test_another_file_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "formula.py").write_text("one")
    monkeypatch.setattr(machine_code_folder, "SOURCES", tmp_path)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    machine_code_folder.sources.cache_clear()
    before = stamp()
    assert stamp() == before
    (tmp_path / "formula.py").write_text("two")
    machine_code_folder.sources.cache_clear()
    assert stamp() != before
    machine_code_folder.sources.cache_clear()


def test_an_index_that_names_what_is_gone_is_no_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def loop(x: float) -> float:
        return x + 2

    file = compilation.compiled(loop)._cache._cache_file  # type: ignore[attr-defined]
    gone = b"cvsmnp.kernels.no_such_module\nThing\n."  # an index is a version and the bytes of the rest
    Path(file._index_path).parent.mkdir(parents=True, exist_ok=True)
    Path(file._index_path).write_bytes(pickle.dumps(numba.__version__) + gone)
    assert compilation.compiled(loop)(1.0) == 3.0


def test_machine_code_of_two_types_never_shares_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that both find an empty index write to two files, and a third finds the right one."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def loop(x: float) -> float:
        return x / 2

    for one in (3.0, 3):
        assert compilation.compiled(loop)(one) == 1.5
        for index in tmp_path.rglob("*.nbi"):
            kept = index.read_bytes()
            index.unlink()
    assert len(list(tmp_path.rglob("*.nbc"))) == 2
    index.write_bytes(kept)
    assert compilation.compiled(loop)(3) == 1.5


def test_machine_code_that_was_cut_short_is_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def loop(x: float) -> float:
        return x * 3

    assert compilation.compiled(loop)(1.0) == 3.0
    (file,) = tmp_path.rglob("*.nbc")
    file.write_bytes(file.read_bytes()[:100])
    for found in (0, 1):  # the first finds half a file and writes a whole one, which the second loads
        made = compilation.compiled(loop)
        assert made(1.0) == 3.0
        assert sum(made.stats.cache_hits.values()) == found


def test_a_folder_that_cannot_be_written_to_loses_the_cache_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))

    def loop(x: float) -> float:
        return x - 4

    made = compilation.compiled(loop)
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("no folder")
    assert made(5.0) == 1.0
