"""The test metrics of a run as it is trained: rows that are kept in its folder, one an evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ... import metrics
from ...files import write_text
from ...rng import Key
from ...runs import Run
from .records import METRICS, Row

EVALUATIONS = "evaluations.json"


def evaluate(run: Run, labels: Mapping[str, Any], points: int | None = None) -> tuple[Row, ...]:
    """Evaluate the first model of a run where it stands; all rows up to here, the new one last.

    Parameters
    ----------
    run : Run
        In a folder.
    labels : mapping
        Where it stands in the grid.
    points : int or None
        The first so many test data; None: all.

    Raises
    ------
    StorageError
        If the rows cannot be written.
    """
    assert run.folder is not None
    known = tuple(row for row in read(run.folder) if row["step"] <= run.step)
    if known and known[-1]["step"] == run.step:
        return known
    vae, settings = run.vae, run.settings
    clean = run.dataset.test(settings.data_seed, np.dtype(settings.dtype))[:points]
    found = metrics.evaluate_all(
        vae.k, vae.model, vae.phi[:1], vae.theta[:1], clean, Key(vae.seeds[:1]),
        noise_sd=settings.noise, iwae_samples=0, by_prior=False,
    )  # fmt: skip
    scored = vae.model.posterior.has_density
    row = {
        **labels, "epoch": epochs_done(run), "step": run.step,
        **{name: _number(found[name][0]) for name in METRICS if name != "posterior_fd" or scored},
    }  # fmt: skip
    rows = (*known, row)
    write_text(run.folder / EVALUATIONS, json.dumps(rows))
    return rows


def read(folder: Path) -> tuple[Row, ...]:
    """The rows of the run in ``folder``; none if they cannot be read, as they can be made again."""
    try:
        rows = json.loads((folder / EVALUATIONS).read_text())
        return tuple(sorted(rows, key=lambda row: int(row["step"])))
    except (OSError, ValueError, TypeError, KeyError):
        return ()


def epochs_done(run: Run) -> float:
    """Passes over the training data, counted by the encoder's minibatches."""
    settings = run.settings
    each = settings.encoder_steps if settings.encoder_data == "fresh" else 1
    return run.step * each / (run.dataset.n_train // settings.batch_size)


def _number(value: float | None) -> float:
    """What is not a number is the worst there is: a model that diverged."""
    return float("inf") if value is None else value
