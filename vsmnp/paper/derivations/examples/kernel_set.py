"""Hold the kernel set on which the examples run: chosen once, before the first statement is loaded."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ....errors import ConfigError
from ....kernels import ON_GPU, load
from ....kernels.hosted import Hosted
from ....types import Array, DType, Kernels, Shape

#: The set that defines what the others compute.
DEFAULT = "reference"


class _WithHostArrays(Hosted):
    """A kernel set whose arrays all lie on the host: only its functions run on the device."""

    def asarray(self, x: Any, dtype: DType | None = None) -> Array:
        return np.array(x, dtype)

    def to_host(self, x: Array) -> Array:
        return np.asarray(x)

    def zeros(self, shape: Shape, dtype: DType) -> Array:
        return np.zeros(shape, dtype)


class _Choice:
    """The name of the set, and whether an example has used it."""

    name, used = DEFAULT, False


def choose(name: str) -> None:
    """Choose the kernel set of all examples; their results are kept, so it cannot change later.

    Raises
    ------
    ConfigError
        If there is no set of that name, or examples have run on another one.
    """
    load(name)
    if _Choice.used and name != _Choice.name:
        raise ConfigError(
            f"Statements have been checked on the kernel set {_Choice.name!r} in this process: check them on "
            f"{name!r} in another one."
        )
    _Choice.name = name


def kernels() -> Kernels:
    """Return the chosen kernel set; one of a GPU takes and returns arrays of the host."""
    _Choice.used = True
    k = load(_Choice.name)
    return cast(Kernels, _WithHostArrays(k)) if _Choice.name in ON_GPU else k
