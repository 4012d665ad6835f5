"""Test that an installation is unchanged before, during and after its use, and is removed completely."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
TRAIN = "from vsmnp.cli import main; main(prog_name='vsmnp')"
#: Files of the checkout that an installation does not need, in any folder, and in the outermost.
_ASIDE = shutil.ignore_patterns("__pycache__", ".git", ".*_cache", "*.egg-info", ".venv")
_ASIDE_ABOVE = {"runs", "build"}


def aside(folder: str, names: list[str]) -> set[str]:
    """Select the names in a folder of the checkout that a copy of it leaves out."""
    above = _ASIDE_ABOVE.intersection(names) if Path(folder) == ROOT else set()
    return {*_ASIDE(folder, names), *above}


def _run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _backend() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vsmnp_backend", ROOT / "installation" / "vsmnp_backend.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _left_by_an_earlier_version(packages: Path) -> list[Path]:
    """Write machine code where earlier versions kept it: an index, code, and code that was being written."""
    folder = packages / "vsmnp" / "kernels" / "__pycache__"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"cpu_rows.loop-10.py311{end}" for end in (".nbi", ".0f.nbc", ".1a.nbc.tmp.00ff")]
    for file in files:
        file.write_bytes(b"machine code")
    return files


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    """List all files with sizes and times; files that Python itself compiles are not counted."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not (path.suffix == ".pyc" and path.parent.name == "__pycache__")
    }


# --- in use ---------------------------------------------------------------------------------------


def test_nothing_is_written_into_an_installed_package(tmp_path: Path) -> None:
    """It is read-only as well, which stops every user but the superuser."""
    packages, home = tmp_path / "packages", tmp_path / "cache"
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=aside)
    pip = (sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation")
    _run(*pip, "--target", packages, source, cwd=tmp_path)
    before = _state(packages)
    assert "vsmnp/kernels/cpu/kernel_set.py" in before
    for path in (packages, *packages.rglob("*")):
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    here = {"PYTHONPATH": str(packages), "XDG_CACHE_HOME": str(home), "NUMBA_CACHE_DIR": ""}
    python = (sys.executable, "-c", TRAIN)
    _run(*python, "train", "--steps", "5", "--kernels", "cpu", "--out", "run", cwd=tmp_path, **here)
    _run(*python, "evaluate", "run", cwd=tmp_path, **here)
    where = _run(sys.executable, "-c", "import vsmnp; print(vsmnp.__file__)", cwd=tmp_path, **here)
    after = _state(packages)
    for path in (packages, *packages.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    assert where.strip() == str(packages / "vsmnp" / "__init__.py")
    assert after == before
    assert list((home / "vsmnp" / "machine-code").rglob("*.nbc"))


# --- files of earlier versions --------------------------------------------------------------------


def test_machine_code_of_earlier_versions_goes_with_its_folders(tmp_path: Path) -> None:
    files = _left_by_an_earlier_version(tmp_path)
    _backend().remove_machine_code(tmp_path / "vsmnp")
    assert [file for file in files if file.exists()] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "kept",
    [
        "__init__.py",
        "mine.nbc",
        "kernels/mine.nbi",
        "kernels/__pycache__/cpu.cpython-311.pyc",
        "kernels/__pycache__/notes.nbi.txt",
        "kernels/__pycache__/deeper/mine.nbc",
        "other/__pycache__/mine.nbc",
    ],
)
def test_nothing_else_goes(kept: str, tmp_path: Path) -> None:
    files = _left_by_an_earlier_version(tmp_path)
    file = tmp_path / "vsmnp" / kept
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("kept")
    _backend().remove_machine_code(tmp_path / "vsmnp")
    assert [file for file in files if file.exists()] == []
    assert file.read_text() == "kept"


@pytest.mark.parametrize("level", ["vsmnp", "vsmnp/kernels", "vsmnp/kernels/__pycache__"])
def test_nothing_goes_through_a_link(level: str, tmp_path: Path) -> None:
    files = _left_by_an_earlier_version(tmp_path / "elsewhere")
    link = tmp_path / "packages" / level
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "elsewhere" / level)
    _backend().remove_machine_code(tmp_path / "packages" / "vsmnp")
    assert all(file.exists() for file in files)


def test_where_nothing_was_left_there_is_nothing_to_do(tmp_path: Path) -> None:
    _backend().remove_machine_code(tmp_path / "vsmnp")
    assert list(tmp_path.iterdir()) == []


def test_the_source_distribution_holds_what_builds_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=aside)
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    _run(sys.executable, "-c", build, cwd=source)
    (path,) = tmp_path.glob("vsmnp-*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "installation/vsmnp_backend.py"} <= names


# --- the README's commands, in order --------------------------------------------------------------


def _command(end: str) -> str:
    """Return the line of the README that installs vsmnp and then ends with ``end``."""
    found = re.search(rf"^ +(pip install .*{end})$", README, re.MULTILINE)
    assert found is not None
    return found[1]


class Environment:
    """A fresh virtual environment and a copy of the checkout, in which commands run."""

    def __init__(self, place: Path) -> None:
        self.venv, self.checkout, self.cache = place / "venv", place / "checkout", place / "cache"
        shutil.copytree(ROOT, self.checkout, ignore=aside)
        _run(sys.executable, "-m", "venv", self.venv, cwd=place)
        asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
        self.packages = Path(self.type(f'python -c "{asked}"').strip())

    def type(self, line: str, cwd: Path | None = None) -> str:
        """Run a line of the shell in the checkout."""
        path = os.pathsep.join([str(self.venv / "bin"), os.environ["PATH"]])
        here = {"PATH": path, "XDG_CACHE_HOME": str(self.cache), "PYTHONPATH": "", "NUMBA_CACHE_DIR": ""}
        return _run("bash", "-c", line, cwd=cwd or self.checkout, **here)

    def left(self) -> list[str]:
        """List the files of vsmnp in the environment."""
        return sorted(str(path.relative_to(self.venv)) for path in self.venv.rglob("*vsmnp*"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("installation"))


@pytest.mark.slow
def test_the_commands_of_the_readme_in_order(fresh: Environment) -> None:
    """`.ci/run` runs the same lines in its own environment, with all tests where these are only collected."""
    assert "log-likelihood" in fresh.type(_command("vsmnp train"))
    assert fresh.packages.joinpath("vsmnp", "__init__.py").exists()
    assert list(fresh.packages.joinpath("vsmnp").rglob("*.nb[ic]")) == []
    collected = fresh.type(_command("pytest") + " --numprocesses=0 --collect-only -q")
    assert re.search(r"^\d{4,}/\d+ tests collected", collected, re.MULTILINE), collected[-2000:]
    assert str(fresh.checkout) in fresh.type('python -c "import vsmnp; print(vsmnp.__file__)"', fresh.venv)
    assert "log-likelihood" in fresh.type("vsmnp train")
    fresh.type("pip uninstall -y vsmnp")
    assert fresh.left() == []


@pytest.mark.slow
@pytest.mark.parametrize("installed", [True, False])
def test_an_installation_that_an_earlier_version_left_broken_is_repaired(
    fresh: Environment, installed: bool
) -> None:
    """Its machine code exists when ``pip install -e .`` begins, with or without the version that wrote it."""
    if installed:
        fresh.type("pip install .")
    _left_by_an_earlier_version(fresh.packages)
    fresh.type("pip install -e .")
    assert fresh.type("vsmnp --version", fresh.venv).startswith("vsmnp, version")
    fresh.type("pip uninstall -y vsmnp")
    assert fresh.left() == []
