"""Reproduce A.5.3: a Laplace q, whose unparametrised Fisher gradient is zero in the location.

The formulas are those of :mod:`.family`; here they are compared with Monte Carlo estimates and used for
gradient descent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ....figures.canvas import drawing
from ....figures.style import DATA, INK, SERIES
from ....kernels import load
from ....rng import Key
from ....types import Array
from ....types.progress import Progress
from ..reproduction import Result, Table
from . import family
from .family import Gradient, MixtureTarget, NormalTarget, Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Appendix A.5.3: gradients of the Fisher divergence for a Laplace posterior"

TARGETS: Mapping[str, Target] = {
    "normal": NormalTarget(),
    "mixture": MixtureTarget(weight=0.65, first=-1.5, second=1.5, sd=0.8),
}
_FORMULAS = {"normal": r"Target $N(0, 1)$", "mixture": r"Target $0.65\,N(-1.5, 0.8^2) + 0.35\,N(1.5, 0.8^2)$"}

Rule: TypeAlias = Callable[[Target, Array, Array], Gradient]
RULES: Mapping[str, Rule] = {
    "biased": family.biased,
    "biased, with jump": family.with_jump,
    "unbiased": family.unbiased,
}
_COLOURS = dict(zip(RULES, (SERIES[1], SERIES[2], SERIES[0]), strict=True))

#: Points at which gradients are compared: every location with every scale.
_LOCATIONS, _SCALES = (-2.0, -0.5, 1.0), (0.7, 1.4)
#: Starts of the descents; below, the size of a step and the number of steps.
_STARTS, _START_SCALE = (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0), 1.6
_STEP_SIZE, _STEPS, _QUICK_STEPS = 0.03, 1200, 600
_SAMPLES, _QUICK_SAMPLES = 1_000_000, 100_000
#: Widths over which the score is smoothed, and the m and s at which it is.
_WIDTHS, _SMOOTHED_AT = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001), (1.0, 0.7)


def reproduce(out: Path, quick: bool, progress: Progress) -> Result:
    """Compare, descend and draw; see :class:`~vsmnp.paper.reproduce.reproduction.Reproduction`."""
    samples, steps = (_QUICK_SAMPLES, _QUICK_STEPS) if quick else (_SAMPLES, _STEPS)
    eta = family.noise(load("reference"), Key((0,)), samples)[0]
    whole = len(TARGETS) * len(RULES) + 2
    gradients = compare(eta)
    progress(1, whole)
    smoothed = smooth(eta)
    progress(2, whole)
    paths: dict[tuple[str, str], Array] = {}
    for name, target in TARGETS.items():
        for rule, gradient in RULES.items():
            paths[name, rule] = descend(gradient, target, steps)
            progress(len(paths) + 2, whole)
    ends = _ends(paths)
    picture = out / "laplace.png"
    _draw(picture, gradients, paths)
    tables = (gradients, smoothed, ends)
    data: dict[str, Any] = {"samples": samples, "steps": steps, "step_size": _STEP_SIZE}
    data |= {table.name: table.records() for table in tables}
    files = [picture, *(table.write(out) for table in tables)]
    return Result(data, tables, _findings(gradients, smoothed, paths), files)


# --- the numbers ------------------------------------------------------------------------------------------


def compare(eta: Array) -> Table:
    """Tabulate all expected gradients, with Monte Carlo estimates from samples ``eta (S,)`` where possible.

    The score's jump is at one point, which no sample hits: to estimate it needs a smoothed score, see
    :func:`smooth`.
    """
    header = ("target", "rule", "m", "s", "dm", "ds", "dm_mc", "dm_error", "ds_mc", "ds_error")
    sampled = {"biased": family.biased_sample, "unbiased": family.unbiased_sample}
    rows: list[tuple[Any, ...]] = []
    for name, target in TARGETS.items():
        for rule, gradient in RULES.items():
            for m, s in ((m, s) for m in _LOCATIONS for s in _SCALES):
                at = np.asarray(m), np.asarray(s)
                exact = gradient(target, *at)
                row = (name, rule, m, s, float(exact.m), float(exact.s))
                if rule in sampled:
                    each = sampled[rule](target, *at, eta)
                    rows.append((*row, *_mean(each.m), *_mean(each.s)))
                else:
                    rows.append((*row, None, None, None, None))
    return Table("laplace", header, rows)


def smooth(eta: Array) -> Table:
    """Tabulate the biased gradient in m for N(0, 1) with q's score smoothed, over decreasing widths."""
    m, s = _SMOOTHED_AT
    target = TARGETS["normal"]
    limit = float(family.jump(target, np.asarray(m), np.asarray(s)))
    rows = []
    for width in _WIDTHS:
        sample = family.mollified_sample(target, np.asarray(m), np.asarray(s), width, eta)
        rows.append((width, family.mollified(target, m, s, width), limit, *_mean(sample)))
    return Table("laplace-smoothed", ("width", "dm", "dm_limit", "dm_mc", "dm_error"), rows)


