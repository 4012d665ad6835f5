r"""The kernel distance between two sets of features (KID): a squared MMD with a cubic kernel.

The kernel is :math:`(x \cdot y / d + 1)^3`, and pairs of a sample with itself are left out, so that the
distance is unbiased (and may be negative). It is averaged over random subsets.

References
----------
M. Binkowski, D. J. Sutherland, M. Arbel, A. Gretton, "Demystifying MMD GANs", ICLR 2018.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import DataError
from ..kernels import load
from ..rng import Key, Stream
from ..types import Array
from .batches import Progress, check_count

#: Number of subsets, and the number of samples of a subset on either side.
SUBSETS = 100
SUBSET_SIZE = 1000


class KernelDistance(NamedTuple):
    """Mean and standard deviation over the subsets; the latter is NaN for a single subset."""

    mean: float
    sd: float


def kernel_distance(
    x: Array,
    y: Array,
    subsets: int = SUBSETS,
    size: int = SUBSET_SIZE,
    seed: int = 0,
    progress: Progress | None = None,
) -> KernelDistance:
    """Compute the kernel distance of features ``x (N, d)`` and ``y (M, d)``, averaged over subsets.

    Parameters
    ----------
    subsets : int
        Number of subsets.
    size : int
        Samples per subset on either side, drawn without replacement; all samples if there are fewer.
    seed : int
        Seed of the choice, which is a function of the seed and of N and M alone.
    progress : callable, optional
        Called with the number of subsets done and their total.

    Raises
    ------
    DataError
        If the numbers of columns differ, or a side has fewer than two samples.
    ConfigError
        If there is no subset, or its size is below 2.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise DataError(
            f"Features of shapes {x.shape} and {y.shape} have no distance: take both from one extractor."
        )
    if min(len(x), len(y)) < 2:
        raise DataError(f"A kernel distance needs at least 2 samples a side, not {len(x)} and {len(y)}.")
    check_count("subsets", subsets)
    check_count("samples of a subset", size, least=2)
    key, values = Key((seed,)), []
    for i in range(subsets):
        one, other = (
            side[_choice(key.on(Stream.SUBSETS, 2 * i + which), len(side), size)].astype(np.float64)
            for which, side in enumerate((x, y))
        )
        values.append(_squared_mmd(one, other))
        if progress is not None:
            progress(i + 1, subsets)
    return KernelDistance(float(np.mean(values)), float(np.std(values, ddof=1)) if subsets > 1 else np.nan)


def _choice(key: Key, count: int, size: int) -> Array:
    """Draw the indices of ``size`` of ``count`` samples, or of all if there are fewer."""
    return np.asarray(key.permutation(load("reference"), count)[0, :size])


def _squared_mmd(x: Array, y: Array) -> float:
    n, m = len(x), len(y)
    within = _unpaired(_kernel(x, x)) / (n * (n - 1)) + _unpaired(_kernel(y, y)) / (m * (m - 1))
    return float(within - 2 * _kernel(x, y).mean())


def _kernel(x: Array, y: Array) -> Array:
    base = x @ y.T / x.shape[1] + 1
    return np.asarray(base * base * base)


def _unpaired(gram: Array) -> float:
    return float(gram.sum() - np.trace(gram))
