"""Test that `benchmarks/gpu.sh` ends on any machine, and that its findings are on the disk at once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vsmnp.kernels import gpu_obstacle

ROOT = Path(__file__).resolve().parent.parent
#: Programs that may be missing on a machine with a GPU.
LEAN = ("pooch", "sympy", "tqdm", "matplotlib", "PIL")
#: Code that writes a row, before planted code.
ROW = "from gpu.rows import write_row; write_row(found=1); print('said', flush=True)\n"


@pytest.fixture(scope="module")
def gpu() -> Iterator[SimpleNamespace]:
    """Import the modules of `benchmarks/gpu`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        from gpu import __main__ as main
        from gpu import page, parts, process, record, rows

        yield SimpleNamespace(main=main, page=page, parts=parts, process=process, record=record, rows=rows)


def planted(gpu: SimpleNamespace, name: str, code: str, seconds: float = 20.0, **options: Any) -> Any:
    """Create a part that runs Python code."""
    return gpu.process.Part(
        name, "planted", lambda: (sys.executable, "-c", code), seconds, needs_gpu=False, **options
    )


def reported(gpu: SimpleNamespace, folder: Path, chosen: list[Any], budget: float = 100.0) -> dict[str, Any]:
    """Run these parts and return their report, by name."""
    gpu.main.main(folder, chosen, budget, folder)
    found = json.loads((folder / "gpu.json").read_text())
    return {part["name"]: part for part in found["parts"]}


def test_limits_add_up_to_less_than_the_budget(gpu: SimpleNamespace) -> None:
    everything = gpu.parts.parts(Path("scratch"))
    assert sum(part.seconds for part in everything) < gpu.parts.BUDGET < 570
    names = [part.name for part in everything]
    assert len(set(names)) == len(names)
    first = ["install", "card", "compile", "train", "evaluate"]
    assert names[: len(first)] == first
    assert next(part for part in everything if part.name == "train").shown == (
        "vsmnp train --objective m2 --device gpu"
    )


@pytest.mark.parametrize(
    ("code", "status", "why"),
    [
        ("import time; time.sleep(600)", "out of time", "it was stopped after 1 s"),
        ("import os; os._exit(3)", "failed", "exit code 3: said"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "failed", "it was ended by SIGSEGV"),
        ("raise RuntimeError('wrong')", "failed", "exit code 1: RuntimeError: wrong"),
        ("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
         "out of time", "it was stopped after 1 s"),
    ],
    ids=["hangs", "leaves", "crashes", "raises", "ignores"],
)  # fmt: skip
def test_a_part_that_fails_keeps_its_rows_and_the_others_run(
    gpu: SimpleNamespace, tmp_path: Path, code: str, status: str, why: str
) -> None:
    seconds = 1.0 if status == "out of time" else 20.0
    chosen = [planted(gpu, "wrong", ROW + code, seconds), planted(gpu, "next", ROW)]
    found = reported(gpu, tmp_path, chosen, budget=21.0 if status == "out of time" else 100.0)
    assert (found["wrong"]["status"], found["wrong"]["why"]) == (status, why)
    assert found["wrong"]["rows"] == [{"found": 1}]
    assert found["wrong"]["output"][0] == "said"
    assert (found["next"]["status"], found["next"]["rows"]) == ("passed", [{"found": 1}])
    page = (tmp_path / "gpu.md").read_text()
    assert why in page
    assert sorted(os.listdir(tmp_path)) == ["gpu.json", "gpu.md"]


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_part_started_ends_with_it(gpu: SimpleNamespace, tmp_path: Path) -> None:
    """At the limit, and also where the part ends and leaves a child process behind."""
    code = """
import subprocess, sys, time
from gpu.rows import write_row
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
write_row(child=child.pid)
"""
    late = planted(gpu, "late", code + "time.sleep(600)", 2.0)
    found = reported(gpu, tmp_path, [late, planted(gpu, "early", code)], budget=22.0)
    children = [found[name]["rows"][0]["child"] for name in ("late", "early")]
    end = time.monotonic() + 10
    while any(map(_is_running, children)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(_is_running, children))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "ended"])
def test_a_command_that_is_cut_off_leaves_all_rows_so_far(
    gpu: SimpleNamespace, tmp_path: Path, number: signal.Signals
) -> None:
    code = f"""
import signal, sys
sys.path.insert(0, {str(ROOT / "benchmarks")!r})
from pathlib import Path
from gpu.__main__ import _stop, main
from gpu.process import Part
signal.signal(signal.SIGTERM, _stop)
row = {ROW!r}
parts = [Part(name, "planted", lambda code=code: (sys.executable, "-c", code), 60, needs_gpu=False)
         for name, code in (("first", row), ("second", row + "import time; time.sleep(600)"), ("third", row))]
main(Path({str(tmp_path)!r}), parts, 300, Path({str(tmp_path)!r}))
"""
    file, page = tmp_path / "gpu.json", tmp_path / "gpu.md"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if page.exists() and page.read_text().count("| found |") == 2:
                break
            time.sleep(0.02)
        process.send_signal(number)
        process.wait(30)
    found = json.loads(file.read_text())["parts"]
    assert [part["rows"] for part in found] == [[{"found": 1}], [{"found": 1}], []]
    cut = ["running", "waiting"] if number == signal.SIGKILL else ["stopped", "stopped"]
    assert [part["status"] for part in found] == ["passed", *cut]
    assert page.read_text().count("| found |") == 2


