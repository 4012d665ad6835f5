"""The grids of the controlled experiment in one table: a main grid, and side grids that move one factor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ....errors import ConfigError, member_of
from ....sweeps.cells import Cell
from .factors import EXACT_OBJECTIVES, Factors

PLANE = ("star", "mixture", "ring", "banana", "pinwheel")
ALL = (*PLANE, "helicoid")

#: Objectives as the paper defines them, and as the script computes them.
DEFINED = ("elbo", "m1", "m2-biased", "m2-unbiased", "m3-biased", "m3-unbiased")
PUBLISHED = ("m2-as-published", "m3-as-published")
_UNBIASED = ("m2-unbiased", "m3-unbiased")
_FEW = ("elbo", "m2-unbiased", "m3-biased", "m3-unbiased")


@dataclass(frozen=True)
class FactorGrid:
    """A product of levels, and the data sets on which a budget runs it."""

    #: Levels other than the centre's, one mapping for each.
    levels: Sequence[Mapping[str, Any]]
    inferences: Sequence[str]
    objectives: Sequence[str]
    #: Data sets of the laptop budget; the budget "paper" has all of them for every grid.
    laptop: Sequence[str]

    def factors(self, datasets: Sequence[str]) -> Iterator[Factors]:
        """Yield the runs on these data sets; an unbiased estimator is not defined with one sample."""
        for dataset in datasets:
            for level in self.levels:
                for inference in self.inferences:
                    for objective in self.objectives:
                        found = Factors(dataset, inference, objective, **level)
                        if found.samples > 1 or objective not in _UNBIASED:
                            yield found


_CENTRE: Mapping[str, Any] = {}
_PAIR = ("kl", "fisher")
_TWO, _THREE = ("star", "mixture"), ("star", "mixture", "helicoid")
#: Step sizes of bi-level updates by inference: the largest that suits the first thousands of updates, and
#: one that is small enough for the variances at the end of the training.
_LARGE, _SMALL = {"kl": 3e-3, "fisher": 1e-4}, {"kl": 3e-4, "fisher": 1e-5}


def _bilevel(
    count: int, sizes: Mapping[str, float], laptop: Sequence[str], **levels: Any
) -> Iterator[FactorGrid]:
    """Yield a grid of bi-level updates for each inference, with its step size."""
    for inference, size in sizes.items():
        level = {"bilevel_steps": count, "bilevel_lr": size, **levels}
        yield FactorGrid([level], (inference,), _FEW[1:], laptop)


#: The whole experiment. The rows before the other levels are the main grid, at the centre of all factors;
#: every other row moves one factor. Every run is compared with the ELBO at the same levels, added where it is
#: missing. A command that is stopped has done the first rows, so those that answer most are the first; runs
#: that start from others are done after all that do not.
GRIDS: tuple[FactorGrid, ...] = (
    # the main grid on three data sets, and with the exact posterior, which leaves only the definitions
    FactorGrid([_CENTRE], _PAIR, DEFINED, _THREE),
    FactorGrid([_CENTRE], ("exact",), EXACT_OBJECTIVES, _THREE),
    FactorGrid([_CENTRE], _PAIR, PUBLISHED, _THREE),
    *_bilevel(5, _LARGE, ("star", "helicoid")),
    FactorGrid([_CENTRE], ("fisher-covariance",), DEFINED, _THREE),
    # the main grid on the other data sets
    FactorGrid([_CENTRE], ("exact",), EXACT_OBJECTIVES, ALL),
    FactorGrid([_CENTRE], _PAIR, DEFINED, ALL),
    # the learning objective: samples, bi-level updates, gamma
    FactorGrid([{"samples": 1}, {"samples": 25}], _PAIR, DEFINED, ("star", "helicoid")),
    *_bilevel(5, _SMALL, ("star", "helicoid")),
    *_bilevel(20, _SMALL, ("star",)),
    FactorGrid([{"gamma_rule": "fixed"}, {"gamma_rule": "optimal"}], _PAIR, _FEW, _THREE),
    # the optimisation: start, optimiser, encoder updates, minibatch
    FactorGrid([{"start": "elbo"}], _PAIR, DEFINED, _THREE),
    FactorGrid([{"optimiser": "paper"}], _PAIR, DEFINED, _TWO),
    FactorGrid([{"optimiser": "adam-3e-4"}, {"optimiser": "adam-3e-3"}], _PAIR, DEFINED, _THREE),
    FactorGrid([{"encoder_steps": 1}, {"encoder_steps": 5}, {"encoder_steps": 20}], _PAIR, _FEW, ("star",)),
    FactorGrid([{"batch_size": 1000}], _PAIR, _FEW, _TWO),
    # smooth networks, whose second derivatives have no jumps
    FactorGrid([{"activation": "tanh"}], _PAIR, _FEW, _TWO),
    FactorGrid([{"activation": "tanh"}], ("fisher-reparam",), ("m1", "fae"), _TWO),
    *_bilevel(5, _SMALL, ("star",), activation="tanh"),
)

#: What the budget "quick" runs: enough to see every part of the record.
_QUICK = (
    FactorGrid([_CENTRE], ("kl",), ("m1", "m2-unbiased", "m3-unbiased", "m3-as-published"), ("mixture",)),
    FactorGrid([_CENTRE], ("fisher",), ("m3-unbiased",), ("mixture",)),
    FactorGrid([_CENTRE], ("exact",), ("m2", "marginal"), ("mixture",)),
    FactorGrid([{"start": "elbo"}], ("kl",), ("m2-unbiased",), ("mixture",)),
    FactorGrid([{"bilevel_steps": 2, "bilevel_lr": _SMALL["kl"]}], ("kl",), ("m2-unbiased",), ("mixture",)),
)


@dataclass(frozen=True)
class FailureBudget:
    """The size of the experiment."""

    name: str
    #: Decoder updates of a run.
    steps: int
    seeds: tuple[int, ...]
    #: Prior draws and test points of an evaluation.
    draws: int
    points: int
    #: Nodes of the exact posterior.
    nodes: int


BUDGETS = (
    FailureBudget("quick", 400, (0, 1, 2), 4_000, 200, 610),
    FailureBudget("laptop", 5_000, tuple(range(10)), 100_000, 1_000, 2_584),
    FailureBudget("paper", 20_000, tuple(range(10)), 100_000, 5_000, 4_181),
)


def budget_named(name: str) -> FailureBudget:
    """Return the budget of the given name.

    Raises
    ------
    ConfigError
        If there is no budget of that name.
    """
    return member_of({each.name: each for each in BUDGETS}, "budget", name)


def wanted(budget: FailureBudget, datasets: Sequence[str] = ()) -> list[Factors]:
    """List the runs of a budget with their references and origins, each once, in the order of the grids.

    A run comes after the run from which it starts. ``datasets`` restricts the budget's, if any are given.

    Raises
    ------
    ConfigError
        If a data set is none of the experiment's, or the budget has no run on any of them.
    """
    for name in datasets:
        member_of(dict.fromkeys(ALL), "data set of this experiment named", name)
    found: dict[Factors, None] = {}
    for grid in _QUICK if budget.name == "quick" else GRIDS:
        chosen = ALL if budget.name == "paper" else grid.laptop
        for each in grid.factors([name for name in chosen if not datasets or name in datasets]):
            for run in (each.reference.origin, each.reference, each):
                if run is not None:
                    found.setdefault(run)
    if not found:
        raise ConfigError(
            f"--budget {budget.name} has no run on {' or '.join(datasets)}: leave out --datasets, or use "
            "--budget laptop instead."
        )
    return list(found)


def cell_of(run: Factors, budget: FailureBudget) -> Cell:
    """Return the cell of the grid that trains a run."""
    return Cell(run.name, run.settings(budget.steps, budget.seeds), asdict(run))


def factors_of(cell: Cell) -> Factors:
    """Return the factors from which :func:`cell_of` made a cell."""
    return Factors(**cell.labels)


def at_once(runs: Sequence[Factors]) -> tuple[list[Factors], list[Factors]]:
    """Split runs into those that need no other run, and those that start from a run of the first part."""
    return [run for run in runs if run.origin is None], [run for run in runs if run.origin is not None]
