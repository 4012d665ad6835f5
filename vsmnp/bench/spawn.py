"""Run a measurement in a fresh process with its own memory, thread count and cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ConfigError, VsmnpError

_POOLS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def run(order: Mapping[str, Any], cores: Sequence[int], threads: int) -> Any:
    """Run an order in a fresh process and return its result; both are passed as JSON.

    The linear algebra has one thread: the engine distributes models over Numba's ``threads``.

    Raises
    ------
    ConfigError
        If the measurement failed; the message is that of the process.
    """
    environment = {**os.environ, **dict.fromkeys(_POOLS, "1"), "NUMBA_NUM_THREADS": str(threads)}
    lifeline, held = os.pipe()  # closes when this process ends in any way
    try:
        done = subprocess.run(
            [sys.executable, "-m", "vsmnp.bench.process", json.dumps({**order, "cores": list(cores)})],
            env=environment, stdin=lifeline, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(lifeline)
        os.close(held)
    lines = done.stdout.strip().splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        last = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
        raise ConfigError(
            f"The process of a measurement ended with code {done.returncode}: {last}"
        ) from error
    if "error" in answer:
        raise ConfigError(answer["error"])
    return answer["result"]


def answer_of(measure: Any, order: Mapping[str, Any]) -> str:
    """Return the line that the process prints: the result of ``measure``, or its error message."""
    try:
        return json.dumps({"result": measure(order)})
    except VsmnpError as error:
        return json.dumps({"error": str(error)})
