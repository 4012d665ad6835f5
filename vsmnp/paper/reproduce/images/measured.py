"""What figures need of a run, measured once and kept beside it: metrics, sample quality, latents, samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import CheckpointError, ConfigError
from ....runs import checkpoint
from ....runs.folder import CHECKPOINT
from ....runs.session import Run
from ....settings.settings import Settings
from ....types import Array
from .latents import latents
from .records import METRICS, Row

MEASURED = "measured.h5"
#: Samples that a picture can show.
SAMPLES = 64


@dataclass(frozen=True)
class Measured:
    """A run as figures see it.

    Attributes
    ----------
    labels : mapping
        Where it stands in the grid.
    settings : Settings
        Of the run.
    finished : bool
        Whether it had done all its steps, or could not go on.
    rows : sequence of mapping
        One an evaluation, as :mod:`.records` has them.
    edges : Array
        ``(B + 1,)`` of the histograms.
    counts : Array
        ``(Z, B)``, of each latent; see :func:`.latents.latents`.
    samples, data : Array
        ``(64, D)`` means of the decoder at draws from the prior, and test data.
    shape : tuple of int
        Of one of them.
    """

    labels: Mapping[str, Any]
    settings: Settings
    finished: bool
    rows: tuple[Row, ...]
    edges: Array
    counts: Array
    samples: Array
    data: Array
    shape: tuple[int, ...]


def measure(run: Run, labels: Mapping[str, Any], finished: bool) -> Measured:
    """Measure the first model of a run and keep the result in its folder; what is there is read.

    Parameters
    ----------
    run : Run
        In a folder, its last evaluation being of the state in which it is.
    labels : mapping
        Where it stands in the grid.
    finished : bool
        Whether nothing is left to train.

    Raises
    ------
    StorageError
        If the result cannot be written.
    """
    assert run.folder is not None
    known = read(run.folder)
    if known is not None:
        return known
    vae, settings = run.vae, run.settings
    edges, counts, figures = latents(run)
    *earlier, last = _rows(run, labels)
    rows = [*earlier, {**last, **figures}]
    arrays = {
        "edges": edges, "counts": counts, "samples": vae.sample(SAMPLES, noise=False)[0],
        "data": run.dataset.test(settings.data_seed, np.dtype(settings.dtype))[:SAMPLES],
    }  # fmt: skip
    attributes = {
        "of": run.seal, "labels": dict(labels), "rows": rows,
        "shape": list(run.dataset.shape), "settings": settings.to_mapping(), "finished": finished,
    }  # fmt: skip
    checkpoint.save(run.folder / MEASURED, arrays, attributes)
    return _measured(arrays, attributes)


def read(folder: Path) -> Measured | None:
    """What was measured of the run in ``folder`` as it stands; None if nothing was, or it cannot be read."""
    try:
        arrays, attributes = checkpoint.load(folder / MEASURED)
        if attributes["of"] != checkpoint.seal(folder / CHECKPOINT):
            return None
        return _measured(arrays, attributes)
    except (CheckpointError, ConfigError, KeyError, TypeError):
        return None


def _measured(arrays: Mapping[str, Array], attributes: Mapping[str, Any]) -> Measured:
    return Measured(
        attributes["labels"], Settings.from_mapping(attributes["settings"]), attributes["finished"],
        tuple(attributes["rows"]), arrays["edges"], arrays["counts"], arrays["samples"], arrays["data"],
        tuple(attributes["shape"]),
    )  # fmt: skip


def _rows(run: Run, labels: Mapping[str, Any]) -> list[Row]:
    """The evaluations of the first model; what is not a number, of one that diverged, is the worst value."""
    rows = run.evaluations.rows
    names = [name for name in METRICS if name != "posterior_fd" or run.vae.model.posterior.has_density]
    columns = {
        name: np.where(np.isnan(rows.column(name)[:, 0]), np.inf, rows.column(name)[:, 0]) for name in names
    }
    return [
        {
            **labels,
            "epoch": _epochs(run, step),
            "step": step,
            **{name: float(columns[name][i]) for name in names},
        }
        for i, step in enumerate(rows.steps)
    ]


def _epochs(run: Run, step: int) -> float:
    """Passes over the training data after so many steps, counted by the encoder's minibatches."""
    settings = run.settings
    each = settings.encoder_steps if settings.encoder_data == "fresh" else 1
    return step * each / (run.dataset.n_train // settings.batch_size)
