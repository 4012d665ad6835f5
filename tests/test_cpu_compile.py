"""Machine code on disk is forgotten as soon as any source of the set changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsmnp.kernels import cpu_compile


def stamp() -> object:
    def loop(x: float) -> float:
        return x + 1

    return cpu_compile.compiled(loop)._cache._cache_file._source_stamp  # type: ignore[attr-defined]


def test_another_file_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "formula.py").write_text("one")
    monkeypatch.setattr(cpu_compile, "__file__", str(tmp_path / "cpu_compile.py"))
    cpu_compile._sources.cache_clear()
    before = stamp()
    assert stamp() == before
    (tmp_path / "formula.py").write_text("two")
    cpu_compile._sources.cache_clear()
    assert stamp() != before
    cpu_compile._sources.cache_clear()