def _mean(values: Array) -> tuple[float, float]:
    """Compute the mean of ``(S,)`` values and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))


def descend(gradient: Rule, target: Target, steps: int) -> Array:
    """Descend the gradient in ``(m, s)`` from every start and return the path ``(steps + 1, starts, 2)``."""
    path = np.empty((steps + 1, len(_STARTS), 2))
    path[0] = np.stack([np.asarray(_STARTS), np.full(len(_STARTS), _START_SCALE)], axis=1)
    for step in range(steps):
        g = gradient(target, path[step, :, 0], path[step, :, 1])
        path[step + 1] = path[step] - _STEP_SIZE * np.stack(g, axis=1)
    return path


def _ends(paths: Mapping[tuple[str, str], Array]) -> Table:
    header = ("target", "rule", "m_start", "s_start", "m_end", "s_end", "fd_end")
    rows: list[tuple[Any, ...]] = []
    for (name, rule), path in paths.items():
        fd = family.divergence(TARGETS[name], path[-1, :, 0], path[-1, :, 1])
        columns = np.concatenate([path[0], path[-1], fd[:, None]], axis=1)
        rows += [(name, rule, *row) for row in columns.tolist()]
    return Table("laplace-descent", header, rows)


# --- the findings -----------------------------------------------------------------------------------------


def _findings(gradients: Table, smoothed: Table, paths: Mapping[tuple[str, str], Array]) -> list[str]:
    estimates = [
        abs(row[mean] - row[exact]) / row[mean + 1]
        for row in gradients.rows
        for exact, mean in ((4, 6), (5, 8))
        if row[mean + 1]
    ]
    width, dm, limit, _, _ = smoothed.rows[-1]
    sentences = [
        f"The expected gradients agree with Monte Carlo: of {len(estimates)} estimates the farthest is "
        f"{max(estimates):.1f} standard errors away.",
        f"Smoothing the kink of q over a width of {width:g} makes the biased gradient in m {dm:.4f}, not 0: "
        f"its limit is that of the jump, m/s^2 = {limit:.4f}.",
    ]
    for name in TARGETS:
        for rule in RULES:
            path = paths[name, rule]
            moved = np.abs(path[-1, :, 0] - path[0, :, 0]).max()
            where = "m never moves" if moved == 0 else f"m ends at {_places(path[-1, :, 0])}"
            sentences.append(f"{name}, {rule}: {where}, s ends at {_places(path[-1, :, 1])}.")
    return sentences


def _places(values: Array) -> str:
    """List the distinct numbers among the values, to three decimals."""
    return ", ".join(f"{value:.3f}" for value in np.unique(np.round(values, 3) + 0.0))


# --- the picture ------------------------------------------------------------------------------------------


def _draw(path: Path, gradients: Table, paths: Mapping[tuple[str, str], Array]) -> None:
    title = "A Laplace q: three gradients of its Fisher divergence, and where they lead"
    with drawing(path, title, 9.6, 6.0) as figure:
        panels = figure.subplots(len(TARGETS), 2, width_ratios=(1, 1.35), sharex="col")
        for (left, right), name in zip(panels, TARGETS, strict=True):
            _gradients(left, name, gradients)
            _descents(right, name, paths)
        panels[0, 1].set_title("Descent from • to ×, over contours of the divergence")
        panels[0, 0].plot([], [], "o", color=DATA, markersize=4, label="Monte Carlo")
        panels[0, 0].legend(loc="upper left")
        panels[-1, 0].set(xlabel="location $m$")
        panels[-1, 1].set(xlabel="location $m$")


def _gradients(axes: Axes, name: str, table: Table) -> None:
    """Draw derivatives in m along m, at the smaller scale, with the Monte Carlo estimates as dots."""
    s = _SCALES[0]
    m = np.linspace(-3.3, 3.3, 200)
    for rule, gradient in RULES.items():
        axes.plot(m, gradient(TARGETS[name], m, np.full_like(m, s)).m, color=_COLOURS[rule], label=rule)
        dots = [(r[2], r[6]) for r in table.rows if r[:2] == (name, rule) and r[3] == s and r[6] is not None]
        if dots:
            axes.plot(*zip(*dots, strict=True), "o", color=_COLOURS[rule], markersize=4)
    axes.set_title(_FORMULAS[name])
    axes.set(ylabel=f"gradient in $m$ at $s$ = {s}")


def _descents(axes: Axes, name: str, paths: Mapping[tuple[str, str], Array]) -> None:
    """Draw the paths of descent over the contours of the divergence."""
    m, s = np.meshgrid(np.linspace(-3.4, 3.4, 81), np.linspace(0.45, 1.75, 61))
    fd = family.divergence(TARGETS[name], m, s)
    levels = fd.min() + np.geomspace(0.03, fd.max() - fd.min(), 14)
    axes.contour(m, s, fd, levels, colors="#d4d4d4", linewidths=0.6)
    for rule in RULES:
        each = paths[name, rule]
        axes.plot(each[:, :, 0], each[:, :, 1], color=_COLOURS[rule], linewidth=1.3)
        axes.plot(*each[-1].T, "x", color=_COLOURS[rule], markersize=6, markeredgewidth=1.6, zorder=4)
    axes.plot(*paths[name, "biased"][0].T, "o", color=INK, markersize=3.5, zorder=5)
    axes.set(ylabel="scale $s$", ylim=(0.45, 1.75), xlim=(-3.4, 3.4))
    axes.grid(visible=False)
