"""Read features that were computed elsewhere from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...data.arrays.formats import SUFFIXES, is_readable, read_file
from ...errors import DataError
from ...storage import may_be_file
from ...types import Array


def read_features(path: Path) -> Array:
    """Read features ``(N, d)`` from a data file, under the array names of data files.

    Raises
    ------
    DataError
        If the suffix is unknown, the file is missing or corrupt, or it has no such array of finite numbers.
    """
    if not is_readable(path):
        raise DataError(f"{path} holds no features that can be read: use one of {', '.join(SUFFIXES)}.")
    if not may_be_file(path):
        raise DataError(f"The file of features {path} does not exist: check its name.")
    features = read_file(path, float("inf")).x
    if features.ndim != 2 or len(features) < 2 or not features.shape[1]:
        raise DataError(f"{path} has an array of shape {features.shape}: features are (N, d), N at least 2.")
    if not np.isfinite(features).all():
        raise DataError(f"{path} holds NaN or infinity: compute the features again.")
    return features
