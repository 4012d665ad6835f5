"""Measure each model of a run once, and keep the samples of the one with the highest likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import CheckpointError, ConfigError
from ....metrics import prior_estimate
from ....runs import checkpoint
from ....runs.newest import newest_checkpoint
from ....runs.session import Run, Session
from ....settings.resolve import from_stored
from ....settings.settings import Settings
from ....training.history import History, stored_history
from ....types import Array
from ..measured_cells import MEASURED, read_sealed
from ..training_end import last_quarter
from .budgets import PlaneBudget

#: Metrics of a model: nats, 1/x^2, x^2, x^2, and a number of draws.
METRICS = ("nll", "sm_loss", "gamma", "decoder_variance", "ess")
#: Metrics that are infinite for a model that has diverged.
_LOSSES = ("nll", "sm_loss")
#: Number of samples that a picture shows, and of prior draws for the variance of the decoder's mean.
SAMPLES, _DRAWS = 1_000, 10_000


@dataclass(frozen=True)
class MeasuredPlaneRun:
    """The measurements of a run that figures use."""

    #: Position of the run in the grid.
    labels: Mapping[str, Any]
    #: Settings of the run.
    settings: Settings
    #: Whether the run did all its steps, or all its models diverged.
    finished: bool
    #: Number of decoder updates.
    step: int
    #: Test points and prior draws of the estimates.
    precision: tuple[int, int]
    #: For each of :data:`METRICS` one number a model, ``(R,)``.
    figures: Mapping[str, Array]
    #: Change of ``D/2 log gamma`` in the last quarter of the training, nats ``(R,)``; nan if its
    #: history has no row before that.
    drift: Array
    #: ``(1000, D)`` samples of the model with the lowest nll, and test data.
    samples: Array
    data: Array

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each model: the labels, its seed, the steps and the metrics."""
        return [
            {
                **self.labels, "seed": seed, "step": self.step,
                **{name: float(self.figures[name][model]) for name in METRICS},
                "drift": float(self.drift[model]),
            }
            for model, seed in enumerate(self.settings.seeds)
        ]  # fmt: skip


def measure(
    session: Session, labels: Mapping[str, Any], finished: bool, budget: PlaneBudget
) -> tuple[MeasuredPlaneRun, Run]:
    """Measure the present state of a session, save the result in its folder and return it with the run.

    Likelihood and score-matching loss are estimated by the budget's prior draws on its first test points;
    for a model that has diverged they are infinite. The variance of the decoder's mean is
    ``tr Cov[g(z)]`` over the prior.

    Raises
    ------
    StorageError
        If the result cannot be written.
    """
    run = session.run(session.state)
    assert run.folder is not None
    vae, active = run.vae, session.trainer.k.to_host(session.state.active)
    with np.errstate(over="ignore", invalid="ignore"):
        prior = prior_estimate(vae.on(run.test_set[: budget.points]), budget.draws)
        means = vae.sample(_DRAWS, noise=False).astype(np.float64)
        figures = {
            "nll": prior.nll, "sm_loss": prior.sm_loss, "gamma": vae.gamma,
            "decoder_variance": means.var(1).sum(-1), "ess": prior.ess,
        }  # fmt: skip
    for name in _LOSSES:
        figures[name] = np.where(active & np.isfinite(figures[name]), figures[name], np.inf)
    best = int(np.argmin(figures["nll"]))
    arrays = {
        **{f"figures/{name}": figures[name] for name in METRICS},
        "samples": vae.some(slice(best, best + 1)).sample(SAMPLES)[0], "data": run.test_set[:SAMPLES],
    }  # fmt: skip
    attributes = {
        "of": run.seal, "labels": dict(labels), "settings": run.settings.to_mapping(), "finished": finished,
        "step": run.step, "points": budget.points, "draws": budget.draws,
    }  # fmt: skip
    checkpoint.save(run.folder / MEASURED, arrays, attributes)
    return _measured(arrays, attributes, run.history), run


def read(folder: Path, budget: PlaneBudget) -> MeasuredPlaneRun | None:
    """Read the measurements of a run's present state with the budget's precision; None if there are none."""
    found = read_sealed(folder)
    if found is None:
        return None
    try:
        path, content = newest_checkpoint(folder)
        if content.seal != found[1]["of"]:  # the last is damaged, and the one before lacks its rows
            return None
        known = _measured(*found, stored_history(content.arrays, content.attributes, path))
    except (CheckpointError, ConfigError, KeyError, TypeError):
        return None
    return known if known.precision == (budget.points, budget.draws) else None


def _measured(
    arrays: Mapping[str, Array], attributes: Mapping[str, Any], history: History
) -> MeasuredPlaneRun:
    return MeasuredPlaneRun(
        attributes["labels"], from_stored(attributes["settings"]), attributes["finished"],
        attributes["step"], (attributes["points"], attributes["draws"]),
        {name: arrays[f"figures/{name}"] for name in METRICS},
        _drift(history, len(arrays["figures/nll"]), arrays["data"].shape[-1]),
        arrays["samples"], arrays["data"],
    )  # fmt: skip


def _drift(history: History, models: int, d: int) -> Array:
    """Compute the change of ``d/2 log gamma`` in the last quarter of the training, ``(models,)``."""
    start = last_quarter(history.steps) if history.steps else None
    if start is None:
        return np.full(models, np.nan)
    gamma = history.column("gamma")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(0.5 * d * (np.log(gamma[-1]) - np.log(gamma[start])))
