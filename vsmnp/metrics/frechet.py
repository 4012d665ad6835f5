r"""The Frechet distance between Gaussians fitted to two sets of features (FID).

.. math:: |\mu_1 - \mu_2|^2 + \operatorname{tr} C_1 + \operatorname{tr} C_2
          - 2 \operatorname{tr} (C_1^{1/2} C_2 C_1^{1/2})^{1/2} .

The last trace is the sum of the square roots of the eigenvalues of a symmetric matrix. Unlike a square root
of :math:`C_1 C_2`, which is not symmetric, it is always real, and singular covariances need no
correction.

References
----------
M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler, S. Hochreiter, "GANs trained by a two time-scale update
rule converge to a local Nash equilibrium", NeurIPS 2017.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from ..types import Array
from .feature_moments import MeanAndCovariance


def frechet_distance(one: MeanAndCovariance, other: MeanAndCovariance) -> float:
    """Compute the squared Frechet distance of two Gaussians, each a mean ``(d,)``, a covariance ``(d, d)``.

    Between two samples of N from one standard Gaussian it is about ``2 d/N + d(d + 1)/(2 N)``, not 0:
    compare distances of equal sample sizes.

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
    root = _root(covariance)
    product = root @ other_covariance @ root
    overlap = np.sqrt(np.linalg.eigvalsh(0.5 * (product + product.T)).clip(0)).sum()
    shift = mean - other_mean
    return float(shift @ shift + np.trace(covariance) + np.trace(other_covariance) - 2 * overlap)


def _root(covariance: Array) -> Array:
    """Compute the symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(values.clip(0)) @ vectors.T)
