"""Which kernel sets exist, which one a device wants, and how to get it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple, cast

from vsmnp.errors import ConfigError, DeviceError
from vsmnp.types import Kernels


class _Home(NamedTuple):
    """Where a kernel set is defined, and the device that it computes on."""

    module: str
    device: str


#: Every kernel set by name. On the CPU the module is the set; for a GPU its ``on_card(tf32)`` makes the set.
_HOMES = {
    "reference": _Home("reference.kernel_set", "cpu"),
    "cpu": _Home("cpu.kernel_set", "cpu"),
    "cuda": _Home("cuda.kernel_set", "gpu"),
    "numba-cuda": _Home("numba_cuda.kernel_set", "gpu"),
}
NAMES = tuple(_HOMES)
#: Kernel sets of any machine, and those that need an NVIDIA GPU.
ON_HOST = tuple(name for name, home in _HOMES.items() if home.device == "cpu")
ON_GPU = tuple(name for name, home in _HOMES.items() if home.device == "gpu")


@cache
def load(name: str, tf32: bool = False) -> Kernels:
    """Import a kernel set; the first import of ``cpu`` pulls in Numba, ``cuda`` waits for its first array.

    Parameters
    ----------
    name : str
        One of :data:`NAMES`.
    tf32 : bool
        Whether the products of a GPU round the factors to TF32.

    Raises
    ------
    ConfigError
        If there is no set of that name, or Numba is told not to compile the one that it compiles.
    """
    if name not in NAMES:
        raise ConfigError(f"There is no kernel set '{name}': choose one of {', '.join(NAMES)}.")
    if name == "cpu" and import_module("numba").config.DISABLE_JIT:
        raise ConfigError(
            "NUMBA_DISABLE_JIT is set, and the kernel set 'cpu' is compiled by Numba: unset it, or take "
            "--kernels reference."
        )
    module = import_module(f"vsmnp.kernels.{_HOMES[name].module}")
    return cast(Kernels, module.on_card(tf32) if name in ON_GPU else module)


def device_of(name: str) -> str:
    """``cpu`` or ``gpu``: where the set of that name runs."""
    return _HOMES[name].device


def choose(device: str, kernels: str, tf32: bool = False) -> str:
    """The kernel set for a device (auto, cpu or gpu) and a wish (auto or a name).

    ``auto`` is the CPU, even where there is a GPU: a command gives the same numbers on every machine unless
    it names another device.

    Raises
    ------
    ConfigError
        If the wish does not run on that device.
    DeviceError
        If the GPU is asked for and something that it needs is missing.
    """
    if device == "auto":
        device = "cpu" if kernels == "auto" else device_of(kernels)
    name = {"cpu": "cpu", "gpu": "cuda"}[device] if kernels == "auto" else kernels
    if device_of(name) != device:
        raise ConfigError(f"--kernels {name} does not run on --device {device}: leave out one of the two.")
    obstacle = gpu_obstacle(name, tf32) if device == "gpu" else None
    if obstacle:
        option = "--device gpu" if kernels == "auto" else f"--kernels {name}"
        raise DeviceError(f"{option} cannot be used: {obstacle}.")
    return name


def stand_in(name: str) -> str:
    """The set itself, or ``cpu`` where it needs a GPU that is not here: for whoever only reads a run."""
    return "cpu" if device_of(name) == "gpu" and gpu_obstacle(name) else name


#: Compute capability of the first cards whose matrix units know TF32.
TF32_SINCE = 80


def gpu_obstacle(name: str = "cuda", tf32: bool = False) -> str | None:
    """What a GPU run lacks here, and how to get it, in half a sentence; None where it lacks nothing."""
    try:
        import cupy
    except ImportError:
        return (
            "CuPy is not installed; pip install 'vsmnp[cuda13]' (or [cuda12] for an older driver), on a "
            "machine with an NVIDIA GPU"
        )
    if not cupy.cuda.is_available():
        return "no NVIDIA GPU or driver was found; run on a machine that has one, or on the CPU"
    if name == "numba-cuda" and not find_spec("numba_cuda"):
        return "it needs the package of that name; pip install numba-cuda"
    capability = int(cupy.cuda.Device().compute_capability)
    if tf32 and capability < TF32_SINCE:
        return (
            f"this GPU has the compute capability {capability / 10:.1f}, and --tf32 needs "
            f"{TF32_SINCE / 10:.1f}; leave it out"
        )
    return None
