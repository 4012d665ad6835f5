r"""The kernel distance between two sets of features (KID): a squared MMD with a cubic kernel.

The kernel is :math:`(x \cdot y / d + 1)^3`, and pairs of a sample with itself are left out, so that the
distance is unbiased (and may be negative). It is averaged over random subsets.

Its standard error is that of the mean over the subsets. Where a subset is more than half of a side, the
subsets are nearly the same and their scatter says nothing about other samples: then it is the standard error
of the jackknife, which leaves out one sample of either side at a time.

References
----------
B. Efron, C. Stein, "The jackknife estimate of variance", The Annals of Statistics 9, 1981.

M. Binkowski, D. J. Sutherland, M. Arbel, A. Gretton, "Demystifying MMD GANs", ICLR 2018.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import DataError
from ..kernels import load
from ..rng import Key, Stream
from ..types import Array
from ..types.progress import Progress
from .batches import check_count

#: Number of subsets, and the number of samples of a subset on either side.
SUBSETS = 100
SUBSET_SIZE = 1000


class KernelDistance(NamedTuple):
    """Mean and standard deviation over the subsets, and the standard error of the mean.

    The standard deviation is NaN for a single subset, the standard error where it cannot be estimated: for a
    single small subset, or where a side has two samples.
    """

    mean: float
    sd: float
    se: float


def kernel_distance(
    x: Array, y: Array, subsets: int = SUBSETS, size: int = SUBSET_SIZE, seed: int = 0,
    progress: Progress | None = None,
) -> KernelDistance:  # fmt: skip
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
    sd = float(np.std(values, ddof=1)) if subsets > 1 else np.nan
    se = sd / subsets**0.5
    if min(len(x), len(y)) < 2 * size:
        se = _jackknife_error(x[:size].astype(np.float64), y[:size].astype(np.float64), len(x), len(y))
    return KernelDistance(float(np.mean(values)), sd, se)


def _choice(key: Key, count: int, size: int) -> Array:
    """Draw the indices of ``size`` of ``count`` samples, or of all if there are fewer."""
    return np.asarray(key.permutation(load("reference"), count)[0, :size])


def _squared_mmd(x: Array, y: Array) -> float:
    n, m = len(x), len(y)
    within = _unpaired(_kernel(x, x)) / (n * (n - 1)) + _unpaired(_kernel(y, y)) / (m * (m - 1))
    return float(within - 2 * _kernel(x, y).mean())


def _jackknife_error(x: Array, y: Array, n: int, m: int) -> float:
    """Estimate the standard error of the distance of n and m samples, of which ``x`` and ``y`` are given.

    The variance is a sum of one part per side, each inversely proportional to the number of its samples.
    """
    between = _kernel(x, y)
    parts = _variance(_kernel(x, x), between) * len(x) / n + _variance(_kernel(y, y), between.T) * len(y) / m
    return float(np.sqrt(parts))


def _variance(within: Array, between: Array) -> float:
    """Compute the jackknife's variance over the n samples of one side from its kernel and the mixed one."""
    n, m = between.shape
    if n < 3:
        return np.nan
    own, across = within.sum(1) - np.diag(within), between.sum(1)
    without = (own.sum() - 2 * own) / ((n - 1) * (n - 2)) - 2 * (across.sum() - across) / ((n - 1) * m)
    return float((n - 1) * without.var())


def _kernel(x: Array, y: Array) -> Array:
    base = x @ y.T / x.shape[1] + 1
    return np.asarray(base * base * base)


def _unpaired(gram: Array) -> float:
    return float(gram.sum() - np.trace(gram))
