"""Describe the machine of a measurement (processor or GPU, cores, versions), and choose its cores."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..errors import ConfigError
from ..runs.machine import processor

#: Environment variables that change the speed of products.
_CHOICES = ("OPENBLAS_CORETYPE", "NUMBA_CPU_NAME")
_PACKAGES = ("numpy", "numba", "cupy-cuda13x", "cupy-cuda12x", "torch", "jax")

#: Names of vector units by the feature that NumPy finds, the widest first.
_VECTORS = (("AVX512F", "AVX-512"), ("AVX2", "AVX2"), ("AVX", "AVX"), ("SVE", "SVE"), ("ASIMD", "NEON"),
            ("NEON", "NEON"), ("SSE2", "SSE2"), ("VSX", "VSX"))  # fmt: skip


def vectors() -> str:
    """Return the widest vector unit that NumPy finds, such as AVX2; empty if there is none."""
    found = getattr(import_module("numpy._core._multiarray_umath"), "__cpu_features__", {})
    return next((name for feature, name in _VECTORS if found.get(feature)), "")


def commit() -> str:
    """Return what ``git describe`` says of the checkout that runs; empty if it is none."""
    root = Path(__file__).resolve().parents[2]
    try:
        top = _git(root, "rev-parse", "--show-toplevel")
        return _git(root, "describe", "--always", "--dirty") if Path(top).resolve() == root else ""
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


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
