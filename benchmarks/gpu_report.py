"""The parts of `benchmarks/gpu.sh`, each in a process of its own with a time limit, merged into two files.

    python benchmarks/gpu_report.py FOLDER

A part that cannot run is recorded with the reason, and the rest goes on; without a GPU every part says so.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: Seconds for all parts together.
BUDGET = 520.0
#: Lines of a part's output that are kept where it failed.
TAIL = 30
_MAIN = "from vsmnp.cli import main; main()"


@dataclass
class Part:
    """What a part is called, how it is run, and for how long at most.

    ``writes`` is a JSON file that it leaves; without one its standard output is kept as text.
    """

    name: str
    command: Sequence[str]
    seconds: float
    needs_gpu: bool = True
    writes: Path | None = None


@dataclass
class Record:
    """How a part went: ``passed``, ``failed``, ``out of time`` or ``skipped``."""

    name: str
    status: str
    seconds: float = 0.0
    why: str = ""
    result: Any = field(default=None)


def parts(scratch: Path) -> list[Part]:
    """All parts, the ones that others need first."""
    python = sys.executable
    marked = sorted(p for p in (ROOT / "tests").glob("test_*.py") if "mark.gpu" in p.read_text("utf-8"))
    pytest = [python, "-m", "pytest", "-q", "-m", "gpu", "-o", "addopts=", "-o", "filterwarnings=default",
              "--import-mode=importlib", "-p", "no:cacheprovider"]  # fmt: skip
    sanitizer = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    watch = [sanitizer, "--error-exitcode=9", "--tool"]
    tour = [python, "benchmarks/gpu_tour.py"]
    questions, bench = scratch / "questions.json", scratch / "bench.json"
    return [
        Part("questions", [python, "benchmarks/gpu_questions.py", str(questions)], 90, writes=questions),
        Part("tests", [*pytest, *map(str, marked)], 200),
        Part("bench", [python, "-c", _MAIN, "bench", "--device", "gpu", "--json", str(bench)], 150,
             writes=bench),
        Part("memcheck", [*watch, "memcheck", *tour], 80),
        Part("racecheck", [*watch, "racecheck", *tour], 80),
    ]  # fmt: skip


def install() -> Part:
    """The tree itself, editable, from nothing but what is here."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", "."]
    return Part("install", command, 60, needs_gpu=False)


def perform(part: Part, obstacle: str | None, left: float) -> Record:
    """Run a part within its limit and what is left of the budget."""
    if part.needs_gpu and obstacle:
        return Record(part.name, "skipped", why=obstacle)
    if left < 5:
        return Record(part.name, "skipped", why="the time for all parts is used up")
    if not Path(part.command[0]).exists():
        return Record(part.name, "skipped", why=f"{part.command[0]} is not there")
    start = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "TQDM_DISABLE": "1"}
    limit = min(part.seconds, left)
    process = subprocess.Popen(
        part.command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        output = process.communicate(timeout=limit)[0].strip().splitlines()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # a sanitizer has children
        process.communicate()
        return Record(part.name, "out of time", time.monotonic() - start, f"more than {limit:.0f} s")
    spent = time.monotonic() - start
    if process.returncode:
        return Record(part.name, "failed", spent, "\n".join(output[-TAIL:]))
    if part.writes is None:
        return Record(part.name, "passed", spent, result=output[-1] if output else "")
    try:
        return Record(part.name, "passed", spent, result=json.loads(part.writes.read_text("utf-8")))
    except (OSError, ValueError) as error:
        return Record(part.name, "failed", spent, f"it left no JSON: {error}")


def ask(code: str) -> Any:
    """What an expression of this tree is, in a process that sees the installed package."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "benchmarks", capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout) if not done.returncode else {"error": done.stderr.strip()[-400:]}


_OBSTACLE = "import json; from vsmnp.kernels import gpu_obstacle; print(json.dumps([gpu_obstacle()]))"
_CARD = """
import cupy, json
r, d = cupy.cuda.runtime, cupy.cuda.Device()
p = r.getDeviceProperties(d.id)
print(json.dumps({
    "card": p["name"].decode(), "compute capability": d.compute_capability,
    "multiprocessors": p["multiProcessorCount"], "memory GiB": round(p["totalGlobalMem"] / 2**30, 1),
    "shared memory of a block": p["sharedMemPerBlockOptin"], "driver": r.driverGetVersion(),
    "runtime": r.runtimeGetVersion(), "cupy": cupy.__version__,
}))
"""


def machine(obstacle: str | None) -> dict[str, Any]:
    """Where this ran."""
    here = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    return {**here, **(ask(_CARD) if not obstacle else {"gpu": obstacle}), "tf32": "off unless a row says so"}


def markdown(report: dict[str, Any]) -> str:
    """The same for people."""
    lines = ["# What a GPU settles", "", "`benchmarks/gpu.sh` on:", ""]
    lines += [f"- {name}: {value}" for name, value in report["machine"].items()]
    lines += ["", "| part | status | seconds | |", "|---|---|---|---|"]
    for part in report["parts"]:
        word = part["why"] or (part["result"] if isinstance(part["result"], str) else "")
        brief = word.splitlines()[-1] if word else ""
        lines.append(f"| {part['name']} | {part['status']} | {part['seconds']:.1f} | {brief} |")
    for part in report["parts"]:
        result = part["result"]
        if isinstance(result, dict):
            lines += ["", f"## {part['name']}", "", "| | |", "|---|---|"]
            lines += [f"| {name} | {value} |" for name, value in result.items()]
        elif isinstance(result, list) and result:
            columns = list(result[0])
            lines += ["", f"## {part['name']}", "", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
            lines += [f"| {' | '.join(str(row.get(c, '')) for c in columns)} |" for row in result]
        elif part["status"] == "failed":
            lines += ["", f"## {part['name']}", "", "```text", part["why"], "```"]
    return "\n".join([*lines, ""])


def main(folder: str) -> None:
    """Perform all parts and write both files."""
    start = time.monotonic()
    out = Path(folder)
    scratch = out / "parts"
    scratch.mkdir(parents=True, exist_ok=True)
    records = [perform(install(), None, BUDGET)]
    found = ask(_OBSTACLE)
    obstacle = found[0] if isinstance(found, list) else f"vsmnp cannot be imported: {found['error']}"
    for part in parts(scratch):
        print(f"{part.name} ...", flush=True)
        records.append(perform(part, obstacle, BUDGET - (time.monotonic() - start)))
        print(f"{part.name}: {records[-1].status} {records[-1].why}", flush=True)
    report = {"machine": machine(obstacle), "parts": [asdict(record) for record in records]}
    (out / "gpu.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (out / "gpu.md").write_text(markdown(report), encoding="utf-8")
    shutil.rmtree(scratch)
    print(f"{out / 'gpu.json'}\n{out / 'gpu.md'}")


if __name__ == "__main__":
    main(sys.argv[1])
