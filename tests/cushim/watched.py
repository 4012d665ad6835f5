"""Run kernels under a sanitizer, in a separate process: `python -m cushim.watched FOLDER SANITIZER WHAT`."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from vsmnp.kernels.cuda.source import REALS, STEPS, TOPICS, joined

from .planted import WATCHED
from .runner import FLAGS, MISSING, ShimLauncher, build
from .sets import Geometry, kernel_set
from .tour import fused_settings, fused_trainer, tour

#: The geometry of the tour.
TOURED = Geometry(64, 2, 1, 1)
RUNTIMES = {"thread": "libtsan.so", "address": "libasan.so"}


def watch(folder: Path, sanitizer: str, what: str) -> subprocess.CompletedProcess[str]:
    """Run the tour, or a planted fault, under a sanitizer: ``thread`` or ``address``.

    Raises
    ------
    RuntimeError
        If there is no compiler.
    """
    try:
        found = subprocess.run(
            ["g++", f"-print-file-name={RUNTIMES[sanitizer]}"], capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise RuntimeError(MISSING) from None
    for source in _sources(folder, sanitizer) if what == "tour" else [WATCHED[what]]:
        build(source, folder, _flags(sanitizer))  # here, so that the compiler itself is not watched
    environment = {
        **os.environ,
        "LD_PRELOAD": found.stdout.strip(),
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "PYTHONMALLOC": "malloc",
        "TSAN_OPTIONS": "halt_on_error=1 exitcode=66",
        "ASAN_OPTIONS": "detect_leaks=0 halt_on_error=1 exitcode=66",
    }
    command = [sys.executable, "-m", "cushim.watched", str(folder), sanitizer, what]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _dtypes(sanitizer: str) -> tuple[np.dtype[Any], ...]:
    """Choose dtypes: bounds depend on sizes in bytes; races do not, and their detector is slow."""
    return tuple(REALS) if sanitizer == "address" else (np.dtype(np.float32),)


def _sources(folder: Path, sanitizer: str) -> list[str]:
    """List the sources of the tour: those of all topics, and those of its fused steps."""
    topics = [topic for topic in TOPICS if topic not in STEPS]
    found = [joined(*pair) for pair in product(topics, _dtypes(sanitizer))]
    k = kernel_set(ShimLauncher(folder), TOURED)
    for dtype in _dtypes(sanitizer):
        steps = [fused_trainer(k, settings)[1] for settings in fused_settings(dtype)]
        found += [source for step in steps for source in step.sources()]
    return found


def _flags(sanitizer: str) -> tuple[str, ...]:
    return (*FLAGS, "-g", f"-fsanitize={sanitizer}")


def main(folder: str, sanitizer: str, what: str) -> None:
    """Run the work under the sanitizer that this process was started with."""
    launcher = ShimLauncher(Path(folder), flags=_flags(sanitizer), guarded=False)
    if what == "tour":
        tour(kernel_set(launcher, TOURED), _dtypes(sanitizer))
    else:
        x, out = np.ones(64, np.float32), np.ones(64, np.float32)
        blocks = 2 if what == "collision" else 1
        launcher.compile(WATCHED[what]).launch("faulty", (blocks,), (64,), [x, out])
    print("finished")


if __name__ == "__main__":
    main(*sys.argv[1:])
