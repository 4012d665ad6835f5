"""Run Python with real CuPy on a CUDA whose device is host memory; arguments are those of ``python``.

``python tests/cuda_on_cpu/run.py "$(command -v vsmnp)" train --device gpu``; processes that it starts use the
device, too. ``--build`` alone builds the missing libraries and prints their folder.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path.append(str(HERE.parent))

from cuda_on_cpu.build import kernels, libraries, runtime  # noqa: E402
from cuda_on_cpu.commands import Unavailable  # noqa: E402


def environment() -> dict[str, str]:
    """Return the environment of a process that uses the device.

    Raises
    ------
    Unavailable
        If the device cannot be built on this machine.
    """
    places = os.pathsep.join(map(str, (libraries(), runtime(), kernels())))
    paths = [str(HERE / "hook"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "CUDA_ON_CPU": places, "PYTHONPATH": os.pathsep.join(paths)}


def main(arguments: list[str]) -> None:
    """Replace this process by the Python of the arguments."""
    began = time.monotonic()
    try:
        prepared = environment()
    except Unavailable as reason:
        sys.exit(f"CuPy cannot be run without a card: {reason}")
    if arguments == ["--build"]:
        print(f"{prepared['CUDA_ON_CPU']}\nready after {time.monotonic() - began:.1f} s")
        return
    os.execve(sys.executable, [sys.executable, *arguments], prepared)


if __name__ == "__main__":
    main(sys.argv[1:])
