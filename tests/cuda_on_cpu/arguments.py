"""CuPy's modules of kernels with arguments that are checked, which CUDA itself cannot do.

A card reads as many bytes behind a launch as the kernel declares. The libraries here know what they declare,
so that a launch with other arguments is refused.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

#: How CuPy passes Python's own numbers.
_PYTHON = {bool: "b1", int: "i8", float: "f8"}


def checked(raw_module: Any, driver: ctypes.CDLL) -> Any:
    """The class ``cupy.RawModule`` with kernels that look at their arguments."""
    driver.cuda_on_cpu_signature.restype = ctypes.c_char_p

    class CheckedModule(raw_module):  # type: ignore[misc]
        """A module whose kernels look at their arguments."""

        def get_function(self, name: str) -> CheckedKernel:
            return CheckedKernel(super().get_function(name), driver)

    return CheckedModule


class CheckedKernel:
    """A kernel of CuPy that looks at its arguments.

    Raises
    ------
    TypeError
        If it is launched with others than it takes.
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
    """The type of an argument as ``cushim.hpp`` writes that of a parameter."""
    if type(argument) in _PYTHON:
        return _PYTHON[type(argument)]
    letters = f"{argument.dtype.kind}{argument.dtype.itemsize}"
    return letters if isinstance(argument, np.generic) else f"in {letters}"


def _words(letters: list[str]) -> str:
    return ", ".join(letters)
