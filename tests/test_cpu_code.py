"""Test that machine code is kept in the user's cache, by version and sources, as long as it is used."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numba
import pytest

import vsmnp
import vsmnp.kernels
from vsmnp.kernels.cpu import compilation, machine_code_folder
from vsmnp.kernels.cpu.machine_code_folder import UNUSED, claim, code_folder, remove_unused

OLD = time.time() - 2 * UNUSED
NAME = "0.1.0-00112233445566ff"
#: Compiles a loop that depends on an argument, and prints its result and whether its code was on disk.
WORKER = """
import sys
from vsmnp.kernels.cpu import compilation

def loop(x):
    return x / 4

made = compilation.compiled(loop)
print("ready", flush=True)
sys.stdin.readline()
print(made(3.0), sum(made.stats.cache_hits.values()))
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create kernels of a test, with a sub-folder, and a cache for them."""
    folder = tmp_path / "kernels"
    for name in ("formula.py", "deeper/formula.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("one = 1\n")
    monkeypatch.setattr(machine_code_folder, "SOURCES", folder)
    monkeypatch.setattr("vsmnp.kernels.cpu.machine_code.SOURCES", folder)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    return folder


def _folder() -> Path:
    machine_code_folder.sources.cache_clear()
    folder = code_folder()
    machine_code_folder.sources.cache_clear()
    assert folder is not None
    return folder


# --- where ----------------------------------------------------------------------------------------


def test_the_sources_are_all_kernels() -> None:
    assert vsmnp.kernels.__file__ is not None
    assert Path(vsmnp.kernels.__file__).parent == machine_code_folder.SOURCES


@pytest.mark.parametrize("name", ["formula.py", "deeper/formula.py"])
def test_other_sources_have_another_folder(name: str, sources: Path) -> None:
    before = _folder()
    assert _folder() == before
    (sources / name).write_text("one = 2\n")
    assert _folder() != before
    (sources / name).write_text("one = 1\n")
    assert _folder() == before


def test_a_source_of_another_name_has_another_folder(sources: Path) -> None:
    before = _folder()
    (sources / "formula.py").rename(sources / "law.py")
    assert _folder() != before


@pytest.mark.parametrize("what", ["VERSION", "numba.__version__", "llvmlite.__version__", "np.__version__"])
def test_another_version_has_another_folder(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_folder()
    monkeypatch.setattr(f"vsmnp.kernels.cpu.machine_code_folder.{what}", "0.0.99")
    assert code_folder() != before


def test_the_name_says_the_version() -> None:
    assert _folder().name.startswith(f"{vsmnp.__version__}-")


def test_the_folder_is_the_users_cache_or_that_of_numbas_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    assert machine_code_folder.user_cache() in _folder().parents
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "elsewhere"))
    assert _folder().parent == tmp_path / "elsewhere" / "vsmnp"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "here")
    assert _folder().parent == tmp_path / "here" / "vsmnp"


def test_without_a_home_folder_loops_are_compiled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user has no home folder, and so `~` is not expanded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(machine_code_folder, "user_cache", lambda: Path("~/.cache/vsmnp"))

    def loop(x: float) -> float:
        return x + 7

    assert code_folder() is None
    assert compilation.compiled(loop)(1.0) == 8.0
    assert list(tmp_path.iterdir()) == []


def _loop_of(path: Path, constant: int) -> Callable[[float], float]:
    path.write_text(f"def loop(x):\n    return x + {constant}\n")
    spec = importlib.util.spec_from_file_location("step", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loop: Callable[[float], float] = module.loop
    return loop


def test_files_of_one_name_in_two_folders_keep_apart(sources: Path) -> None:
    """Their loops have one name, one line and one bytecode, which is all that Numba compares in a folder."""
    here, there = _loop_of(sources / "step.py", 1), _loop_of(sources / "deeper" / "step.py", 2)
    assert compilation.compiled(here)(1.0) == 2.0
    assert compilation.compiled(there)(1.0) == 3.0
    assert len(list((sources.parent / "cache").rglob("*.nbc"))) == 2


def test_a_copy_of_the_sources_finds_the_machine_code(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed copy finds the code of a checkout."""
    made = compilation.compiled(_loop_of(sources / "step.py", 1))
    made(1.0)
    copy = sources.rename(tmp_path / "copy")
    monkeypatch.setattr(machine_code_folder, "SOURCES", copy)
    monkeypatch.setattr("vsmnp.kernels.cpu.machine_code.SOURCES", copy)
    found = compilation.compiled(_loop_of(copy / "step.py", 1))
    found(1.0)
    assert sum(found.stats.cache_hits.values()) == 1  # type: ignore[attr-defined]


