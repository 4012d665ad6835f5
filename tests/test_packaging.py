"""Test what `pip install` installs: one top-level package, complete, whose import loads little."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: The folders of the repository and their installed packages.
FOLDERS = {"vsmnp": "vsmnp", "kernels": "vsmnp.kernels", "cli": "vsmnp.cli"}

BUILT_FROM = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")
#: Installed packages that take time to load.
THIRD_PARTY = ("numpy", "scipy", "numba", "h5py", "matplotlib", "tqdm", "pooch", "PIL", "sympy")


def _setup() -> configparser.ConfigParser:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _python(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"},
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_packages_are_the_tree() -> None:
    """An unlisted sub-package works in editable mode and is missing from the wheel."""
    tree = {
        ".".join([package, *init.parent.relative_to(ROOT / folder).parts])
        for folder, package in FOLDERS.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert _lines(_setup()["options"]["packages"]) == sorted(tree)


def test_every_folder_of_modules_is_a_package() -> None:
    homes = {path.parent for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    assert [
        str(home.relative_to(ROOT)) for home in sorted(homes) if not (home / "__init__.py").exists()
    ] == []


def test_folders_install_under_vsmnp() -> None:
    pairs = (line.split("=") for line in _lines(_setup()["options"]["package_dir"]))
    assert {folder.strip(): package.strip() for package, folder in pairs} == FOLDERS


def test_wheel_holds_the_tree_and_nothing_else(tmp_path: Path) -> None:
    source, ignored = tmp_path / "source", shutil.ignore_patterns("__pycache__", ".*")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=ignored)
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "installation", source / "installation", ignore=ignored)
    installed = {
        "/".join([*package.split("."), *path.relative_to(source / folder).parts])
        for folder, package in FOLDERS.items()
        for path in (source / folder).rglob("*")
        if path.is_file() and path.suffix != ".md"
    }
    gone = source / "build" / "lib" / "vsmnp" / "gone.py"  # files left by an earlier build of another tree
    gone.parent.mkdir(parents=True)
    gone.write_text("")
    _python("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, source)
    assert [path.name for path in (source / "build").rglob("*.py")] == ["gone.py"]
    (path,) = tmp_path.glob("vsmnp-*.whl")
    with ZipFile(path) as wheel:
        files = {name for name in wheel.namelist() if ".dist-info/" not in name}
        (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
        scripts = wheel.read(entry_points).decode()
    assert {name.partition("/")[0] for name in files} == {"vsmnp"}
    assert {"vsmnp/py.typed", "vsmnp/kernels/reference/kernel_set.py", "vsmnp/cli/__init__.py"} <= files
    assert files == installed
    assert path.name.endswith("-py3-none-any.whl"), "no compiler is needed"
    assert _lines(scripts) == ["[console_scripts]", "vsmnp = vsmnp.cli:main"]


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import vsmnp", set()),
        ("import vsmnp.cli; vsmnp.cli.main(['--help'], standalone_mode=False)", set()),
        ("import vsmnp.kernels", {"numpy"}),
    ],
)
def test_imports_stay_light(statement: str, allowed: set[str]) -> None:
    """`vsmnp --help` answers at once, because it loads click alone."""
    loaded = _python("-c", f"import sys; {statement}; print(*sys.modules, sep='\\n')").splitlines()
    assert {name for name in THIRD_PARTY if name in loaded} <= allowed
    assert "vsmnp" in loaded


def test_console_script_is_there() -> None:
    """The name that setup.cfg gives the shell is a click command, whose import calls nothing."""
    printed = _python("-c", "import click, vsmnp.cli; print(isinstance(vsmnp.cli.main, click.Command))")
    assert printed == "True\n"
