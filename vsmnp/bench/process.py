"""Run the separate process of a measurement: ``python -m vsmnp.bench.process REQUEST``."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

from ..errors import VsmnpError
from ..kernels.cpu.allocator import keep_freed_memory
from . import ensembles, memory
from .machine import use_cores


def _end_with_standard_input() -> None:
    """End this process when standard input closes, that is, when its parent has ended."""
    while os.read(0, 1):
        pass
    os._exit(1)


def main() -> None:
    """Run the request in the first argument, print one line of JSON; end when standard input closes."""
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    request: Mapping[str, Any] = json.loads(sys.argv[1])
    if request["cores"]:
        use_cores(request["cores"])
    keep_freed_memory()
    measure = {"peak": memory.measure, "ensemble": ensembles.measure}[request["kind"]]
    try:
        print(json.dumps({"result": measure(request)}))
    except VsmnpError as error:
        print(json.dumps({"error": str(error)}))


if __name__ == "__main__":
    main()