def test_time_that_is_left_goes_to_the_next_part_and_no_part_takes_another_s(
    gpu: SimpleNamespace, tmp_path: Path
) -> None:
    chosen = [planted(gpu, "a", "", 30), planted(gpu, "b", "import time; time.sleep(3)", 1),
              planted(gpu, "c", "", 30)]  # fmt: skip
    found = reported(gpu, tmp_path, chosen, budget=61.5)
    assert found["b"]["status"] == "passed"
    assert found["b"]["limit"] > 20
    assert found["a"]["limit"] <= 30.5
    found = reported(gpu, tmp_path, [planted(gpu, "a", "", 30), planted(gpu, "b", "", 30)], budget=31.0)
    assert (found["a"]["status"], found["a"]["why"]) == ("skipped", "the time of all parts is used up")
    assert found["b"]["status"] == "passed"


def test_the_page_is_made_again_from_the_report(gpu: SimpleNamespace, tmp_path: Path) -> None:
    reported(gpu, tmp_path, [planted(gpu, "first", ROW)])
    page = tmp_path / "gpu.md"
    before = page.read_text()
    page.unlink()
    command = [sys.executable, "-m", "gpu.page", str(tmp_path / "gpu.json")]
    subprocess.run(command, cwd=ROOT / "benchmarks", check=True)
    assert page.read_text() == before
    assert "## first: planted" in before


def test_no_file_names_a_place_of_this_machine(gpu: SimpleNamespace, tmp_path: Path) -> None:
    code = f"print({str(ROOT / 'kernels' / 'x.py')!r}, {str(tmp_path / 'y')!r}, {sys.prefix!r}, '~')"
    found = reported(gpu, tmp_path, [planted(gpu, "first", code)])
    assert found["first"]["output"] == ["./kernels/x.py $OUT/y $PREFIX ~"]
    for name in ("gpu.json", "gpu.md"):
        text = (tmp_path / name).read_text()
        assert str(ROOT) not in text
        assert str(tmp_path) not in text


def test_rows_of_a_command_are_read_while_its_file_grows(gpu: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    assert gpu.rows.read_rows(path) == []
    path.write_text('{"a": 1}\n{"a": 2}\n{"a":')
    assert gpu.rows.read_rows(path) == [{"a": 1}, {"a": 2}]
    path.write_text('[{"a": 1}, {"a": 2}]\n')
    assert gpu.rows.read_rows(path) == [{"a": 1}, {"a": 2}]


def test_every_test_of_a_part_is_a_row(gpu: SimpleNamespace, tmp_path: Path) -> None:
    """Also where the suite clears the environment and captures the output."""
    command = (sys.executable, *gpu.parts._PYTEST, str(ROOT / "tests" / "test_layout.py"), "-m", "not gpu")
    part = gpu.process.Part("laws", "planted", lambda: command, 60, needs_gpu=False)
    found = reported(gpu, tmp_path, [part])["laws"]
    assert found["status"] == "passed", found["output"]
    assert len(found["rows"]) > 3
    assert {row["outcome"] for row in found["rows"]} == {"passed"}
    assert all(row["test"].startswith("test_layout.py::test_") for row in found["rows"])


def test_a_tool_that_is_not_there_is_named(gpu: SimpleNamespace, tmp_path: Path) -> None:
    absent = gpu.process.Part("x", "planted", lambda: ("/nowhere/compute-sanitizer", "y"), 5, needs_gpu=False)
    found = reported(gpu, tmp_path, [absent])
    assert found["x"]["status"] == "skipped"
    assert found["x"]["why"] == "compute-sanitizer is not on this machine"


@pytest.mark.skipif(gpu_obstacle() is None, reason="this machine has a GPU")
def test_without_a_gpu_every_part_says_so(gpu: SimpleNamespace, tmp_path: Path) -> None:
    chosen = gpu.parts.parts(tmp_path)[1:]
    found = reported(gpu, tmp_path, chosen, gpu.parts.BUDGET)
    assert found["card"]["status"] == "failed"
    for name, part in found.items():
        if name != "card":
            assert (part["status"], part["why"]) == ("skipped", gpu_obstacle())
    assert (tmp_path / "gpu.md").read_text().count(str(gpu_obstacle())) >= len(chosen)


def test_the_script_takes_names_of_parts_and_says_which_there_are(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", str(ROOT / "benchmarks" / "gpu.sh"), "nonsense"],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "OUT": "out", "PYTHON": sys.executable}, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert re.search("There is no part 'nonsense': name some of install, card, compile, ", done.stdout)


def test_training_and_the_gpu_tests_need_no_other_library(tmp_path: Path) -> None:
    """A machine without a registry: programs that draw, download and verify may be missing there."""
    blocked = "\n".join(["import sys", *(f"sys.modules[{name!r}] = None" for name in LEAN)])
    (tmp_path / "sitecustomize.py").write_text(blocked)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT / 'tests'}"}
    train = ["-c", "from vsmnp.cli import main; main()", "train", "--kernels", "reference", "--steps", "2",
             "--batch-size", "10", "--hidden", "3", "--out", "run"]  # fmt: skip
    collect = ["-m", "pytest", "-q", "-m", "gpu", "-o", "addopts=", "--import-mode=importlib",
               "--collect-only", "-p", "no:xdist", "-p", "no:cacheprovider",
               str(ROOT / "tests" / "test_cuda_card.py")]  # fmt: skip
    for arguments, word in ((train, "the run has no samples.png"), (collect, "tests collected")):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert word in done.stdout + done.stderr
    assert (tmp_path / "run" / "checkpoint.h5").exists()
    assert not (tmp_path / "run" / "samples.png").exists()
