"""`benchmarks/gpu.sh` comes to its end on any machine, and says what each part lacked or found."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from vsmnp.kernels import gpu_obstacle

ROOT = Path(__file__).resolve().parent.parent
#: What a bare machine with a GPU need not have.
LEAN = ("pooch", "sympy", "tqdm", "matplotlib", "PIL")


@pytest.fixture(scope="module")
def report() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_report", ROOT / "benchmarks" / "gpu_report.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_report"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(gpu_obstacle() is None, reason="this machine has a GPU")
def test_without_a_gpu_every_part_says_so(
    report: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = report.Part("install", [sys.executable, "-c", ""], 60, needs_gpu=False)
    monkeypatch.setattr(report, "install", lambda: nothing)
    report.main(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["gpu.json", "gpu.md"]
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert [part["name"] for part in found["parts"]] == [
        "install", "questions", "tests", "bench", "memcheck", "racecheck",
    ]  # fmt: skip
    for part in found["parts"][1:]:
        assert (part["status"], part["why"]) == ("skipped", gpu_obstacle())
    assert found["machine"]["gpu"] == gpu_obstacle()
    assert (tmp_path / "gpu.md").read_text().count(str(gpu_obstacle())) == 6


def test_a_part_passes_fails_or_runs_out_of_time(report: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "x.json"

    def performed(code: str, **options: object) -> tuple[str, object]:
        part = report.Part("x", [sys.executable, "-c", code], 2, **options)
        record = report.perform(part, None, 60)
        return record.status, record.result or record.why

    assert performed("print(1); print('two')") == ("passed", "two")
    assert performed("raise SystemExit('gone')") == ("failed", "gone")
    assert performed("import time; time.sleep(60)") == ("out of time", "more than 2 s")
    write = f"open({str(path)!r}, 'w').write('[1]')"
    assert performed(write, writes=path) == ("passed", [1])
    status, why = performed("", writes=tmp_path / "none.json")
    assert status == "failed"
    assert "no JSON" in str(why)
    assert report.perform(report.Part("x", ["/nowhere"], 2), None, 60).status == "skipped"
    assert report.perform(report.Part("x", [sys.executable], 2), None, 1).status == "skipped"


def test_training_and_the_gpu_tests_need_no_other_library(tmp_path: Path) -> None:
    """A machine without a registry: what draws, downloads and proves may be missing there."""
    blocked = "\n".join(["import sys", *(f"sys.modules[{name!r}] = None" for name in LEAN)])
    (tmp_path / "sitecustomize.py").write_text(blocked)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT / 'tests'}"}
    train = ["-c", "from vsmnp.cli import main; main()", "train", "--kernels", "reference", "--steps", "2",
             "--batch-size", "10", "--hidden", "3", "--out", "run"]  # fmt: skip
    collect = ["-m", "pytest", "-q", "-m", "gpu", "-o", "addopts=", "--import-mode=importlib",
               "--collect-only", "-p", "no:xdist", "-p", "no:cacheprovider",
               str(ROOT / "tests" / "test_cuda_card.py")]  # fmt: skip
    for arguments, word in ((train, "the run has no pictures"), (collect, "tests collected")):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert word in done.stdout + done.stderr
    assert (tmp_path / "run" / "checkpoint.h5").exists()
    assert not (tmp_path / "run" / "samples.png").exists()
