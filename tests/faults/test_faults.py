"""Run the campaigns of faults: a sample of each in the ordinary suite, and the whole by ``-m slow``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faults import fuzz, readers
from faults.shim import build, compiler
from small_data import smaller_sets

from vsmnp.data import hdf5_ends
from vsmnp.errors import CheckpointError
from vsmnp.runs import checkpoint
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings

HERE = Path(__file__).parent
#: Columns of the table; all but the first must be zero.
COLUMNS = ("tried", "lost", "differing", "tracebacks", "hangs", "outside", "programs")
#: The whole: two processes for each campaign, and the seconds that each has.
WHOLE = {"calls": 1400.0, "kills": 250.0, "power": 150.0, "races": 700.0, "fuzz": 950.0}

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or (compiler() is None and "CI" not in os.environ),
    reason="The library that makes calls fail needs Linux and a C compiler, and there is none here.",
)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the library once."""
    return build(tmp_path_factory.mktemp("shim"))


def run(shim: Path, place: Path, *arguments: object) -> dict[str, dict[str, Any]]:
    """Run campaigns in a process with the library, and return the counts of each."""
    done = subprocess.run(
        [sys.executable, HERE / "campaign.py", place, *map(str, arguments)],
        env={**os.environ, "LD_PRELOAD": str(shim)}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def check(found: dict[str, dict[str, Any]]) -> None:
    """Print the rows, and check that nothing but trials was counted."""
    for name, counts in found.items():
        row = " | ".join(str(counts[each]) for each in COLUMNS)
        print(f"| {name} | {row} | {counts['skipped']} left out")
    for counts in found.values():
        assert counts["tried"]
        assert not counts["faults"], "\n".join(counts["faults"])
        assert not any(counts[each] for each in COLUMNS[1:])


SMALL = {
    "calls": ("calls", "--trials", 4, "--only", "train", "--only", "sweep"),
    "kills": ("kills", "--trials", 3, "--only", "train", "--only", "pictures"),
    "power": ("power", "--trials", 8, "--only", "train"),
    "races": ("races", "--trials", 3, "--only", "train, train", "--only", "evaluate, evaluate"),
    "fuzz": ("fuzz", "--trials", 100),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_sample_of_the_campaign_finds_nothing(name: str, shim: Path, tmp_path: Path) -> None:
    check(run(shim, tmp_path, *SMALL[name]))


def test_a_look_of_the_fuzz_campaign_starts_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of data, and of a checkpoint of an earlier version, the text of which is in HDF5's heap."""
    golden = HERE.parent / "golden" / "checkpoints" / "perceptron" / "checkpoint.h5"
    known = checkpoint.load(golden)[1]
    monkeypatch.setattr(hdf5_ends, "elsewhere", fuzz.forked)
    monkeypatch.setattr(subprocess, "Popen", None)
    assert checkpoint.load(golden)[1] == known
    hdf5_ends.require_end(golden)
    content = golden.read_bytes()
    heap = content.index(b"GCOL")
    damaged = content[: heap + 16] + bytes(16) + content[heap + 32 :]
    (tmp_path / "x.h5").write_bytes(readers._resealed(damaged))
    with pytest.raises(CheckpointError, match="HDF5 does not read its attributes"):
        checkpoint.load(tmp_path / "x.h5")
    (tmp_path / "x.h5").write_text("no HDF5")
    hdf5_ends.require_end(tmp_path / "x.h5")


def test_checkpoints_of_earlier_versions_are_fuzzed(tmp_path: Path) -> None:
    """Their text is in HDF5's heap, and one of them is a run that can be loaded."""
    (reader,) = (each for each in readers.READERS if each.name == "former")
    with smaller_sets(400, 40):
        small = Settings(kernels="reference", steps=2, batch_size=10, hidden=(3,))
        Session.new(small, folder=tmp_path / "seed" / "run").train()
        seeds = reader.seeds(tmp_path)
        assert all(b"GCOL" in seed and b"alive" in seed and reader.complete(seed) == seed for seed in seeds)
        (tmp_path / reader.suffix).write_bytes(seeds[-1])
        assert reader.read(tmp_path / reader.suffix)


#: A planted fault, with the campaign that must find it and the column in which it is counted.
PLANTED = {
    "unsynced": (("power", "--trials", 6, "--only", "train"), "lost"),
    "deep": (("fuzz", "--trials", 1000, "--only", "measures"), "tracebacks"),
    "unheeded": (("calls", "--trials", 30, "--only", "train"), "differing"),
    "unlocked": (("races", "--trials", 16, "--only", "train, train"), "lost"),
    "in-place": (("kills", "--trials", 40, "--only", "resume"), "lost"),
}
#: The plants that the ordinary suite looks for.
QUICK = ("unsynced", "deep", "unheeded", "unlocked")


@pytest.mark.parametrize(
    "plant", [pytest.param(plant, marks=[] if plant in QUICK else [pytest.mark.slow]) for plant in PLANTED]
)
def test_a_planted_fault_is_found(plant: str, shim: Path, tmp_path: Path) -> None:
    (name, *arguments), column = PLANTED[plant]
    found = run(shim, tmp_path, name, *arguments, "--plant", plant)[name]
    assert found[column], found


@pytest.mark.slow
@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("name", WHOLE)
def test_the_whole_campaign_finds_nothing(name: str, part: int, shim: Path, tmp_path: Path) -> None:
    check(run(shim, tmp_path, name, "--part", part, "--parts", 2, "--seconds", WHOLE[name]))
