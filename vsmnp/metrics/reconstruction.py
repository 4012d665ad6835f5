"""Denoising error: the distance of the decoded posterior mean of a noisy input from the clean one."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError
from ..model.vae import GaussianVAE
from ..rng import Key
from ..types import Array, DType, Kernels
from .batches import ELEMENTS, Noise, check_seeds, checked, host, on_device, rows_per_pass, spans


def corrupted(k: Kernels, x: Array, noise_sd: float, key: Key) -> Array:
    """Add the test noise of the first seed of ``key`` to ``x (N, D)``; return x itself without noise.

    The noise equals that of :func:`denoising_mse` with the same one-seed key.
    """
    if noise_sd == 0:
        return x
    key = Noise.INPUT.of(Key(key.seeds[:1]))
    noisy = np.array(x)
    for rows in spans(len(x), max(1, ELEMENTS // x.shape[1])):
        noisy[rows] += noise_sd * k.to_host(_noise(k, key, x, rows, x.dtype))[0, 0]
    return noisy


def denoising_mse(
    k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, noise_sd: float, key: Key
) -> Array:
    r"""Compute the mean of :math:`|g(\mu(x + \sigma \epsilon)) - x|^2 / d_x` over the test set, ``(R,)``.

    Parameters
    ----------
    phi, theta : Array
        ``(R, P_e)`` and ``(R, P_d)``.
    x : Array
        ``(N, D)``, NumPy, clean.
    noise_sd : float
        Sigma, 0 for plain reconstruction.
    key : Key
        R seeds, or one for noise shared by the models; its stream and step are ignored.

    Raises
    ------
    DataError
        If x is not a test set for the model.
    ConfigError
        If the noise is negative, or there is neither one seed nor one per model.
    """
    x = checked(model, x)
    if not noise_sd >= 0:
        raise ConfigError(f"The standard deviation of the input noise must not be negative, got {noise_sd}.")
    if len(key.seeds) > 1:
        check_seeds(key, len(phi))
    key = Noise.INPUT.of(key)
    total = np.zeros(len(phi))
    for rows in spans(len(x), rows_per_pass(len(phi), model.d_x)):
        clean = on_device(k, x[rows], phi)
        noisy = clean + noise_sd * _noise(k, key, x, rows, phi.dtype) if noise_sd else clean
        q, _ = model.encode(k, phi, noisy)
        e = model.decode(k, theta, q.mu)[0] - clean
        total += host(k, (e * e).sum((1, 2, 3), dtype=np.float64))
    return total / x.size


def _noise(k: Kernels, key: Key, x: Array, rows: slice, dtype: DType) -> Array:
    """Draw the normals ``(R, 1, n, D)`` of some rows of x."""
    shape, first = (1, rows.stop - rows.start, x.shape[1]), rows.start * x.shape[1]
    return key.normal(k, shape, dtype, first)
