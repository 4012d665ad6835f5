"""Line styles of the methods in every picture: a colour for each learning objective, dashes for Fisher."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .....figures.style import SERIES
from .....metrics import metric

_COLOURS = {"ELBO": "#9a9a9a", "M1": SERIES[0], "M2": SERIES[1], "M3": SERIES[2]}
_DASHES: Mapping[str, Any] = {"K": "-", "F": (0, (2.5, 1.5))}

#: Arguments of a line by the name of its method; the ELBO's is wide, to be visible beneath another line.
LINES: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    f"{inference}-{objective}": {
        "color": colour, "linestyle": dash, "linewidth": 2.6 if objective == "ELBO" else 1.2,
    }
    for objective, colour in _COLOURS.items()
    for inference, dash in _DASHES.items()
})  # fmt: skip

#: Titles of the metrics on axes.
TITLES: Mapping[str, str] = MappingProxyType({
    name: metric(name).heading for name in ("neg_elbo", "mse", "mmd", "posterior_fd")
})  # fmt: skip
