"""Mean and covariance of features that are added in blocks, in float64 for any dtype of the features."""

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
