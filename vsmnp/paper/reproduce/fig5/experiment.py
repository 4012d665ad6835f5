"""Reproduce Figure 5: Gaussian mixtures fitted by the unparametrised Fisher gradient (A.5.2).

Where the modes of the posterior lie apart, each of them is fitted by one group of components, and the
gradient in the weights between the groups is zero: ``c_k = r_k (t_k - sum_j r_j t_j)`` (see
:mod:`~vsmnp.paper.reproduce.fig5.mixture_posterior`) compares components only at points at which both have
mass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....kernels import load
from ....model.layout import Layout
from ....types import Array
from ....types.progress import Progress
from ..reproduction import Result, Table
from .fit import fit, start
from .mixture_posterior import GaussianMixture
from .panels import draw
from .quadrature import ExactPosterior, Fits, Grid
from .targets import TARGETS, SidedPosterior

TITLE = "Figure 5: Gaussian mixtures fitted to three posteriors by the unparametrised Fisher gradient"

COMPONENTS, RUNS, STEPS, STEP_SIZE = 10, 10, 5000, 1e-3
#: Settings of a quick run: half as many steps of twice the size.
QUICK_STEPS, QUICK_STEP_SIZE = 2500, 2e-3
#: Cells along a side of the grid: for the fitted mixtures, and for the wide mixtures of the start.
FINE, COARSE = 200, 100
#: The weighting is called stable if its standard deviation over the runs is below the first, and arbitrary
#: if it is above the second.
_STABLE, _ARBITRARY = 0.03, 0.1


def run(
    target: SidedPosterior, seeds: tuple[int, ...], steps: int, step_size: float = STEP_SIZE,
    on_step: Callable[[int], None] = lambda step: None,
) -> Fits:  # fmt: skip
    """Fit one mixture for each seed to a posterior, and measure all of them."""
    k = load("cpu")
    mixture = GaussianMixture(COMPONENTS, 2)
    views = Layout(mixture.shapes).views
    exact = ExactPosterior(target, Grid(cells=FINE))
    begin = ExactPosterior(target, Grid(cells=COARSE)).measure(mixture, views(start(k, mixture, seeds)))
    p = views(fit(k, mixture, target, seeds, steps, step_size=step_size, on_step=on_step))
    return Fits(exact, begin.mass, exact.measure(mixture, p), exact.density(mixture, p))


def reproduce(out: Path, quick: bool, progress: Progress) -> Result:
    """Fit, measure and draw the mixtures; see :class:`~vsmnp.paper.reproduce.reproduction.Reproduction`."""
    steps, step_size = (QUICK_STEPS, QUICK_STEP_SIZE) if quick else (STEPS, STEP_SIZE)
    seeds = tuple(range(RUNS))
    fits: list[Fits] = []

    def on_step(step: int) -> None:
        progress(len(fits) * steps + step + 1, len(TARGETS) * steps)

    for target in TARGETS:
        fits.append(run(target, seeds, steps, step_size, on_step))
    picture = out / "fig5.png"
    draw(picture, fits, seeds)
    tables = (_summary(fits), _runs(fits, seeds))
    settings = {"steps": steps, "step_size": step_size, "components": COMPONENTS, "seeds": list(seeds)}
    data = {**settings, "likelihoods": list(map(_numbers, fits))}
    return Result(data, tables, findings(fits), [picture, *(table.write(out) for table in tables)])


def _numbers(fits: Fits) -> dict[str, Any]:
    """Collect the results on one posterior as plain data: numbers, and lists of measures over the runs."""
    return {
        "likelihood": fits.name,
        "evidence": fits.exact.evidence,
        "mass_exact": fits.exact.mass,
        "mass_start": fits.start_mass.tolist(),
        "mass_correlation": fits.start_correlation,
        **{name: getattr(fits.end, name).tolist() for name in ("fd", "kl", "kl_side", "mass", "outside")},
    }


def _runs(fits: Sequence[Fits], seeds: Sequence[int]) -> Table:
    header = ("likelihood", "run", "fd", "kl", "kl_side", "mass", "mass_start", "mass_exact")
    rows = []
    for each in fits:
        end = each.end
        columns = np.stack([end.fd, end.kl, end.kl_side, end.mass, each.start_mass], axis=1).tolist()
        rows += [(each.name, seed, *row, each.exact.mass) for seed, row in zip(seeds, columns, strict=True)]
    return Table("fig5", header, rows)


def _summary(fits: Sequence[Fits]) -> Table:
    """Make the table of means and standard deviations over the runs, one row for each posterior."""
    header = ("likelihood", "fd_mean", "fd_sd", "kl_mean", "kl_sd", "kl_side_mean",
              "mass_mean", "mass_sd", "mass_min", "mass_max", "mass_exact", "mass_correlation")  # fmt: skip
    rows = []
    for each in fits:
        end = each.end
        values = [end.fd.mean(), _sd(end.fd), end.kl.mean(), _sd(end.kl), end.kl_side.mean(),
                  end.mass.mean(), _sd(end.mass), end.mass.min(), end.mass.max()]  # fmt: skip
        rows.append((each.name, *map(float, values), each.exact.mass, each.start_correlation))
    return Table("fig5-summary", header, rows)


def findings(fits: Sequence[Fits]) -> list[str]:
    """Write two sentences a posterior: whether the runs agree on the weighting, and how good they are."""
    sentences = []
    for each in fits:
        end, sd, correlation = each.end, _sd(each.end.mass), each.start_correlation
        verdict = "arbitrary" if sd > _ARBITRARY else "stable" if sd < _STABLE else "unsettled"
        sentences.append(
            f"{each.name}: the weighting is {verdict}: the mass on one side is {end.mass.min():.3f} to "
            f"{end.mass.max():.3f} over {len(end.mass)} runs (standard deviation {sd:.3f}, exactly "
            f"{each.exact.mass:.3f}), and its correlation with the mass at the start is {correlation:+.2f}."
        )
        sentences.append(
            f"{each.name}: FD {end.fd.mean():.3g} ± {_sd(end.fd):.2g}, KL {end.kl.mean():.3g} ± "
            f"{_sd(end.kl):.2g} nats (mean and standard deviation over runs), of which the weighting of the "
            f"two sides makes {end.kl_side.sum() / end.kl.sum():.0%}."
        )
    return sentences


def _sd(values: Array) -> float:
    return float(values.std(ddof=1))
