"""Test the ``numba-cuda`` set: its kernels in Numba's simulator, and its place among the sets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from vsmnp.kernels import load
from vsmnp.kernels.formulas import scalar

TESTS = Path(__file__).parent


def test_kernels_agree_with_the_reference_in_the_simulator() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--no-header",
               str(TESTS / "simulated_numba_cuda.py")]  # fmt: skip
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(
        command, env=environment, cwd=TESTS.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


def test_it_has_every_kernel_of_the_cuda_set() -> None:
    public = {name for name in dir(load("cuda")) if not name.startswith("_")}
    assert public <= set(dir(load("numba-cuda")))
    assert load("numba-cuda").name == "numba-cuda"


def test_the_formulas_stay_plain_python() -> None:
    """The sources of the card's kernels are the sources of the CPU's kernels."""
    assert scalar.adam_moments(1.0, 2.0, 3.0, 0.5, 0.25) == (2.0, 3.75)
