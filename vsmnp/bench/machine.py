"""Where a measurement was made: processor or card, cores, versions; and which cores it may use."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..errors import ConfigError

#: Of the environment, that make products faster or slower.
_CHOICES = ("OPENBLAS_CORETYPE", "NUMBA_CPU_NAME")
_PACKAGES = ("numpy", "numba", "cupy-cuda13x", "cupy-cuda12x", "torch", "jax")


def cores() -> list[int]:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))


def use_cores(which: Iterable[int]) -> None:
    """Stay on these cores, where the system can be told: every framework then counts only them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, which)


def choose_cores(threads: int) -> list[int]:
    """The last ``threads`` cores: the first one serves most interrupts.

    Raises
    ------
    ConfigError
        If there are fewer.
    """
    free = cores()
    if threads > len(free):
        raise ConfigError(f"--threads {threads} exceeds the {len(free)} cores of this process: lower it.")
    return free[-threads:]


def processor() -> str:
    """The processor's name, as its maker writes it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def card() -> str:
    """The GPU's name."""
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return str(properties["name"].decode())


def describe() -> str:
    """One line: processor, cores, system, Python, the packages that matter and what is chosen for them."""
    parts = [
        f"{processor()}, {os.cpu_count()} cores",
        platform.system(),
        f"Python {platform.python_version()}",
    ]
    for package in _PACKAGES:
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    parts += [f"{name}={os.environ[name]}" for name in _CHOICES if os.environ.get(name)]
    return ", ".join(parts)
