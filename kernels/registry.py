"""The table of kernel sets: choose the set of a device, check that it can run, and import it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple, cast

from vsmnp.errors import ConfigError, DeviceError, LibraryError, member_of
from vsmnp.types import Kernels


class _Place(NamedTuple):
    """The module that defines a kernel set, and the device that it runs on."""

    module: str
    device: str


#: All kernel sets by name. On a GPU the module's ``on_card(tf32)`` makes the set; on the CPU the set is the
#: module's ``KERNELS``, or the module itself.
_SETS = {
    "reference": _Place("reference.kernel_set", "cpu"),
    "cpu": _Place("cpu.kernel_set", "cpu"),
    "cuda": _Place("cuda.kernel_set", "gpu"),
    "numba-cuda": _Place("numba_cuda.kernel_set", "gpu"),
}
NAMES = tuple(_SETS)
#: Kernel sets that run on any machine, and those that need an NVIDIA GPU.
ON_HOST = tuple(name for name, place in _SETS.items() if place.device == "cpu")
ON_GPU = tuple(name for name, place in _SETS.items() if place.device == "gpu")


@cache
def load(name: str, tf32: bool = False) -> Kernels:
    """Import a kernel set; ``cpu`` imports Numba with it, ``cuda`` needs the GPU only at its first array.

    Parameters
    ----------
    name : str
        One of :data:`NAMES`.
    tf32 : bool
        Whether matrix products on a GPU round their factors to TF32.

    Raises
    ------
    ConfigError
        If there is no set of that name, or the set is ``cpu`` and NUMBA_DISABLE_JIT is set.
    LibraryError
        If the set is ``cpu`` and Numba cannot be imported.
    """
    member_of(_SETS, "kernel set", name)
    try:
        is_interpreted = name == "cpu" and import_module("numba").config.DISABLE_JIT
    except ImportError as error:
        raise LibraryError(
            f"The kernel set 'cpu' is compiled by Numba, which cannot be imported ({error}): pip install "
            "numba, or take --kernels reference."
        ) from error
    if is_interpreted:
        raise ConfigError(
            "NUMBA_DISABLE_JIT is set, and the kernel set 'cpu' is compiled by Numba: unset it, or take "
            "--kernels reference."
        )
    module = import_module(f"vsmnp.kernels.{_SETS[name].module}")
    return cast(Kernels, module.on_card(tf32) if name in ON_GPU else getattr(module, "KERNELS", module))


def device_of(name: str) -> str:
    """Return ``cpu`` or ``gpu``, the device on which the set of that name runs."""
    return _SETS[name].device


def choose(device: str, kernels: str, tf32: bool = False) -> str:
    """Choose the kernel set from the device (auto, cpu or gpu) and the kernels option (auto or a name).

    ``auto`` is the CPU, even where there is a GPU: a command gives the same numbers on every machine unless
    it names another device.

    Raises
    ------
    ConfigError
        If the named set does not run on that device.
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
    """Return the set, or ``cpu`` if it needs a GPU that is missing; enough for commands that read a run."""
    return "cpu" if device_of(name) == "gpu" and gpu_obstacle(name) else name


#: Compute capability (times ten) of the first GPUs whose matrix units support TF32.
TF32_SINCE = 80


def gpu_obstacle(name: str = "cuda", tf32: bool = False) -> str | None:
    """Describe in half a sentence what a GPU run lacks and how to get it; None if it lacks nothing."""
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
