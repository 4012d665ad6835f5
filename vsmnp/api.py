"""Train and resume models from Python, public as ``vsmnp.train`` and ``vsmnp.resume``."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from .data import Dataset
from .data.arrays.given import FROM_PYTHON, Given, is_name
from .data.dataset import is_dataset
from .errors import ConfigError, Interrupted
from .runs.folder import folder_of
from .runs.session import Run, Session
from .settings.settings import Settings
from .training.interactive import catch_interrupt, watched
from .training.loop import Watch


def train(
    data: Given | Dataset = None, *, out: str | Path | None = None, preset: str | None = None,
    watch: Watch | None = None, progress: bool | None = None, **settings: Any,
) -> Run:  # fmt: skip
    """Train a Gaussian VAE on data and return the run.

    An interrupt (Ctrl-C, or that of a notebook) ends the training, and what is trained so far is returned; a
    second one raises KeyboardInterrupt.

    Parameters
    ----------
    data : Dataset, str, path or array_like, optional
        A dataset of :func:`vsmnp.load_data`; the name of one, or a path; or an array or a table: whatever
        :func:`vsmnp.load_data` takes. By default the preset's, or the mixture.
    out : path, optional
        Folder for checkpoint, metrics and configuration; without one nothing is written.
    preset : str, optional
        Settings of the paper to start from, such as ``"paper-2d"``.
    watch : Watch, optional
        Callbacks during the run.
    progress : bool, optional
        Whether a progress bar is shown; by default in notebooks and at a prompt, not in scripts.
    **settings
        Any field of :class:`vsmnp.Settings`, such as ``objective="m2"`` or ``steps=2000``, with the numbers
        and types of NumPy; and ``seed=3`` for ``seeds=(3,)``.

    Returns
    -------
    Run
        The trained models with their history.

    Warns
    -----
    UserWarning
        Advice about this choice of settings, such as M2 with one sample, or that the training was stopped.

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
    if "seed" in chosen:
        chosen["seeds"] = chosen.pop("seed")
    given: Given = None if is_name(data) else data
    if isinstance(data, str | os.PathLike):
        chosen["dataset"] = os.fspath(data)
    elif data is not None:
        chosen["dataset"] = data.source if is_dataset(data) else FROM_PYTHON
    if preset is not None:
        from .settings.presets import preset as preset_values

        chosen = preset_values(preset, chosen)
    with Session.new(Settings.from_mapping(chosen), given, None if out is None else Path(out)) as session:
        for note in session.notes():
            warnings.warn(note, UserWarning, stacklevel=2)
        return _trained(session, watch, progress)


def resume(
    run: str | Path | Run, dataset: Given | Dataset = None, *, watch: Watch | None = None,
    progress: bool | None = None, **changes: Any,
) -> Run:  # fmt: skip
    """Resume the training of a run on disk from its last checkpoint, with the bits of one without a stop.

    Parameters
    ----------
    run : path or Run
        The folder of the run, its checkpoint, or a run that was trained with ``out``.
    dataset : Dataset, path or array_like, optional
        The data of the run, if they were given in Python or are no longer where they were; their SHA-256 must
        be that of the run.
    watch, progress
        As in :func:`train`.
    **changes
        Settings that may change: those of the length of the run, such as ``steps=5000``, and of its output.

    Returns
    -------
    Run
        The run at its end, or where an interrupt has stopped it.

    Raises
    ------
    VsmnpError
        If there is no such run, another session trains it, its data are missing or are others, or a change
        would alter its mathematics.

    Examples
    --------
    >>> import vsmnp
    >>> run = vsmnp.train("mixture", steps=20, hidden=(8,), out="runs/mine")
    >>> vsmnp.resume("runs/mine", steps=40).step
    40
    """
    folder = run.folder if isinstance(run, Run) else folder_of(run)
    if folder is None:
        raise ConfigError(
            "The run was trained without out=, so that it is not on disk: train it with a folder."
        )
    if dataset is None and isinstance(run, Run):
        dataset = run.dataset
    with Session.resumed(folder, changes, dataset=dataset) as session:
        return _trained(session, watch, progress)


def _trained(session: Session, watch: Watch | None, progress: bool | None) -> Run:
    """Train a session to its end or to an interrupt, and return the run."""
    start, total = session.state.step, session.total_steps
    with catch_interrupt() as stop, watched(watch or Watch(), stop, total, start, progress) as own:
        try:
            return session.train(own)
        except Interrupted:
            if not stop.came:
                raise
            run = session.run(session.settled())
            how = f"go on with vsmnp.resume({str(run.folder)!r})" if run.folder else "it is on no disk"
            warnings.warn(
                f"The training was interrupted; the run has {run.step} of {total} steps: {how}.",
                UserWarning, stacklevel=3,
            )  # fmt: skip
            return run
