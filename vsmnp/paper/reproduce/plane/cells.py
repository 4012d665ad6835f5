"""List the runs of a figure: datasets x methods x (J, K), each an ensemble with one model for a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from ....errors import ConfigError
from ....settings.presets import preset
from ....settings.settings import Settings
from ....sweeps.cells import Cell
from ..methods import Method, methods
from .plan import PlaneGridPlan
from .variants import BILEVEL, ONLY, changes


def cells(plan: PlaneGridPlan, datasets: Sequence[str]) -> tuple[Cell, ...]:
    """Make the cells that a plan asks for, those without bi-level updates first.

    ``datasets`` are those of the figure, if the plan names none. The ELBO and M1 have no bi-level updates and
    one estimator.

    Raises
    ------
    ConfigError
        If none is left, because every K is positive and no method has bi-level updates.
    """
    made = tuple(_cells(plan, plan.datasets or datasets))
    if not made:
        raise ConfigError(
            f"There are no bi-level updates with {' and '.join(plan.methods)}: add 0 to --bilevel-steps, or "
            "a method of M2 or M3 to --methods."
        )
    return made


def _cells(plan: PlaneGridPlan, datasets: Sequence[str]) -> Iterator[Cell]:
    budget = plan.budget
    axes = product(
        sorted(plan.bilevel_steps or budget.bilevel_steps), plan.optimizers or budget.optimizers,
        plan.estimators or budget.estimators, datasets,
        sorted(plan.encoder_steps or budget.encoder_steps), methods(plan.methods),
    )  # fmt: skip
    made = set()
    for bilevel, optimizer, estimator, dataset, encoder, method in axes:
        several = method.name in BILEVEL
        if bilevel and not several:
            continue
        cell = _cell(plan, dataset, method, encoder, bilevel, optimizer, estimator if several else ONLY)
        if cell.name not in made:
            made.add(cell.name)
            yield cell


def _cell(
    plan: PlaneGridPlan, dataset: str, method: Method, encoder_steps: int, bilevel_steps: int, optimizer: str,
    estimator: str,
) -> Cell:  # fmt: skip
    budget, seeds = plan.budget, plan.seeds or plan.budget.seeds
    labels = {
        "dataset": dataset, "method": method.name, "encoder_steps": encoder_steps,
        "bilevel_steps": bilevel_steps, "optimizer": optimizer, "estimator": estimator,
    }  # fmt: skip
    chosen = {
        **changes(method, optimizer, estimator, bilevel_steps), **budget.settings, "dataset": dataset,
        "seeds": seeds, "inference": method.inference, "objective": method.objective,
        "encoder_steps": encoder_steps, "epochs": budget.epochs,
    }  # fmt: skip
    settings = Settings.from_mapping(preset(budget.preset, chosen))
    width = "x".join(map(str, settings.hidden))
    parts = (
        dataset, width, method.folder, estimator, optimizer, f"J{encoder_steps}", f"K{bilevel_steps}",
        f"seeds{_spelt(seeds)}",
    )  # fmt: skip
    return Cell("-".join(parts), settings, labels)


def _spelt(seeds: Sequence[int]) -> str:
    """Return a part of a folder's name for seeds: ``0to9`` for a range, otherwise ``0+4+7``."""
    first, last = seeds[0], seeds[-1]
    if len(seeds) > 1 and tuple(seeds) == tuple(range(first, last + 1)):
        return f"{first}to{last}"
    return "+".join(map(str, seeds))
