"""Replace CuPy's modules of kernels by ones that check arguments, which CUDA itself cannot do.

A card reads as many bytes at a launch as the kernel declares. The libraries here store their declarations, so
that a launch with other arguments raises an error.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

#: Types as which CuPy passes numbers of Python.
_PYTHON = {bool: "b1", int: "i8", float: "f8"}


def checked(raw_module: Any, driver: ctypes.CDLL) -> Any:
    """Derive from ``cupy.RawModule`` a class whose kernels check their arguments."""
    driver.cuda_on_cpu_signature.restype = ctypes.c_char_p

    class CheckedModule(raw_module):  # type: ignore[misc]
        """A module whose kernels check their arguments."""

        def get_function(self, name: str) -> CheckedKernel:
            return CheckedKernel(super().get_function(name), driver)

    return CheckedModule


class CheckedKernel:
    """A kernel of CuPy that checks its arguments.

    Raises
    ------
    TypeError
        If the arguments of a launch differ from the declared ones.
    """

    def __init__(self, kernel: Any, driver: ctypes.CDLL) -> None:
        vars(self).update(_kernel=kernel, _driver=driver, _wanted=None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernel, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._kernel, name, value)

    def __call__(self, grid: Any, block: Any, arguments: Any, **how: Any) -> None:
        if self._wanted is None:
            function = ctypes.c_void_p(self._kernel.kernel.ptr)
            vars(self)["_wanted"] = self._driver.cuda_on_cpu_signature(function).decode().split(";")[:-1]
        given = list(map(_letters, arguments))
        plain = [word.replace("out ", "in ") for word in self._wanted]
        if given != plain:
            raise TypeError(
                f"{self._kernel.name} takes {_words(self._wanted)}; it was given {_words(given)}."
            )
        self._kernel(grid, block, arguments, **how)


def _letters(argument: Any) -> str:
    """Return the type of an argument as ``cushim.hpp`` writes that of a parameter."""
    if type(argument) in _PYTHON:
        return _PYTHON[type(argument)]
    letters = f"{argument.dtype.kind}{argument.dtype.itemsize}"
    return letters if isinstance(argument, np.generic) else f"in {letters}"


def _words(letters: list[str]) -> str:
    return ", ".join(letters)
