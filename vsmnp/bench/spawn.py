"""Run a measurement in a fresh process with its own memory, thread count and cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ConfigError
from ..settings.thread_variables import LINEAR_ALGEBRA, NUMBA


def run(request: Mapping[str, Any], cores: Sequence[int], threads: int) -> Any:
    """Run a request in a fresh process and return its result; both are passed as JSON.

    The linear algebra has one thread: the engine distributes models over Numba's ``threads``.

    Raises
    ------
    ConfigError
        If the measurement failed; the message is that of the process.
    """
    environment = {**os.environ, **dict.fromkeys(LINEAR_ALGEBRA, "1"), NUMBA: str(threads)}
    read_end, write_end = os.pipe()  # closes when this process ends in any way
    try:
        done = subprocess.run(
            [sys.executable, "-m", "vsmnp.bench.process", json.dumps({**request, "cores": list(cores)})],
            env=environment, stdin=read_end, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(read_end)
        os.close(write_end)
    lines = done.stdout.strip().splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        last = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
        raise ConfigError(
            f"The process of a measurement ended with code {done.returncode} ({last}): run it again, with a "
            "smaller --batch-size if the memory was too small."
        ) from error
    if "error" in answer:
        raise ConfigError(answer["error"])
    return answer["result"]
