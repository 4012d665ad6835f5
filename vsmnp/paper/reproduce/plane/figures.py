"""Define Figures 3, 6 and 7: their datasets and their claims.

Figure 3 has two datasets, of which only star is public; the mixture is the other one here because its density
is known in closed form and has an exact floor for both metrics. Figure 7 adds the other three to these.
"""

from __future__ import annotations

from .claims import FIG3, FIG6
from .figure import PlaneFigure

_TITLE = "Likelihood and score matching"

FIGURES = {
    figure.name: figure
    for figure in (
        PlaneFigure("fig3", _TITLE, ("star", "mixture"), FIG3),
        PlaneFigure("fig6", f"{_TITLE}, 100 units", ("star",), FIG6),
        PlaneFigure("fig7", _TITLE, ("star", "mixture", "ring", "banana", "pinwheel"), FIG3),
    )
}
