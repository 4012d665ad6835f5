"""The separate process of a measurement: ``python -m vsmnp.bench.process ORDER``."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

from ..kernels.cpu.allocator import keep_freed_memory
from . import ensembles, memory
from .machine import use_cores
from .spawn import answer_of


def _end_with_standard_input() -> None:
    """End this process when standard input closes, that is, when its parent has ended."""
    while os.read(0, 1):
        pass
    os._exit(1)


def main() -> None:
    """Run the order in the first argument and print one line of JSON; end when standard input closes."""
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    order: Mapping[str, Any] = json.loads(sys.argv[1])
    if order["cores"]:
        use_cores(order["cores"])
    keep_freed_memory()
    print(answer_of({"peak": memory.measure, "ensemble": ensembles.measure}[order["kind"]], order))


if __name__ == "__main__":
    main()
