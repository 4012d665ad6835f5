"""A user without a home folder: results where none is needed, else a sentence, and no folder named ``~``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CODE = """
import os, pwd, sys
os.environ.pop("HOME", None)
def nobody(uid):
    raise KeyError(uid)
pwd.getpwuid = nobody
from vsmnp.cli import main
main(sys.argv[1:])
"""


def vsmnp(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **more}
    command = [sys.executable, "-c", CODE, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "pics").mkdir()
    for i in range(4):
        Image.fromarray(np.full((8, 8), 40 * i, np.uint8)).save(tmp_path / "pics" / f"{i}.png")
    return tmp_path


def test_what_needs_a_cache_says_how_to_give_one(pictures: Path) -> None:
    for arguments in (("data", "pics"), ("data", "celeba"), ("data", "mnist", "--data-dir", "pics")):
        done = vsmnp(pictures, *arguments)
        assert "Traceback" not in done.stderr
    done = vsmnp(pictures, "data", "pics")
    assert done.returncode == 1
    assert "XDG_CACHE_HOME" in done.stderr
    assert not (pictures / "~").exists()
    done = vsmnp(pictures, "data", "pics", XDG_CACHE_HOME=str(pictures / "cache"))
    assert done.returncode == 0, done.stderr


def test_training_needs_no_home(tmp_path: Path) -> None:
    done = vsmnp(tmp_path, "train", "--steps", "2", "--hidden", "4", "--kernels", "reference", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "samples.png").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
