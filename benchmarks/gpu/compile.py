"""Compile every module into CuPy's disk cache, as many at once as there are cores: `python -m gpu.compile`.

CuPy finds a compiled module by its source, options, architecture and compiler; the processes of later parts
find it by the same key and load it. The last row verifies this: after all are compiled, a new process loads
one module. `python -m gpu.compile TOPIC DTYPE` compiles one.
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

from vsmnp.kernels.cuda.source import REALS, TOPICS

from .rows import write_row

#: The fused steps take the longest, those of second order and of double precision most of all.
_LONGEST = ("step_joint", "step_second", "step")


def modules() -> list[tuple[str, str]]:
    """List every topic in every number type, the longest to compile first."""

    def rank(module: tuple[str, str]) -> tuple[int, str]:
        topic, dtype = module
        place = next((i for i, name in enumerate(_LONGEST) if topic.startswith(name)), len(_LONGEST))
        return place, dtype

    return sorted(((topic, str(dtype)) for topic, dtype in product(TOPICS, REALS)), key=rank)


def compile_one(topic: str, dtype: str) -> dict[str, Any]:
    """Compile and load a module in this process.

    Returns
    -------
    dict
        ``seconds`` of the module, and ``found``: whether it was in the cache.
    """
    import cupy
    from cupy.cuda import compiler

    from vsmnp.kernels.cuda.machine import OPTIONS
    from vsmnp.kernels.cuda.source import joined

    compiled: list[str] = []
    build = compiler._compile_using_nvrtc_no_warning

    def counted(*arguments: Any, **options: Any) -> Any:
        compiled.append(topic)
        return build(*arguments, **options)

    compiler._compile_using_nvrtc_no_warning = counted
    cupy.cuda.Device().use()
    cupy.zeros(1)
    compiled.clear()
    start = time.perf_counter()
    cupy.RawModule(code=joined(topic, dtype), options=OPTIONS).compile()
    return {"seconds": time.perf_counter() - start, "found": not compiled}


def _apart(topic: str, dtype: str) -> dict[str, Any]:
    """Return the row of a module that is compiled in a separate process."""
    done = subprocess.run(
        [sys.executable, "-m", "gpu.compile", topic, dtype], capture_output=True, text=True, check=False
    )
    row = {"topic": topic, "dtype": dtype}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        return {**row, "error": f"exit code {done.returncode}: {last}"}
    return {**row, **json.loads(done.stdout.splitlines()[-1])}


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
