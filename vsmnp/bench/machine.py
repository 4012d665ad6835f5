"""Describe the machine of a measurement (processor or GPU, cores, versions), and choose its cores."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from ..errors import ConfigError
from ..runs.machine import processor

#: Environment variables that change the speed of products.
_CHOICES = ("OPENBLAS_CORETYPE", "NUMBA_CPU_NAME")
_PACKAGES = ("numpy", "numba", "cupy-cuda13x", "cupy-cuda12x", "torch", "jax")


def cores() -> list[int]:
    """Return the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))


def use_cores(which: Iterable[int]) -> None:
    """Restrict the process to these cores, if the system supports it; frameworks then count only them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, which)


def choose_cores(threads: int) -> list[int]:
    """Return the last ``threads`` cores, because the first one serves most interrupts.

    Raises
    ------
    ConfigError
        If the process has fewer cores.
    """
    free = cores()
    if threads > len(free):
        raise ConfigError(f"--threads {threads} exceeds the {len(free)} cores of this process: lower it.")
    return free[-threads:]


def card() -> str:
    """Return the name of the GPU."""
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return str(properties["name"].decode())


def describe() -> str:
    """Describe processor, cores, system, Python, package versions and their options in one line."""
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
