"""The affine map from the data's own units to those of the model, which is stored with the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ForeignError
from ..types import Array

_PREFIX = "preprocessing/"


@dataclass(frozen=True, eq=False)
class Preprocessing:
    r"""An invertible affine map :math:`y = (x - m) A` of data x to the model's units y, in float64.

    Parameters
    ----------
    kind : {"none", "columns", "whiten"}
        Nothing; every column to mean 0 and standard deviation 1; all columns jointly to the identity as
        their covariance, by its symmetric square root.
    divisor : float
        Divisor of unsigned bytes: 255 if the data are stored as pixels, else 1.
    mean : Array
        m, ``(D,)``.
    forward, back : Array
        A and its inverse: ``(D,)`` factors of the columns, or ``(D, D)``.
    """

    kind: str = "none"
    divisor: float = 1.0
    mean: Array = field(default_factory=lambda: np.zeros(0))
    forward: Array = field(default_factory=lambda: np.ones(0))
    back: Array = field(default_factory=lambda: np.ones(0))

    def __bool__(self) -> bool:
        return self.kind != "none"

    def to_model(self, x: Array) -> Array:
        """Compute ``(x - m) A`` of data ``(..., D)`` in float64; return x itself if the kind is none."""
        if not self:
            return x
        return _product(np.asarray(x, np.float64) - self.mean, self.forward)

    def to_data(self, y: Array) -> Array:
        """Compute ``y A^-1 + m`` of ``(..., D)`` in the dtype of y; return y itself if the kind is none."""
        if not self:
            return y
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged model has infinite samples
            return (_product(np.asarray(y, np.float64), self.back) + self.mean).astype(y.dtype)

    def score_to_data(self, score: Array) -> Array:
        """Compute ``grad_x log p(x)``, ``(..., D)``, from the gradient in the model's units."""
        return _product(score, self.forward.T) if self else score

    @property
    def log_abs_det(self) -> float:
        """``log |det A|`` in nats per datum: ``log p(x)`` is that of the model's units plus this number."""
        if self.forward.ndim == 2:
            return float(np.linalg.slogdet(self.forward)[1])
        return float(np.log(self.forward).sum())

    def to_arrays(self) -> dict[str, Array]:
        """Return arrays for a checkpoint; empty for the kind none."""
        own = {"mean": self.mean, "forward": self.forward, "back": self.back}
        return {_PREFIX + name: array for name, array in own.items()} if self else {}

    @classmethod
    def from_arrays(cls, kind: str, divisor: float, arrays: Mapping[str, Any]) -> Preprocessing:
        """Rebuild the map from :meth:`to_arrays`.

        Raises
        ------
        ForeignError
            If an array is missing.
        """
        if kind == "none":
            return cls(kind, divisor)
        try:
            return cls(kind, divisor, *(arrays[_PREFIX + name] for name in ("mean", "forward", "back")))
        except KeyError as error:
            raise ForeignError(
                f"The checkpoint lacks {error.args[0]} of its standardisation: start a new run."
            ) from error


#: The map that changes nothing.
NONE = Preprocessing()


def _product(x: Array, matrix: Array) -> Array:
    """Multiply ``x (..., D)`` by a matrix, or by the diagonal of one."""
    return np.asarray(x * matrix if matrix.ndim == 1 else x @ matrix)
