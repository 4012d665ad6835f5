"""Measure what figures need of a run, once, and save it in its folder: metrics, latents, samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....data.batches import batches_per_epoch
from ....errors import ConfigError
from ....metrics import corrupted
from ....metrics.table import MODEL_METRICS, Need
from ....runs import checkpoint
from ....runs.session import Run
from ....settings.in_effect import batches_per_step
from ....settings.resolve import from_stored
from ....settings.settings import Settings
from ....types import Array
from ..measured_cells import MEASURED, read_sealed
from ..one_gaussian import one_gaussian
from .latents import latents
from .records import MEANS, METRICS, REFERENCE, SDS, Row

#: Number of samples that a picture can show.
SAMPLES = 64


@dataclass(frozen=True)
class MeasuredImageRun:
    """The measurements of a run that figures use."""

    #: Position of the run in the grid.
    labels: Mapping[str, Any]
    #: Settings of the run.
    settings: Settings
    #: Whether the run did all its steps, or all its models diverged.
    finished: bool
    #: Rows in the form of :mod:`.records`, one for each evaluation.
    rows: tuple[Row, ...]
    #: Edges ``(B + 1,)`` of the histograms.
    edges: Array
    #: Histogram ``(Z, B)`` of each latent; see :func:`.latents.latents`.
    counts: Array
    #: ``(64, D)`` means of the decoder at draws from the prior, and test data.
    samples: Array
    data: Array
    #: Shape of one sample.
    shape: tuple[int, ...]


def measure(run: Run, labels: Mapping[str, Any], finished: bool) -> MeasuredImageRun:
    """Measure the first model of a run and save the result in its folder; a saved result is read instead.

    The last evaluation of the run must be of its present state; ``labels`` are its position in the grid, and
    ``finished`` says that no steps are left to train.

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
    *earlier, last = _rows(run, {**labels, REFERENCE: _of_constant_decoder(run)})
    rows = [*earlier, {**last, **figures}]
    arrays = {
        "edges": edges, "counts": counts, "samples": vae.sample(SAMPLES, noise=False)[0],
        "data": run.test_set[:SAMPLES],
    }  # fmt: skip
    attributes = {
        "of": run.seal, "labels": dict(labels), "rows": rows,
        "shape": list(run.dataset.shape), "settings": settings.to_mapping(), "finished": finished,
    }  # fmt: skip
    checkpoint.save(run.folder / MEASURED, arrays, attributes)
    return _measured(arrays, attributes)


def read(folder: Path) -> MeasuredImageRun | None:
    """Read the measurements of the run in ``folder`` in its present state; None if none are readable.

    Those of earlier versions, which lack shares of the latents, count as not readable.
    """
    found = read_sealed(folder)
    try:
        known = None if found is None else _measured(*found)
        complete = known and any(set(shares) <= set(known.rows[-1]) for shares in (SDS, MEANS))
    except (ConfigError, KeyError, TypeError, IndexError):
        return None
    return known if complete else None


def _measured(arrays: Mapping[str, Array], attributes: Mapping[str, Any]) -> MeasuredImageRun:
    return MeasuredImageRun(
        attributes["labels"], from_stored(attributes["settings"]), attributes["finished"],
        tuple(attributes["rows"]), arrays["edges"], arrays["counts"], arrays["samples"], arrays["data"],
        tuple(attributes["shape"]),
    )  # fmt: skip


def _rows(run: Run, labels: Mapping[str, Any]) -> list[Row]:
    """Make the rows of the first model's evaluations; nan, as of a diverged model, becomes infinity."""
    rows = run.evaluations.rows
    has_density = run.vae.model.posterior.has_density
    needs = {metric.name: metric.need for metric in MODEL_METRICS}
    names = [name for name in METRICS if has_density or needs[name] is not Need.DENSITY]
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


def _of_constant_decoder(run: Run) -> float:
    """Compute the negative ELBO of the best constant decoder on the noisy test data of the evaluations."""
    return one_gaussian(corrupted(run.vae.k, run.test_set, run.settings.noise))["nll"]


def _epochs(run: Run, step: int) -> float:
    """Compute the passes over the training data after a step, counted by the encoder's minibatches."""
    settings = run.settings
    per_epoch = batches_per_epoch(run.dataset.n_train, settings.batch_size)
    return step * batches_per_step(settings) / per_epoch
