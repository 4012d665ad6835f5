"""Denoising error: the distance of the decoded posterior mean of a noisy input from the clean one."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError
from ..rng import Key, Stream
from ..types import Array, DType, Kernels
from .batches import ELEMENTS, Subject, host, spans

#: Step of the evaluation stream.
NOISE = 0
#: The noise on the test inputs is part of the test set: equal for every model and every evaluation.
TEST_NOISE = Key((0,), Stream.EVALUATION, NOISE)


def corrupted(k: Kernels, x: Array, noise_sd: float, key: Key = TEST_NOISE) -> Array:
    """Add the test noise of the first seed of ``key`` to ``x (N, D)``; return x itself without noise.

    The noise equals that of :func:`denoising_mse` with the same one-seed key.
    """
    if noise_sd == 0:
        return x
    key = Key(key.seeds[:1], Stream.EVALUATION, NOISE)
    noisy = np.array(x)
    for rows in spans(len(x), max(1, ELEMENTS // x.shape[1])):
        noisy[rows] += noise_sd * k.to_host(_noise(k, key, x, rows, x.dtype))[0, 0]
    return noisy


def denoising_mse(subject: Subject, noise_sd: float, key: Key = TEST_NOISE) -> Array:
    r"""Compute the mean of :math:`|g(\mu(x + \sigma \epsilon)) - x|^2 / d_x` over clean x, ``(R,)``.

    Parameters
    ----------
    subject : Subject
        The models and the clean test set.
    noise_sd : float
        Sigma, 0 for plain reconstruction.
    key : Key
        R seeds, or one for noise shared by the models; its stream and step are ignored.

    Raises
    ------
    ConfigError
        If the noise is negative, or there is neither one seed nor one per model.
    """
    if not noise_sd >= 0:
        raise ConfigError(f"The standard deviation of the input noise must not be negative, got {noise_sd}.")
    if len(key.seeds) not in (1, subject.models):
        raise ConfigError(
            f"The noise of {subject.models} models needs 1 seed or as many, got {len(key.seeds)}."
        )
    k, model, x = subject.k, subject.model, subject.x
    key = key.on(Stream.EVALUATION, NOISE)
    total = np.zeros(subject.models)
    for rows in spans(len(x), subject.rows_per_pass):
        clean = subject.on_device(rows)
        noisy = clean + noise_sd * _noise(k, key, x, rows, subject.phi.dtype) if noise_sd else clean
        q, _ = model.encode(k, subject.phi, noisy)
        e = model.decode(k, subject.theta, q.mu)[0] - clean
        total += host(k, (e * e).sum((1, 2, 3), dtype=np.float64))
    return total / x.size


def _noise(k: Kernels, key: Key, x: Array, rows: slice, dtype: DType) -> Array:
    """Draw the normals ``(R, 1, n, D)`` of some rows of x."""
    shape, first = (1, rows.stop - rows.start, x.shape[1]), rows.start * x.shape[1]
    return key.normal(k, shape, dtype, first)
