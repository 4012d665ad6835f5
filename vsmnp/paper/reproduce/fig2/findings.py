"""State in sentences which of the paper's statements about Figure 2 hold, for each of the two losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from ....types import Array
from .basins import DIVERGED, NO_OPTIMUM, Basin, point, share_of_mode
from .ensembles import LOSSES, OPTIMIZERS, Loss
from .rows import BasinRow, Panel


def findings(rows: Sequence[BasinRow]) -> list[str]:
    """Write the findings on p_I, on p_II as printed and on p_II as published, a sentence each."""
    one, printed, published = rows
    return [
        *(sentence for loss in LOSSES for sentence in _low_density(one, loss)),
        _none_without_reparametrisation(rows),
        *_agreement(rows),
        _printed(printed),
        *_kink(printed),
        _optima_of_published(published),
        *(_published(published, loss) for loss in LOSSES),
        *_diverged(rows),
    ]


def _low_density(row: BasinRow, loss: Loss) -> list[str]:
    """Describe the local optimum at the origin, and how many starts end at it by SGD and by Adam."""
    sgd, adam = (row.panel("fisher-reparam", rule, loss) for rule in OPTIMIZERS)
    low = _alone(row)
    if not low:
        return ["On p_I the Fisher divergence has no optimum of its own: the paper's is not there."]
    names, starts = [basin.name for basin in low], len(sgd.names)
    n, m = sgd.count(*names), adam.count(*names)
    where = " and ".join(
        f"{point(basin.centre)} (density {share_of_mode(row.problem, basin.centre):.1%} of the mode's)"
        for basin in low
    )
    grows = (
        "Adam enlarges its basin, as the paper says"
        if m > n
        else "With these settings Adam does not enlarge its basin, unlike in the paper "
        f"({sgd.count(DIVERGED)} starts of SGD diverged)"
    )
    return [
        f"On p_I, with the {LOSSES[loss]}, the reparametrised FD has a local optimum at {where}; {n} of "
        f"{starts} starts end there by SGD and {m} by Adam: the paper's low-density optimum {_is(n + m > 0)} "
        f"found. {grows}."
    ]


def _none_without_reparametrisation(rows: Sequence[BasinRow]) -> str:
    """Report how often KL and FD with z fixed end at an optimum of FD alone."""
    panels = [(row, panel) for row in rows for panel in row.panels if panel.method.name != "fisher-reparam"]
    bad = sum(panel.count(*(basin.name for basin in _alone(row))) for row, panel in panels)
    starts = sum(len(panel.names) for _, panel in panels)
    holds = "as the paper says" if bad == 0 else "unlike in the paper"
    return (
        f"KL and FD without reparametrisation end at an optimum of FD alone from {bad} of {starts} starts, "
        f"{holds}."
    )


def _agreement(rows: Sequence[BasinRow]) -> list[str]:
    """Measure how far apart FD with z fixed and KL end."""
    gaps = []
    for row in rows:
        for rule, loss in product(OPTIMIZERS, LOSSES):
            kl, fisher = row.panel("kl", rule, loss), row.panel("fisher", rule, loss)
            for basin in row.basins:
                if kl.count(basin.name) and fisher.count(basin.name):
                    gaps.append(math.dist(_mean(kl, basin.name), _mean(fisher, basin.name)))
    if not gaps:
        return []
    return [
        "Where both end in a basin, KL and FD without reparametrisation have mean end points at most "
        f"{max(gaps):.3f} apart: FD's gradient with z fixed is KL's times the Fisher information of q."
    ]


def _printed(row: BasinRow) -> str:
    """Report the optima of the likelihood of equation (11), of which FD has no second, far one."""
    of_kl, of_fisher = ([each for each in (basin.kl, basin.fisher) if each] for basin in row.basins)
    (kl,), (fisher,) = of_kl, of_fisher
    return (
        f"On p_II as printed each divergence has one optimum: KL at {point(kl.mean)}, FD at "
        f"{point(fisher.mean)}, {math.dist(kl.mean, fisher.mean):.2f} apart. FD's solution is another than "
        "KL's, and there is no other one for Adam to find."
    )


def _kink(row: BasinRow) -> list[str]:
    """Show that the pathwise gradient of FD misses the score's jump where relu switches."""
    kl, fisher = row.basins
    panels = [(row.panel("fisher-reparam", rule), label) for rule, label in OPTIMIZERS.items()]
    ends = [
        f"{panel.count(name)} starts of {label} end at {point(_mean(panel, name))}, "
        f"{math.dist(_mean(panel, name), kl.centre):.2f} from KL's optimum and "
        f"{math.dist(_mean(panel, name), fisher.centre):.2f} from FD's"
        for panel, label in panels
        for name in dict.fromkeys(panel.names)
        if name.startswith(NO_OPTIMUM)
    ]
    if not ends:
        return []
    return [
        "There the score of the posterior jumps where relu switches, which a pathwise second-order gradient "
        f"misses, and reparametrised FD ends at neither optimum: {'; '.join(ends)}."
    ]


def _optima_of_published(row: BasinRow) -> str:
    """Describe the optima of both divergences, and how far those of FD are from that of KL."""
    alone, kl = _alone(row), row.basins[0].centre
    places = " and ".join(
        f"{point(b.centre)} ({b.fisher.value:.2f} nats, {math.dist(b.centre, kl):.2f} from KL's)"
        for b in alone
        if b.fisher is not None
    )
    return (
        f"On p_II as the published code has it, KL's optimum is at {point(kl)}, and FD has optima of its own "
        f"at {places}."
    )


def _published(row: BasinRow, loss: Loss) -> str:
    """Describe how many starts each optimiser takes to the optima of FD, with one of the losses."""
    alone, shares = _alone(row), []
    for rule, label in OPTIMIZERS.items():
        panel = row.panel("fisher-reparam", rule, loss)
        counts = " and ".join(f"{panel.count(basin.name)} at {point(basin.centre)}" for basin in alone)
        shares.append(f"{label} takes {counts} of {len(panel.names)} starts")
    sgd, adam = (_reached(row.panel("fisher-reparam", rule, loss), alone) for rule in OPTIMIZERS)
    return (
        f"There, with the {LOSSES[loss]}, {', '.join(shares)}: that SGD finds a unique optimum "
        f"{'holds' if sgd == 1 else f'does not hold ({sgd} were found)'}, and Adam's other one "
        f"{_is(adam > 1)} found."
    )


def _diverged(rows: Sequence[BasinRow]) -> list[str]:
    """Report the starts that diverged, and how many others ended at no optimum."""
    lost = [
        f"{panel.count(DIVERGED)} on {row.problem.name} with {panel.title}, {LOSSES[panel.loss]}"
        for row in rows
        for panel in row.panels
        if panel.count(DIVERGED)
    ]
    named = {basin.name for row in rows for basin in row.basins} | {DIVERGED}
    off = sum(name not in named for row in rows for panel in row.panels for name in panel.names)
    return [f"Starts whose steps diverged: {'; '.join(lost) or 'none'}; {off} others ended at no optimum."]


def _alone(row: BasinRow) -> list[Basin]:
    return [basin for basin in row.basins if basin.kl is None]


def _reached(panel: Panel, basins: Sequence[Basin]) -> int:
    """Count the basins in which at least one start ended."""
    return sum(panel.count(basin.name) > 0 for basin in basins)


def _mean(panel: Panel, name: str) -> Array:
    """Compute the mean end point of the starts with this name; there must be at least one."""
    return np.asarray(panel.ends_in(name)[:, :2].mean(0))


def _is(found: bool) -> str:
    return "is" if found else "is not"
