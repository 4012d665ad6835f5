"""Describe the machine that computes a result: its processor, its vector instructions and its cores."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

#: Vector instructions, the widest first, by their names in ``/proc/cpuinfo``.
_VECTORS = ("avx512f", "avx2", "avx", "sse4_2", "sve", "asimd")


def _cpuinfo(field: str) -> str:
    """Read the first field of that name; empty where the system has no such file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    found = (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == field)
    return next(found, "")


def processor() -> str:
    """Return the processor's name as given by its maker."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def vector_instructions() -> str:
    """Return the widest vector instructions of the processor; empty where they are not known."""
    known = set((_cpuinfo("flags") or _cpuinfo("Features")).split())
    return next((name for name in _VECTORS if name in known), "")


def machine() -> dict[str, Any]:
    """Return processor, architecture, vector instructions and number of cores by name."""
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "instructions": vector_instructions(),
        "cores": os.cpu_count(),
    }
