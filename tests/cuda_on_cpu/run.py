"""Run Python with real CuPy on a CUDA whose device is host memory: what follows is what ``python`` would be given.

``python tests/cuda_on_cpu/run.py -m vsmnp train --device gpu``; processes that are started from there are on it too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from cuda_on_cpu.build import Unavailable, folder  # noqa: E402


def environment() -> dict[str, str]:
    """The environment of a process that is to find the device.

    Raises
    ------
    Unavailable
        If it cannot be built here.
    """
    paths = [str(HERE / "hook"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "CUDA_ON_CPU": str(folder()), "PYTHONPATH": os.pathsep.join(paths)}


if __name__ == "__main__":
    try:
        prepared = environment()
    except Unavailable as reason:
        sys.exit(f"CuPy cannot be run without a card: {reason}")
    os.execve(sys.executable, [sys.executable, *sys.argv[1:]], prepared)
