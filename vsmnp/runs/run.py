"""A trained run: its settings, data, models and history."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Dataset
from ..errors import member_of
from ..settings.choices import imported
from ..settings.settings import Settings
from ..training.history import History
from ..types import Array
from ..types.shown import Shown, counted
from .best import BestState
from .evaluation_log import Evaluations
from .trained import TrainedVAE


@dataclass(repr=False)
class Run(Shown):
    """A trained or partly trained run: settings, data, models and history.

    Attributes
    ----------
    settings : Settings
        All settings, resolved.
    dataset : Dataset
        The data in their own units; those of a loaded run are read at their first use.
    vae : TrainedVAE
        The trained models.
    history : History
        The rows of ``metrics.csv``.
    step : int
        Number of decoder updates so far.
    gamma_kept, gamma_floored : Array
        ``(R,)`` counts of batches without an optimal gamma, and with one below the floor.
    folder : Path or None
        Folder of the run, if on disk.
    evaluations : Evaluations
        The rows of ``evaluation.csv``.
    seal : str
        Seal of the checkpoint of this state; see :func:`vsmnp.runs.checkpoint.seal`.
    best : BestState
        The rows of ``validation.csv`` and the best states; empty without validation.
    is_best : bool
        Whether the models are those of the best states, not of the last.
    """

    settings: Settings
    dataset: Dataset
    vae: TrainedVAE
    history: History
    step: int
    gamma_kept: Array
    gamma_floored: Array
    folder: Path | None = None
    evaluations: Evaluations = field(default_factory=Evaluations)
    seal: str = ""
    best: BestState = field(default_factory=BestState)
    is_best: bool = False

    def facts(self) -> dict[str, str]:
        settings = self.settings
        last = {
            name: f"{self.history.column(column)[-1].mean():.4g}"
            for name, column in (("loss", "learning.loss"), ("gamma", "gamma"))
            if self.history.steps
        }
        return {
            "data": f"{self.dataset.name}, {counted(self.dataset.n_train, 'sample')} to train on",
            "objective": f"{settings.objective} with {settings.inference} inference",
            "models": str(len(self.vae.seeds)),
            "step": f"{self.step:,}",
            **last,
            "folder": "none" if self.folder is None else str(self.folder),
        }

    def plot(self, figure: str, path: str | Path | None = None) -> Any:
        """Draw one of the figures of the run.

        Parameters
        ----------
        figure : str
            One of :data:`vsmnp.figures.FIGURES`: samples, curves, evaluation, density, latent, posterior-sds.
        path : path, optional
            A file that ends in .png, .pdf or .svg, to which the figure is written.

        Returns
        -------
        matplotlib.figure.Figure
            The figure, which a notebook shows.

        Raises
        ------
        ConfigError
            If there is no such figure, or the run has nothing of the kind that it shows.
        LibraryError
            If Matplotlib is not installed.
        StorageError
            If the file cannot be written.
        """
        return member_of(imported("figures:FIGURES"), "figure", figure)(self, path)

    @property
    def test_set(self) -> Array:
        """The test set in the run's floating-point type, without noise, ``(N, D)``."""
        return self.dataset.test(self.settings.data_seed, np.dtype(self.settings.dtype))
