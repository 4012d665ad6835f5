"""Compare the memory that settings ask for with that of the machine, before any of it is allocated."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ..model.vae import GaussianVAE
from ..settings.settings import Settings

#: Bytes that no machine has: more than these are refused whatever the device is.
_NEVER = 2**50
#: Where Linux tells the limit of the group that a process is in.
_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory_of_machine() -> int:
    """Return the most bytes of memory that a process of this machine can have, or 2^50 if that is unknown."""
    found = _NEVER
    with suppress(ValueError, OSError, AttributeError):
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(ValueError, OSError):
        found = min(found, int(_LIMIT.read_text()))
    return found


def require_memory(
    settings: Settings, model: GaussianVAE, on_host: bool, in_tiles: Callable[[], bool]
) -> None:
    """Check that the machine has the memory of the parameters and of one array of samples.

    The bytes counted are fewer than those of a training: all parameters four times, which are themselves,
    their gradients and two moments, and ``R S N max(D, Z)`` numbers where all samples are in memory at once.

    Parameters
    ----------
    settings : Settings
        The settings of the run.
    model : GaussianVAE
        The model, of which no parameter is allocated yet.
    on_host : bool
        Whether the arrays are in the memory of the machine, and not of a device.
    in_tiles : callable
        Returns whether a fused step has only a part of its samples in memory; called if it matters.

    Raises
    ------
    ConfigError
        If it has not.
    """
    size, models = np.dtype(settings.dtype).itemsize, len(settings.seeds)
    parameters = 4 * models * size * (int(model.phi_layout.count) + int(model.theta_layout.count))
    samples = models * settings.samples * settings.batch_size * max(model.d_x, settings.latent) * size
    has = memory_of_machine() if on_host else _NEVER
    if parameters > has:
        raise _too_much(parameters, has, "the parameters take", "--hidden, --latent, --width or --seeds")
    if samples > _NEVER or (samples > has and not in_tiles()):
        raise _too_much(samples, has, "the samples of a step take", "--samples, --batch-size or --seeds")


def _too_much(wanted: int, has: int, what: str, options: str) -> ConfigError:
    """Build the error for settings that ask for too much memory."""
    return ConfigError(
        f"With these settings {what} at least {min(wanted, 10**30) / 2**30:.3g} GiB of memory, and the "
        f"machine has {has / 2**30:.3g}: lower one of {options}."
    )
