"""The data as the model knows them: with the input noise that it was trained under."""

from __future__ import annotations

import numpy as np

from ..metrics import corrupted
from ..metrics.report import TEST_NOISE
from ..runs.session import Run
from ..types import Array


def test_points(run: Run) -> Array:
    """The test set, ``(N, D)``, as an evaluation sees it."""
    return _noisy(run, run.dataset.test(run.settings.data_seed, np.dtype(run.settings.dtype)))


def training_points(run: Run) -> Array:
    """The training data of the first epoch, ``(N, D)``."""
    return _noisy(run, run.dataset.epoch(run.settings.data_seed, 0, np.dtype(run.settings.dtype)))


def _noisy(run: Run, x: Array) -> Array:
    return corrupted(run.vae.k, x, run.settings.noise, TEST_NOISE)
