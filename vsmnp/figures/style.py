"""Define the style of every figure: Matplotlib settings, and the few colours with a meaning.

Colours are those of Okabe and Ito, which readers with any colour vision can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INK = "#222222"
#: Colour of given quantities: data, priors, references for the model.
DATA = "#6b6b6b"
#: Colour of the model's results.
MODEL = "#0072b2"
#: Colour of lower bounds.
FLOOR = "#d55e00"
#: Colours of several lines, in this order.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
#: Colour map from improbable to probable.
COLOUR_MAP = "viridis"

#: Colour of axes and ticks.
_AXIS = "#8a8a8a"

STYLE: Mapping[str, Any] = {
    **dict.fromkeys(("figure.dpi", "savefig.dpi"), 150),
    **dict.fromkeys(("figure.facecolor", "savefig.facecolor"), "white"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), _AXIS),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7.5),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 2.5),
    **dict.fromkeys(("xtick.minor.size", "ytick.minor.size"), 0),
    **dict.fromkeys(("font.size", "axes.labelsize"), 8.5),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "text.usetex", "legend.frameon"), False),
    **dict.fromkeys(("axes.axisbelow", "axes.grid", "axes.unicode_minus"), True),
    **dict.fromkeys(("figure.constrained_layout.w_pad", "figure.constrained_layout.h_pad"), 0.06),
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "figure.titlesize": 10,
    "figure.titleweight": "bold",
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.linewidth": 0.7,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "legend.handlelength": 1.4,
    "image.cmap": COLOUR_MAP,
    "pdf.fonttype": 42,  # whole fonts, which journals ask for
    "svg.hashsalt": "vsmnp",  # the same picture has the same bytes
}
