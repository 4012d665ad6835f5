r"""The Frechet distance between Gaussians fitted to two sets of features (FID).

.. math:: |\mu_1 - \mu_2|^2 + \operatorname{tr} C_1 + \operatorname{tr} C_2
          - 2 \operatorname{tr} (C_1^{1/2} C_2 C_1^{1/2})^{1/2} .

The last trace is the sum of the square roots of the eigenvalues of a symmetric matrix. Unlike a square root
of :math:`C_1 C_2`, which is not symmetric, it is always real, and singular covariances need no
correction.

Mean and covariance are accumulated in blocks, in float64 for any dtype of the features.

References
----------
M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler, S. Hochreiter, "GANs trained by a two time-scale update
rule converge to a local Nash equilibrium", NeurIPS 2017.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from ..errors import DataError
from ..types import Array

#: Larger features (in magnitude) are rejected: the variance of the cubic kernel takes their twelfth power.
LARGEST = 1e20
#: Mean ``(d,)`` and covariance ``(d, d)``.
MeanAndCovariance: TypeAlias = tuple[Array, Array]


class FeatureMoments:
    """Moments of all blocks so far, by pairwise updates of means and scatter matrices.

    Parameters
    ----------
    dim : int
        d, features per sample.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", The American
    Statistician 37, 1983.
    """

    def __init__(self, dim: int) -> None:
        self.count = 0
        self._mean = np.zeros(dim)
        self._scatter = np.zeros((dim, dim))

    def add(self, block: Array) -> None:
        """Add a block of features ``(n, d)``.

        Raises
        ------
        DataError
            If the number of columns differs, or a feature is not finite or beyond 1e20.
        """
        if block.ndim != 2 or block.shape[1] != len(self._mean):
            raise DataError(
                f"Features of {len(self._mean)} columns cannot be joined by some of {block.shape}."
            )
        if not len(block):
            return
        block = block.astype(np.float64)
        if not (np.abs(block) <= LARGEST).all():  # NaN fails this too
            raise DataError(
                f"Features hold NaN or infinity, or values beyond {LARGEST:g}: the model or the extractor "
                "has diverged; use another."
            )
        mean = block.mean(0)
        centred, shift = block - mean, mean - self._mean
        total = self.count + len(block)
        self._scatter += centred.T @ centred + np.outer(shift, shift) * (self.count * len(block) / total)
        self._mean += shift * (len(block) / total)
        self.count = total

    def result(self) -> MeanAndCovariance:
        """Return the mean ``(d,)`` and the unbiased covariance ``(d, d)``.

        Raises
        ------
        DataError
            If there are fewer than two samples.
        """
        if self.count < 2:
            raise DataError(f"A covariance needs at least 2 samples, not {self.count}.")
        return self._mean, self._scatter / (self.count - 1)


def moments_of(features: Array, block: int = 4096) -> MeanAndCovariance:
    """Compute the moments of features ``(N, d)`` block by block; raises as :class:`FeatureMoments` does."""
    moments = FeatureMoments(features.shape[-1])
    for start in range(0, len(features), block):
        moments.add(features[start : start + block])
    return moments.result()


def frechet_distance(one: MeanAndCovariance, other: MeanAndCovariance) -> float:
    """Compute the squared Frechet distance of two Gaussians, each a mean ``(d,)``, a covariance ``(d, d)``.

    Between two samples of N from one standard Gaussian it is about ``2 d/N + d(d + 1)/(2 N)``, not 0:
    compare distances of equal sample sizes. Of equal moments it is exactly 0.

    Raises
    ------
    DataError
        If their dimensions differ.
    """
    (mean, covariance), (other_mean, other_covariance) = one, other
    if mean.shape != other_mean.shape:
        raise DataError(
            f"Features of {len(mean)} and of {len(other_mean)} columns have no distance: take both from one "
            "extractor."
        )
    if np.array_equal(mean, other_mean) and np.array_equal(covariance, other_covariance):
        return 0.0  # which rounding would miss
    root = _root(covariance)
    product = root @ other_covariance @ root
    overlap = np.sqrt(np.linalg.eigvalsh(0.5 * (product + product.T)).clip(0)).sum()
    shift = mean - other_mean
    return float(shift @ shift + np.trace(covariance) + np.trace(other_covariance) - 2 * overlap)


def _root(covariance: Array) -> Array:
    """Compute the symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(values.clip(0)) @ vectors.T)
