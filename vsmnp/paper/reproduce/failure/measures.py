"""Measure the runs of the controlled experiment, and the gradient variance of its estimators."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any, cast

import numpy as np

from ....metrics import prior_estimate
from ....model.likelihood import log_likelihood
from ....rng import Key, Stream
from ....runs.machine import processor
from ....runs.session import Run
from ....settings.settings import Settings
from ....storage import read_json, write_text
from ....training.build import build_learning
from ....training.state import FORMER_FLAGS
from ....types import Array
from .factors import OBJECTIVES

#: What is measured of each model; see :func:`measure`.
METRICS = ("nll", "sm_loss", "gamma", "reconstruction_variance", "posterior_gap", "ess", "active")
#: Those that depend on q.
OF_Q = ("reconstruction_variance", "posterior_gap")
#: Names of the files with the measurements at the end and at three quarters of the training.
FINAL, EARLY = "measured.json", "measured-early.json"
_POSTERIOR_SAMPLES = 64


def measure(run: Run, active: Array, draws: int, points: int, file: str = FINAL) -> dict[str, list[float]]:
    r"""Compute ``METRICS`` on the first test points, one number a model; kept in a file of the run's folder.

    The negative log-likelihood (nats), the score-matching loss and the effective sample size are estimated by
    ``draws`` from the prior. ``reconstruction_variance`` is :math:`T = E\, tr\, Cov_q[g]`, and
    ``posterior_gap`` the negative ELBO minus the negative log-likelihood, :math:`E\, KL[q || p(z|x)]`; a
    model that is not ``active (R,)`` has diverged, and is measured in its last finite state.
    """
    assert run.folder is not None
    path = run.folder / file
    done = {"step": run.step, "draws": draws, "points": points}
    known = _read(path)
    if known.get("of") == done and set(known.get("figures", ())) == set(METRICS):
        return cast(dict[str, list[float]], known["figures"])
    vae = run.vae
    x = run.test_set[:points]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        prior = prior_estimate(vae.on(x), draws)
        variance, negative_elbo = by_posterior(run, x)
        figures = {
            "nll": prior.nll, "sm_loss": prior.sm_loss, "gamma": vae.gamma,
            "reconstruction_variance": variance, "posterior_gap": negative_elbo - prior.nll, "ess": prior.ess,
            "active": vae.k.to_host(active),
        }  # fmt: skip
    plain = {name: [float(v) for v in values] for name, values in figures.items()}
    machine = f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    write_text(path, json.dumps({"of": done, "machine": machine, "figures": plain}))
    return plain


def by_posterior(run: Run, x: Array) -> tuple[Array, Array]:
    """Compute ``T = E tr Cov_q[g(z)]`` and the negative ELBO (nats) over the test points, each ``(R,)``."""
    vae = run.vae
    batch = vae.k.asarray(x)[None, None]
    q, _ = vae.model.encode(vae.k, vae.phi, batch)
    eps = vae.model.gaussian_posterior.noise(
        vae.k, Key(vae.seeds, Stream.EVALUATION), _POSTERIOR_SAMPLES, batch
    )
    g = vae.k.to_host(vae.model.decode(vae.k, vae.theta, q.place(eps))[0]).astype(float)
    square = ((g - x) ** 2).sum(-1).mean((1, 2))
    log_sd = vae.k.to_host(vae.model.log_sd(vae.theta)).astype(float)
    kl = vae.k.to_host(vae.model.posterior.kl(q)).mean((1, 2))
    variance = np.asarray(g.var(axis=1, ddof=1).sum(-1).mean(-1))
    return variance, np.asarray(kl - log_likelihood(square, log_sd, x.shape[1]))


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
        if name == "fae":
            continue
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


def read_measured(folder: Path, file: str) -> tuple[dict[str, list[float]], str] | None:
    """Read what :func:`measure` kept in a folder, and the machine; None if there is nothing."""
    known = _read(folder / file)
    figures = known.get("figures")
    if not isinstance(figures, dict) or set(figures) != set(METRICS):
        return None
    return figures, str(known.get("machine", "unknown"))


def _read(path: Path) -> dict[str, Any]:
    """Read earlier measurements; there are none if the file is missing or unreadable.

    Figures that earlier versions named otherwise have the names of this version.
    """
    try:
        known = read_json(path)
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    figures = known.get("figures")
    if isinstance(figures, dict):
        known["figures"] = {FORMER_FLAGS.get(name, name): values for name, values in figures.items()}
    return known
