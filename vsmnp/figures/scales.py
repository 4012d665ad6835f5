"""A scale that shows all the values: linear, or logarithmic where they span decades."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..types import Array


class SetScale(Protocol):
    """The method ``set_xscale`` or ``set_yscale`` of axes."""

    def __call__(self, value: str, **parameters: float) -> None:
        """Choose the scale."""


def fit_scale(set_scale: SetScale, values: Array, typical: float, wide: float) -> None:
    """Choose a logarithmic axis if some magnitude is more than ``wide`` times the ``typical`` one.

    Where not all values are positive it is logarithmic on both sides of a linear middle part, which holds
    the typical values. Values that are not finite do not count.
    """
    values = values[np.isfinite(values)]
    if not typical > 0 or np.abs(values).max(initial=0) <= wide * typical:
        return
    if values.min() > 0:
        set_scale("log")
    else:
        set_scale("symlog", linthresh=10.0 ** np.ceil(np.log10(typical)))
