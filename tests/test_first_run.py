"""Test what the default settings promise: a run that ends near the best attainable value."""

from __future__ import annotations

import numpy as np
import pytest

import vsmnp
from vsmnp.evaluation.floors import floors

#: Nats between the end of a run of the default settings and its bound.
PROMISED = 0.05


def test_the_default_run_ends_near_its_bound() -> None:
    """The settings before (minibatches of 1,000, 2,000 steps, sqrt(gamma) from 0.1) ended 0.156 above it."""
    run = vsmnp.train("mixture", progress=False)
    (nll,) = vsmnp.evaluate(run)["nll"]
    assert nll - floors(run)["nll"] < PROMISED


@pytest.mark.parametrize("rows", [30, 100])
def test_a_default_run_on_few_data_does_not_fit_their_noise(rows: int) -> None:
    """A plane in six dimensions: the likelihood of new data is better than that of one Gaussian."""
    rng = np.random.default_rng(0)
    turn = rng.standard_normal((2, 6))

    def draw(count: int) -> np.ndarray:
        return np.tanh(rng.standard_normal((count, 2)) @ turn) + 0.1 * rng.standard_normal((count, 6))

    train, test = draw(rows), draw(500)
    run = vsmnp.train(vsmnp.load_data(train, test=test), progress=False)
    assert run.step == 1000
    (iwae,) = vsmnp.evaluate(run, prior_draws=500)["iwae"]
    log_sd = np.log(np.sqrt(2 * np.pi) * train.std(0)).sum()
    independent = log_sd + (((test - train.mean(0)) / train.std(0)) ** 2).sum(-1).mean() / 2
    assert iwae < independent
