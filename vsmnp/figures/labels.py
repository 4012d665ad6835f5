"""Names of runs and models in figures."""

from __future__ import annotations

from collections.abc import Sequence

from ..runs.session import Run
from ..settings.choices import INFERENCES, OBJECTIVES
from ..settings.settings import Settings


def method(settings: Settings) -> str:
    """Format the method of a run: ``M2 with KL inference, as published``."""
    published = ", as published" if settings.as_published else ""
    objective, inference = OBJECTIVES[settings.objective], INFERENCES[settings.inference]
    return f"{objective.label} with {inference.label} inference{published}"


def loss_units(settings: Settings) -> tuple[str, str]:
    """Return the units of the losses of decoder and encoder; a joint objective trains both."""
    objective = OBJECTIVES[settings.objective]
    return objective.unit, objective.unit if objective.joint else INFERENCES[settings.inference].unit


def plain(name: str) -> str:
    """Escape dollar signs in an external name, which would begin a formula."""
    return name.replace("$", r"\$")


def coordinates(run: Run) -> list[str]:
    """Return the names of the coordinates of a sample: those of the data, or numbered symbols."""
    names = [plain(name) for name in run.dataset.columns]
    several = run.dataset.dim > 1
    return names or [f"$x_{{{j + 1}}}$" if several else "$x$" for j in range(run.dataset.dim)]


def headline(run: Run, shown: int | None = None) -> str:
    """Format the title ``star: M1 with KL inference``, with the number of models if there are several."""
    models = len(run.vae.seeds)
    if models == 1:
        return f"{plain(run.dataset.name)}: {method(run.settings)}"
    which = f"{shown} of {models}" if shown is not None and shown < models else f"{models}"
    return f"{plain(run.dataset.name)}: {method(run.settings)} ({which} models)"


def model_names(run: Run, shown: int) -> list[str]:
    """Format ``Model, seed 0, gamma = 0.0062``, with a Greek letter, for each of the first models."""
    gamma = run.vae.gamma
    return [f"Model, seed {run.vae.seeds[r]}, $\\gamma$ = {gamma[r]:.3g}" for r in range(shown)]


def run_names(runs: Sequence[Run]) -> list[str]:
    """Return a name for each run, with only the parts that distinguish the runs."""
    names = [method(run.settings).replace(" inference", "") for run in runs]
    datasets = [plain(run.dataset.name) for run in runs]
    if len(set(datasets)) > 1:
        names = [f"{data}: {name}" for data, name in zip(datasets, names, strict=True)]
    folders = ["" if run.folder is None else plain(run.folder.name) for run in runs]
    names = [
        folder if names.count(name) > 1 and folder else name
        for folder, name in zip(folders, names, strict=True)
    ]
    return [
        f"{name} [{names[: i + 1].count(name)}]" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]
