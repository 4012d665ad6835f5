"""List the runs of a figure: methods x seeds on each dataset, with the paper's settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ....settings.presets import preset
from ....settings.settings import Settings
from ....sweeps.cells import Cell
from ..methods import Method, methods
from .plan import ImageGridPlan

#: The preset of each architecture.
PRESETS: Mapping[str, str] = MappingProxyType({
    "dcgan": "paper-dcgan", "resnet18": "paper-resnet18", "mlp": "paper-images",
})  # fmt: skip


def samples_of(architecture: str) -> int:
    """Return the number of posterior samples that the paper takes with an architecture."""
    return Settings.from_mapping(preset(PRESETS[architecture], {})).samples


def cells(
    plan: ImageGridPlan, architecture: str, names: tuple[str, ...], changes: Mapping[str, Any] | None = None,
    mark: str = "",
) -> tuple[Cell, ...]:  # fmt: skip
    """Make the cells that a plan asks for: dataset by dataset, all methods of a seed before the next seed.

    ``architecture`` is one of :data:`PRESETS`, ``names`` are the methods that the figure shows, ``changes``
    the settings that it changes in the preset and the budget, and ``mark`` is a part of the folders' names
    that distinguishes such changed runs.
    """
    return tuple(
        _cell(plan, architecture, dataset, method, seed, changes or {}, mark)
        for dataset in plan.datasets or plan.budget.datasets
        for seed in plan.seeds or plan.budget.seeds
        for method in methods(tuple(name for name in names if name in plan.methods))
    )


def _cell(
    plan: ImageGridPlan, architecture: str, dataset: str, method: Method, seed: int,
    changes: Mapping[str, Any], mark: str,
) -> Cell:  # fmt: skip
    chosen = {
        **plan.budget.settings_of(architecture), **changes, "dataset": dataset, "data_dir": plan.data_dir,
        "seeds": (seed,), "inference": method.inference, "objective": method.objective,
        "epochs": plan.budget.epochs, "evaluate_every": plan.budget.evaluate_every,
        **({"image_size": 0} if Path(dataset).suffix else {}),
    }  # fmt: skip
    name = Path(dataset).stem
    labels = {"dataset": name, "architecture": architecture, "method": method.name, "seed": seed}
    folder = "-".join(filter(None, (name, architecture, mark, method.folder, f"seed{seed}")))
    return Cell(folder, Settings.from_mapping(preset(PRESETS[architecture], chosen)), labels)
