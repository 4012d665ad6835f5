"""Run programs on the device from a test; return their output, their files and the driver's counters."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

#: Runs command lines one after another; evaluations use fewer draws than usual, because a draw is slow here.
_COMMANDS = """
import json, sys
import vsmnp.cli.results
from vsmnp.cli import main
vsmnp.cli.results.PRIOR_DRAWS, vsmnp.cli.results.IWAE_SAMPLES = 200, 2
for arguments in json.loads(sys.argv[1]):
    main(arguments, standalone_mode=False)
"""
#: Precedes commands whose steps are launched one by one.
_LAUNCHED = """
from vsmnp.kernels.cuda.machine import CupyLauncher
CupyLauncher.recorder = lambda self: None
"""


@dataclass
class Device:
    """Starter of processes that use the device.

    Parameters
    ----------
    environment : dict
        Environment that ``run.py`` returns.
    folder : Path
        Working folder of the processes.
    """

    environment: dict[str, str]
    folder: Path

    def python(self, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run Python to its end, whatever its exit status."""
        environment = {**self.environment, "CUDA_ON_CPU_REPORT": str(self.folder / "report.jsonl")}
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=environment, capture_output=True,
            text=True, check=False, timeout=timeout,
        )  # fmt: skip

    def program(self, text: str) -> str:
        """Run a program that must succeed, and return its output."""
        done = self.python("-c", text)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def vsmnp(self, *commands: Sequence[str], launched: bool = False) -> str:
        """Run command lines one after another in one process; ``launched``: without capturing a step."""
        text = (_LAUNCHED if launched else "") + _COMMANDS
        done = self.python("-c", text, json.dumps([list(map(str, command)) for command in commands]))
        assert done.returncode == 0, done.stderr[-4000:]
        assert "[cuda on cpu]" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    def points(self) -> str:
        """Write a small file of points in the plane."""
        np.save(self.folder / "points.npy", np.random.default_rng(0).standard_normal((60, 2)))
        return "points.npy"

    def counts(self) -> Counter[str]:
        """Return the counters of the driver, over all processes so far."""
        lines = (self.folder / "report.jsonl").read_text().splitlines()
        return sum((Counter(json.loads(line)) for line in lines), Counter())


def arrays(run: Path) -> dict[str, Any]:
    """Read every array of real numbers in a run's checkpoint, by name."""
    found = {}
    with h5py.File(run / "checkpoint.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if _real(item) else None)
    return found


def _real(item: Any) -> bool:
    return isinstance(item, h5py.Dataset) and item.dtype.kind == "f"


def assert_equal(run: Path, other: Path) -> None:
    """Check that two runs ended with the same numbers, bit for bit."""
    ours, theirs = arrays(run), arrays(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def assert_close(run: Path, other: Path, tolerance: float = 1e-12) -> None:
    """Check that two runs ended with numbers equal up to a fraction of the largest of each array."""
    ours, theirs = arrays(run), arrays(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        scale = np.abs(theirs[name]).max(initial=0)
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=tolerance * scale, err_msg=name)
