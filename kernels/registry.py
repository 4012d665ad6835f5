"""Which kernel sets exist, which one a device wants, and how to get it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from vsmnp.errors import ConfigError, DeviceError
from vsmnp.types import Kernels

#: Every kernel set by name.
NAMES = ("reference", "cpu")


@cache
def load(name: str) -> Kernels:
    """Import a kernel set; the first import of ``cpu`` pulls in Numba.

    Raises
    ------
    ConfigError
        If there is no set of that name.
    """
    if name not in NAMES:
        raise ConfigError(f"There is no kernel set '{name}': choose one of {', '.join(NAMES)}.")
    return cast(Kernels, import_module(f"vsmnp.kernels.{name}"))


def choose(device: str, kernels: str) -> str:
    """The kernel set for a device (auto, cpu or gpu) and a wish (auto or a name).

    Raises
    ------
    DeviceError
        If the GPU is asked for and something that it needs is missing.
    """
    if device == "gpu":
        raise DeviceError(f"--device gpu cannot be used: {gpu_obstacle()}")
    return "cpu" if kernels == "auto" else kernels


def gpu_obstacle() -> str:
    """What a GPU run lacks here, and how to get it, in one sentence."""
    later = "(and the CUDA kernels come in a later version: use --device cpu until then)"
    try:
        import cupy
    except ImportError:
        return (
            "CuPy is not installed: pip install 'vsmnp[cuda13]' (or [cuda12] for an older driver), on a "
            f"machine with an NVIDIA GPU {later}."
        )
    if not cupy.cuda.is_available():
        return f"no NVIDIA GPU or driver was found: run on a machine that has one {later}."
    return "this version has no CUDA kernels yet: use --device cpu."
