"""List every part of `benchmarks/gpu.sh`, in order, with its command and its limit."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from .process import Part
from .record import ROOT
from .sizes import rehearsal

#: Seconds of all parts together, so that the whole fits a command limited to ten minutes.
BUDGET = 565.0
_MAIN = "from vsmnp.cli import main; main()"
_PYTEST = (
    "-m", "pytest", "-v", "-m", "gpu", "-o", "addopts=", "-o", "filterwarnings=default",
    "--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "gpu.pytest_rows",
    "--durations=10", "--tb=short",
)  # fmt: skip
#: Folder of the toolkit's programs if they are not on the path.
_TOOLKIT = "/usr/local/cuda/bin"


def parts(scratch: Path) -> list[Part]:
    """List all parts, prerequisites first; ``scratch`` is the folder in which commands start."""
    python = sys.executable

    def module(name: str, *arguments: str) -> Callable[[], Sequence[str]]:
        return lambda: (python, "-m", f"gpu.{name}", *arguments)

    def tests(*chosen: str) -> Callable[[], Sequence[str]]:
        return lambda: (python, *_PYTEST, *chosen)

    def vsmnp(*arguments: str) -> Callable[[], Sequence[str]]:
        return lambda: (*_script(), *arguments)

    train: tuple[str, ...] = ("train", "--objective", "m2", "--device", "gpu")
    rows = scratch / "bench.json"
    bench: tuple[str, ...] = ("bench", "--quick", "--device", "gpu", "--peer", _peer())
    evaluate: tuple[str, ...] = ("evaluate",)
    if rehearsal():
        train, evaluate = (*train, "--steps", "20", "--batch-size", "20"), (*evaluate, "--draws", "1000")
        bench = (*bench, "--suite", "steps", "--objective", "m2", "--inference", "kl", "--batch-size", "20")
    install = (python, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    card = str(ROOT / "tests" / "test_cuda_card.py")
    laws, steps = (f"not {_OF_STEPS}", _OF_STEPS)
    return [
        Part("install", "the tree, without a registry", lambda: install, 30, needs_gpu=False),
        Part("card", "card, driver and libraries", module("card"), 15, needs_gpu=False),
        Part("compile", "every module into the disk cache", module("compile"), 90),
        Part("train", "the headline command", vsmnp(*train), 60, shown=" ".join(("vsmnp", *train))),
        Part("evaluate", "the run of the headline command",
             lambda: (*_script(), *evaluate, _run(scratch)), 25,
             shown=" ".join(("vsmnp", *evaluate, "RUN"))),
        Part("tests of steps", "captured, fused and float32 steps against the reference",
             tests("-k", steps, card), 70),
        Part("tests of kernels", "the laws of every kernel", tests("-k", laws, card), 50),
        Part("timings", "launches, copies, products and steps", module("timings"), 60),
        Part("bench", "steps and kernels beside one peer", vsmnp(*bench, "--json", str(rows)), 60,
             shown=" ".join(("vsmnp", *bench)), rows=rows),
        Part("memcheck", "accesses outside an array, each array an allocation",
             lambda: (*_sanitizer("memcheck"), python, "-m", "gpu.tour"), 40),
        Part("racecheck", "races in shared memory",
             lambda: (*_sanitizer("racecheck"), python, "-m", "gpu.tour"), 30),
        Part("kernel times", "each kernel of a step between events", module("kernel_times"), 15),
        Part("profile", "counters of the fused step", lambda: (*_profiler(), python, "-m", "gpu.kernel_times",
             "once"), 15),
    ]  # fmt: skip


#: Tests of whole steps, selected by words of their names.
_OF_STEPS = "(step or steps)"


def _script() -> tuple[str, ...]:
    """Return the installed command `vsmnp`, or the same command through the interpreter."""
    script = Path(sysconfig.get_path("scripts")) / "vsmnp"
    return (str(script),) if script.exists() else (sys.executable, "-c", _MAIN)


def _peer() -> str:
    """Choose one peer whose framework is installed: bench refuses a named peer that is missing."""
    known = {"torch": "torch-eager", "jax": "jax-jit"}
    return next((peer for module, peer in known.items() if find_spec(module) is not None), "none")


def _run(scratch: Path) -> str:
    """Return the run that the part `train` wrote.

    Raises
    ------
    LookupError
        If it wrote none.
    """
    found = sorted((scratch / "runs").glob("*/checkpoint.h5"))
    if not found:
        raise LookupError("the headline command left no run")
    return str(found[-1].parent)


def _tool(name: str) -> str:
    return shutil.which(name) or os.path.join(_TOOLKIT, name)


def _sanitizer(tool: str) -> tuple[str, ...]:
    return _tool("compute-sanitizer"), "--error-exitcode=9", "--tool", tool


def _profiler() -> tuple[str, ...]:
    """Return the command of Nsight Compute, with unchanged clocks, on the kernels of the fused step."""
    return (
        _tool("ncu"), "--clock-control", "none",
        "--kernel-name", "regex:whole_step|step_part|step_sum|step_finish", "--launch-count", "8",
        "--section", "SpeedOfLight", "--section", "Occupancy", "--section", "LaunchStats",
    )  # fmt: skip
