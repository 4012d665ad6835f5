"""Find the runs below a folder, and summarise each by a glance at its checkpoint, without its data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..errors import CheckpointError
from ..settings.resolve import stored
from ..settings.settings import Settings
from .contents import require_contents
from .folder import CHECKPOINT, PREVIOUS
from .lock import holder
from .newest import newest_checkpoint


class Phase(Enum):
    """The progress of a run towards its end."""

    FINISHED = "finished"
    RUNNING = "running"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class RunSummary:
    """The summary of a run by a glance at its checkpoint.

    Attributes
    ----------
    folder : Path
        Folder of the run.
    phase : Phase
        A run is diverged if all its models are, and running while its folder is locked.
    step : int
        Number of decoder updates so far.
    steps : int or None
        Number of decoder updates of the complete run; None if the checkpoint does not say it.
    diverged : int
        Number of diverged models.
    settings : Settings or None
        All settings; None if the run is unreadable.
    state : str
        Seal of the checkpoint.
    problem : str
        Why the run is unreadable.
    """

    folder: Path
    phase: Phase
    step: int = 0
    steps: int | None = None
    diverged: int = 0
    settings: Settings | None = None
    state: str = ""
    problem: str = ""


def survey(folder: Path) -> Iterator[RunSummary]:
    """Yield a summary of every run in a folder and in all folders below it, in the order of their paths.

    A folder that may not be listed counts as an unreadable run.
    """
    refused: list[str] = []

    def note(error: OSError) -> None:
        if not isinstance(error, PermissionError):
            raise error
        refused.append(error.filename)

    runs = [parent for parent, _, files in os.walk(folder, onerror=note) if {CHECKPOINT, PREVIOUS} & {*files}]
    for run in sorted(map(Path, runs + refused)):
        try:
            yield _summary(run)
        except CheckpointError as error:
            yield RunSummary(run, Phase.UNREADABLE, problem=str(error))


def _summary(folder: Path) -> RunSummary:
    path, (arrays, attributes, state) = newest_checkpoint(folder, ("step", "active"))
    require_contents(arrays, attributes, path)
    settings = stored(attributes, path)
    try:
        step, active, steps = (
            int(arrays["step"]),
            arrays["active"],
            attributes.get("steps") or settings.steps or None,
        )
    except KeyError as error:
        raise CheckpointError(f"{path} holds no {error}: start a new run.") from error
    if not active.any():
        phase = Phase.DIVERGED
    elif holder(folder):
        phase = Phase.RUNNING
    elif attributes.get("stopped_early") or (steps is not None and step >= steps):
        phase = Phase.FINISHED
    else:
        phase = Phase.STOPPED
    return RunSummary(folder, phase, step, steps, int((~active).sum()), settings, state)
