"""Train models from Python by one function, public as ``vsmnp.train``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from .data import Dataset
from .runs.session import Run, Session
from .settings.settings import Settings
from .training.build import advice
from .training.loop import Watch


def train(
    data: Dataset | str | None = None,
    *,
    out: str | Path | None = None,
    preset: str | None = None,
    watch: Watch | None = None,
    **settings: Any,
) -> Run:
    """Train a Gaussian VAE on a dataset and return the run.

    Parameters
    ----------
    data : Dataset or str, optional
        A dataset of :func:`vsmnp.load_data`, or its name or path; by default the preset's, or the mixture.
    out : path, optional
        Folder for checkpoint, metrics and configuration; without one nothing is written.
    preset : str, optional
        Settings of the paper to start from, such as ``"paper-2d"``.
    watch : Watch, optional
        Callbacks during the run.
    **settings
        Any field of :class:`vsmnp.Settings`, such as ``objective="m2"`` or ``steps=2000``.

    Returns
    -------
    Run
        The trained models with their history.

    Warns
    -----
    UserWarning
        Advice about this choice of settings, such as M2 with one sample.

    Raises
    ------
    VsmnpError
        If a setting, a file or the data is invalid, or the loss diverges.

    Examples
    --------
    >>> import vsmnp
    >>> run = vsmnp.train("mixture", objective="m1", steps=200, hidden=(8,), seeds=(0, 1))
    >>> run.vae.sample(5).shape
    (2, 5, 2)
    """
    chosen = dict(settings)
    if data is not None:
        chosen["dataset"] = data if isinstance(data, str) else data.source
    if preset is not None:
        from .settings.presets import preset as preset_values

        chosen = preset_values(preset, chosen)
    dataset = None if data is None or isinstance(data, str) else data
    with Session.new(Settings.from_mapping(chosen), dataset, None if out is None else Path(out)) as session:
        notes = advice(session.trainer.settings, session.trainer.model.d_x)
        for note in (*notes, *session.trainer.batches.dataset.notes):
            warnings.warn(note, UserWarning, stacklevel=2)
        return session.train(watch)
