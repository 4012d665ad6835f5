"""Test that no input is waited for or read without an end: pipes, devices and folders are sentences."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsmnp.data import load_data
from vsmnp.data.arrays.formats import SUFFIXES
from vsmnp.data.pictures import decode
from vsmnp.errors import DataError
from vsmnp.evaluation.feature_choice import FeatureChoice
from vsmnp.paper.reproduce.failure.measures import read_measured
from vsmnp.paper.reproduce.fig2 import trajectories
from vsmnp.paper.reproduce.images import distances
from vsmnp.paper.reproduce.reproduction import read_records
from vsmnp.sweeps.engines.driver_file import DriverFile
from vsmnp.sweeps.packs import MEMBERS, PACKS, interrupted_packs

#: A process that reads without an end is ended, and its test fails.
PATIENCE = 60.0
LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32)); "


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _folder(path: Path) -> None:
    path.mkdir()


ENDLESS: list[Callable[[Path], None]] = [_pipe, _device, _folder]


def vsmnp(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process with little memory and time."""
    return subprocess.run(
        [sys.executable, "-c", f"{LIMIT}from vsmnp.cli import main; main()", *map(str, arguments)],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


@pytest.mark.parametrize("make", ENDLESS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_data_have_an_end(tmp_path: Path, suffix: str, make: Callable[[Path], None]) -> None:
    """In this process: one that waits for ever is seen by the time limit of the suite."""
    if make is _folder:
        return  # a folder of pictures
    make(tmp_path / f"x{suffix}")
    with pytest.raises(DataError, match="is a pipe or a device"):
        load_data(str(tmp_path / f"x{suffix}"))


@pytest.mark.parametrize("make", ENDLESS)
def test_inputs_of_commands_have_an_end(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Settings, checkpoints, locks and latents."""
    make(tmp_path / "config.toml")
    make(tmp_path / "checkpoint.h5")
    (tmp_path / "runs" / "one").mkdir(parents=True)
    make(tmp_path / "runs" / "one" / "checkpoint.h5")
    make(tmp_path / "runs" / "one" / ".lock")
    for command in (
        ("train", "--config", tmp_path / "config.toml"),
        ("train", "--resume", tmp_path),
        ("info", tmp_path),
        ("list", tmp_path / "runs"),
    ):
        done = vsmnp(*command)
        assert done.returncode in (0, 1, 2), done.stderr
        assert "Traceback" not in done.stderr
        assert done.returncode != 0 or command[0] == "list"


@pytest.mark.parametrize("make", ENDLESS)
def test_what_reproductions_and_sweeps_read_has_an_end(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Their own files count as missing; one of records is a sentence."""
    (tmp_path / PACKS / "one").mkdir(parents=True)
    for name in ("x.csv", "x.json", distances.DISTANCES, ".driver"):
        make(tmp_path / name)
    make(tmp_path / PACKS / "one" / MEMBERS)
    with pytest.raises(DataError, match=r"x\.csv is damaged"):
        read_records(tmp_path / "x.csv", {"seed": int}, "is damaged", "make it again")
    assert trajectories._read(tmp_path / "x.csv", {}) is None
    assert read_measured(tmp_path, "x.json") is None
    assert distances.read(tmp_path, FeatureChoice("lenet")) == {}
    assert not DriverFile.below(tmp_path).is_seen()
    assert list(interrupted_packs(tmp_path, [])) == []


def test_json_that_is_nested_deeply_is_no_measurement(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[" * 100_000)
    assert read_measured(tmp_path, "x.json") is None


@pytest.mark.parametrize("name", ["eps", "gif", "psd", "fits"])
def test_only_the_formats_that_are_meant_are_opened(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the suffix says: EPS is a program, which Pillow hands to Ghostscript."""
    started: list[object] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **b: started.append(a))
    monkeypatch.setattr(subprocess, "check_call", lambda *a, **b: started.append(a))
    path = tmp_path / "x.png"
    if name == "eps":
        path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n")
    elif name == "gif":
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(path, "GIF")
    else:
        path.write_bytes({"psd": b"8BPS", "fits": b"SIMPLE  =                    T"}[name].ljust(4096))
    found = decode.read_picture(path, decode.PictureOptions())
    assert isinstance(found, decode.Broken)
    assert "is of none of the formats JPEG, PNG" in found.reason
    assert started == []


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP"])
def test_the_formats_that_are_meant_are_opened(tmp_path: Path, form: str) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "x.png", form)
    found = decode.read_picture(tmp_path / "x.png", decode.PictureOptions(channels="1"))
    assert isinstance(found, decode.Picture)
    assert found.pixels.shape == (1, 8, 8)
