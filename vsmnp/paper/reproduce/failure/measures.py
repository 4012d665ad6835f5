"""Measure trained runs of the controlled experiment, and the gradient variance of its estimators."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from ....metrics import prior_estimate
from ....rng import Key, Stream
from ....runs.session import Run
from ....settings.settings import Settings
from ....storage import write_text
from ....training.build import build_learning
from ....types import Array
from .cells import OBJECTIVES

METRICS = ("nll", "sm_loss", "gamma", "reconstruction_variance")
_TEST_POINTS = 1000
_POSTERIOR_SAMPLES = 64


def measure(run: Run, draws: int) -> dict[str, list[float]]:
    """Compute ``METRICS`` on the first test points, one number a model; cached in the run's folder.

    The negative log-likelihood (nats) and the score-matching loss are estimated by ``draws`` from the prior.
    """
    assert run.folder is not None
    path = run.folder / "measured.json"
    done = {"step": run.step, "draws": draws, "points": _TEST_POINTS}
    known = _read(path)
    if known.get("of") == done:
        return cast(dict[str, list[float]], known["figures"])
    vae = run.vae
    x = run.test_set[:_TEST_POINTS]
    with np.errstate(over="ignore", invalid="ignore"):
        prior = prior_estimate(vae.on(x), draws)
        figures = {
            "nll": prior.nll, "sm_loss": prior.sm_loss, "gamma": vae.gamma,
            "reconstruction_variance": reconstruction_variance(run, x), "ess": prior.ess,
        }  # fmt: skip
    plain = {name: [float(v) for v in values] for name, values in figures.items()}
    write_text(path, json.dumps({"of": done, "figures": plain}))
    return plain


def reconstruction_variance(run: Run, x: Array) -> Array:
    """Compute ``T = E tr Cov_q[g(z)]`` over the test points, ``(R,)``."""
    vae = run.vae
    batch = vae.k.asarray(x)[None, None]
    q, _ = vae.model.encode(vae.k, vae.phi, batch)
    eps = vae.model.gaussian_posterior.noise(
        vae.k, Key(vae.seeds, Stream.EVALUATION), _POSTERIOR_SAMPLES, batch
    )
    g = vae.k.to_host(vae.model.decode(vae.k, vae.theta, q.place(eps))[0])
    return np.asarray(g.var(axis=1, ddof=1).sum(-1).mean(-1))


def gradient_variance(run: Run, settings: Settings, repeats: int) -> list[dict[str, Any]]:
    """Compute the variance of each estimator's theta-gradient at a run's first model, minibatch fixed.

    The variance is the trace of the covariance over posterior noise; each row also holds its ratio to M1's
    and the squared norm of the mean.
    """
    vae = run.vae
    phi, theta, seeds = vae.phi[:1], vae.theta[:1], vae.seeds[:1]
    x = run.test_set[: settings.batch_size]
    batch = vae.k.asarray(x)[None, None]
    rows: list[dict[str, Any]] = []
    for name, options in OBJECTIVES.items():
        objective = build_learning(Settings(samples=settings.samples, **options))
        gradients = []
        for step in range(repeats):
            key = Key(seeds, Stream.OUTCOME, step)
            g_theta = objective(vae.k, vae.model, phi, theta, batch, key).g_theta
            assert g_theta is not None
            gradients.append(vae.k.to_host(g_theta)[0].astype(float))
        stack = np.stack(gradients)
        mean = stack.mean(0)
        spread = float(stack.var(0, ddof=1).sum())
        square = float(mean @ mean) - spread / repeats  # subtract the noise of the mean
        rows.append({"objective": name, "variance": spread, "squared_mean": square})
    (base,) = (row["variance"] for row in rows if row["objective"] == "m1")
    return [{**row, "ratio_to_m1": row["variance"] / base} for row in rows]


def summary(labels: Mapping[str, Any], figures: Mapping[str, list[float]]) -> dict[str, Any]:
    """Make a row: the labels, and for each metric mean, standard error and median over the models."""
    row = dict(labels)
    for name in METRICS:
        values = np.array(figures[name], float)
        several = len(values) > 1
        error = float(values.std(ddof=1) / np.sqrt(len(values))) if several else float("nan")
        row |= {name: float(values.mean()), f"{name}_se": error, f"{name}_median": float(np.median(values))}
    return row


def _read(path: Path) -> dict[str, Any]:
    """Read earlier measurements; there are none if the file is missing or unreadable."""
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
