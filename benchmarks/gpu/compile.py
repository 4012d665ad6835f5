"""Compile every module into CuPy's disk cache, as many at once as there are cores: `python -m gpu.compile`.

The modules of a fused step are compiled for each shape, those of the steps of `steps.py`.

CuPy finds a compiled module by its source, options, architecture and compiler; the processes of later parts
find it by the same key and load it. The last row verifies this: after all are compiled, a new process loads
one module. `python -m gpu.compile TOPIC DTYPE` compiles one, and `python -m gpu.compile fused INDEX` those
of a step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import product
from typing import Any

from vsmnp.kernels.cuda.source import REALS, STEPS, TOPICS

from .rows import write_row
from .steps import settings_of_steps

#: The topic of the modules of a fused step, in place of a number type with the index of its settings.
FUSED = "fused"


def modules() -> list[tuple[str, str]]:
    """List the fused steps, which take the longest to compile, and every other topic in every number type."""
    steps = [(FUSED, str(index)) for index in range(len(settings_of_steps()))]
    others = [topic for topic in TOPICS if topic not in STEPS]
    return steps + [(topic, str(dtype)) for topic, dtype in product(others, REALS)]


def _sources(topic: str, which: str) -> list[str]:
    """Return the sources of a topic in a number type, or of a fused step."""
    from vsmnp.kernels.cuda.source import joined

    if topic != FUSED:
        return [joined(topic, which)]
    from cushim.tour import fused_trainer

    from vsmnp.kernels import load

    return fused_trainer(load("cuda"), settings_of_steps()[int(which)])[1].sources()  # type: ignore[arg-type]


def compile_one(topic: str, which: str) -> dict[str, Any]:
    """Compile and load a module, or those of a fused step, in this process.

    Returns
    -------
    dict
        ``seconds`` of compiling, and ``found``: whether all was in the cache.
    """
    import cupy
    from cupy.cuda import compiler

    from vsmnp.kernels.cuda.machine import OPTIONS

    compiled: list[str] = []
    build = compiler._compile_using_nvrtc_no_warning

    def counted(*arguments: Any, **options: Any) -> Any:
        compiled.append(topic)
        return build(*arguments, **options)

    compiler._compile_using_nvrtc_no_warning = counted
    cupy.cuda.Device().use()
    cupy.zeros(1)
    sources = _sources(topic, which)
    compiled.clear()
    start = time.perf_counter()
    for source in sources:
        cupy.RawModule(code=source, options=OPTIONS).compile()
    return {"seconds": time.perf_counter() - start, "found": not compiled}


def _apart(topic: str, which: str) -> dict[str, Any]:
    """Return the row of a module that is compiled in a separate process."""
    done = subprocess.run(
        [sys.executable, "-m", "gpu.compile", topic, which], capture_output=True, text=True, check=False
    )
    row = {"topic": topic, "dtype": which} if topic != FUSED else _named(which)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        return {**row, "error": f"exit code {done.returncode}: {last}"}
    return {**row, **json.loads(done.stdout.splitlines()[-1])}


def _named(which: str) -> dict[str, Any]:
    """Name a fused step by its settings."""
    chosen = settings_of_steps()[int(which)]
    widths = ",".join(map(str, chosen.hidden))
    return {"topic": f"{FUSED} {chosen.objective} {chosen.inference} {widths}", "dtype": chosen.dtype}


def _rows() -> Iterator[dict[str, Any]]:
    """Yield one row for each module when it is compiled, and one that shows that the cache is found."""
    wanted = modules()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done in as_completed([pool.submit(_apart, *module) for module in wanted]):
            yield done.result()
    again = _apart(*wanted[0])
    if not again.get("found"):
        again["error"] = again.get("error") or "it was compiled again: the cache was not found"
    yield {**again, "topic": f"{again['topic']}, again"}


def main() -> int:
    """Compile all modules; return 1 if any failed."""
    failed = 0
    for row in _rows():
        write_row(**row)
        failed += "error" in row
    print(f"{failed} of {len(modules()) + 1} failed")
    return int(failed > 0)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(compile_one(sys.argv[1], sys.argv[2])))
    else:
        sys.exit(main())
