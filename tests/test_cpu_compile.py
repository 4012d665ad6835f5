"""Test that machine code on disk is not used after any source of the set changes."""

from __future__ import annotations

import shutil
from hashlib import sha256
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


def test_machine_code_that_names_what_is_gone_is_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def loop(x: float) -> float:
        return x + 2

    assert compilation.compiled(loop)(1.0) == 3.0
    (file,) = tmp_path.rglob("*.nbc")
    gone = b"cvsmnp.kernels.no_such_module\nThing\n."
    file.write_bytes(sha256(gone).digest() + gone)
    assert compilation.compiled(loop)(1.0) == 3.0


def test_machine_code_of_two_types_never_shares_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes write to two files, without an index in which one could lose its entry."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def loop(x: float) -> float:
        return x / 2

    for one in (3.0, 3):
        assert compilation.compiled(loop)(one) == 1.5
    assert len(list(tmp_path.rglob("*.nbc"))) == 2
    assert not list(tmp_path.rglob("*.nbi"))
    for one in (3.0, 3):
        made = compilation.compiled(loop)
        assert made(one) == 1.5
        assert sum(made.stats.cache_hits.values()) == 1  # type: ignore[attr-defined]


def test_machine_code_of_another_key_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key in the file counts, not its name: that of the first loop lies under the second's."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def loop(x: float) -> float:
        return x / 2

    assert compilation.compiled(loop)(3.0) == 1.5
    (of_float,) = tmp_path.rglob("*.nbc")
    assert compilation.compiled(loop)(3) == 1.5
    (of_int,) = set(tmp_path.rglob("*.nbc")) - {of_float}
    of_int.write_bytes(of_float.read_bytes())
    made = compilation.compiled(loop)
    assert made(3) == 1.5
    assert sum(made.stats.cache_hits.values()) == 0  # type: ignore[attr-defined]


def test_a_changed_bit_of_machine_code_is_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the bit lies: executed, it would end the process or change a number."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def loop(x: float) -> float:
        return x * 3

    assert compilation.compiled(loop)(1.0) == 3.0
    (file,) = tmp_path.rglob("*.nbc")
    whole = file.read_bytes()
    for place in range(0, len(whole), len(whole) // 20):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        made = compilation.compiled(loop)
        assert made(1.0) == 3.0
        assert sum(made.stats.cache_hits.values()) == 0  # type: ignore[attr-defined]


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