# --- at once, and where nothing can be written ----------------------------------------------------


def _workers(count: int, tmp_path: Path, **environment: str) -> list[list[str]]:
    """Run several processes that compile one loop at the same time, and return their output."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    told = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), **environment}
    workers = [
        subprocess.Popen(
            [sys.executable, script], env=told, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate(timeout=120)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * count
    return said


def test_processes_that_compile_at_once_leave_whole_machine_code(tmp_path: Path) -> None:
    assert [x for x, _ in _workers(4, tmp_path)] == ["0.75"] * 4
    assert _workers(1, tmp_path) == [["0.75", "1"]]
    assert [file for file in (tmp_path / "cache").rglob("*") if ".tmp." in file.name] == []


def test_a_full_disk_loses_the_cache_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the size of files simulates it: the machine code is longer than that."""
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    monkeypatch.setattr(f"{__name__}.WORKER", limit + WORKER)
    for _ in range(2):
        assert _workers(1, tmp_path, PYTHONDONTWRITEBYTECODE="1") == [["0.75", "0"]]
    assert [file for file in (tmp_path / "cache").rglob("*") if file.is_file()] == []


# --- for how long ---------------------------------------------------------------------------------


def _aged(path: Path, content: str = "code") -> Path:
    """Write a file that has not been used for a long time, and its folder likewise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    for each in (path, path.parent):
        os.utime(each, (OLD, OLD))
    return path


def test_what_nobody_uses_goes(tmp_path: Path) -> None:
    for name in ("a.nbi", "a.00ff.nbc", "b.nbi.tmp.00ff", "deeper/c.nbc"):
        _aged(tmp_path / NAME / name)
    os.utime(tmp_path / NAME, (OLD, OLD))
    remove_unused(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_was_marked_stays(tmp_path: Path) -> None:
    file = _aged(tmp_path / NAME / "a.nbc")
    os.utime(tmp_path / NAME)
    remove_unused(tmp_path)
    assert file.exists()


def test_what_was_just_written_stays(tmp_path: Path) -> None:
    """A process that has run for all that time writes the code that it compiles now."""
    old, young = _aged(tmp_path / NAME / "deeper" / "a.nbc"), tmp_path / NAME / "deeper" / "b.nbc"
    young.write_text("code")
    os.utime(tmp_path / NAME, (OLD, OLD))
    remove_unused(tmp_path)
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize(
    "name", [f"{NAME}/mine.txt", f"{NAME}/a.nbc.mine", "mine/a.nbc", "0.1.0-mine/a.nbc", "numba_00ff/a.nbi"]
)
def test_what_is_not_ours_stays(name: str, tmp_path: Path) -> None:
    file = _aged(tmp_path / name)
    remove_unused(tmp_path)
    assert file.read_text() == "code"


def test_nothing_is_removed_through_a_link(tmp_path: Path) -> None:
    file = _aged(tmp_path / "elsewhere" / "a.nbc")
    (tmp_path / "cache" / "0.1.0-aa112233445566ff").mkdir(parents=True)
    (tmp_path / "cache" / NAME).symlink_to(file.parent)
    (tmp_path / "cache" / "0.1.0-aa112233445566ff" / "inside").symlink_to(file.parent)
    os.utime(tmp_path / "cache" / "0.1.0-aa112233445566ff", (OLD, OLD))
    remove_unused(tmp_path / "cache")
    assert file.exists()


def test_a_new_folder_ends_what_nobody_uses(tmp_path: Path) -> None:
    file = _aged(tmp_path / NAME / "a.nbc")
    claim(tmp_path / "0.2.0-00112233445566ff")
    assert not file.exists()


def test_a_folder_in_use_is_marked(tmp_path: Path) -> None:
    file = _aged(tmp_path / NAME / "a.nbc")
    claim(tmp_path / NAME)
    remove_unused(tmp_path)
    assert file.exists()


def test_a_folder_that_cannot_be_made_is_claimed_in_silence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    claim(tmp_path / "file" / NAME)
