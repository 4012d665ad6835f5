r"""A ten-dimensional dataset near a curved surface of two dimensions, with its exact density.

``x = m(z) U + .05 eps`` with standard normal z in the plane and eps in ten dimensions, the helicoid

.. math:: m(z) = \tfrac12 (z_1,\; z_2 \cos z_1,\; z_2 \sin z_1)

and three orthonormal rows U, those of a cosine transform. It is a Gaussian VAE with two latent dimensions and
:math:`\gamma = .05^2`, so that such a model can reach the bounds. m is linear in z_2, so x is Gaussian given
``z_1 = t``: with ``y = x U'`` and ``b = (cos t, sin t)``,

.. math:: p(y | t) = N(y_1; \tfrac t2, \sigma^2)\, N(b \cdot y_{23}; 0, \sigma^2 + \tfrac14)\,
          N(b^\perp \cdot y_{23}; 0, \sigma^2),

and the integral over t is a sum over equidistant nodes (the trapezoidal rule), whose error falls
exponentially with their number; the other seven dimensions are noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...types import Array, Shape
from ..dataset import Bounds
from .synthetic import Synthetic

_DIM = 10
_SCALE = 0.5
_NOISE = 0.05
#: Variances across the line that z_2 draws, and along it.
_ACROSS, _ALONG = _NOISE**2, _NOISE**2 + _SCALE**2
_BASIS = np.sqrt(2 / _DIM) * np.cos(np.pi * np.outer([1, 2, 3], np.arange(_DIM) + 0.5) / _DIM)
#: Nodes of z_1: with half this distance, a test point's log density changes by 4e-14 at most.
_NODE = 0.02
_T = _NODE * np.arange(-400, 401)
_LINE, _TURNED = np.stack([np.cos(_T), np.sin(_T)]), np.stack([-np.sin(_T), np.cos(_T)])
#: Log of the weight of a node, with the normalisation of all densities given z_1.
_LOG_WEIGHT = (
    -0.5 * _T**2 + np.log(_NODE)
    - 0.5 * (_DIM + 1) * np.log(2 * np.pi) - (_DIM - 1) * np.log(_NOISE) - 0.5 * np.log(_ALONG)
)  # fmt: skip
#: Points of which the densities at all nodes are in memory at a time.
_ROWS = 500


@dataclass(frozen=True, repr=False)
class Helicoid(Synthetic):
    """A helicoid (z1, z2 cos z1, z2 sin z1)/2 in ten dimensions, z standard normal, plus noise of sd .05.

    A Gaussian VAE with two latent dimensions can be the truth: gamma is then .0025.
    """

    name: ClassVar[str] = "helicoid"
    shape: ClassVar[Shape] = (_DIM,)
    dim: ClassVar[int] = _DIM
    bounds: ClassVar[Bounds] = Bounds(nll=-10.891047, sm_loss=-1601.994596)
    normals: ClassVar[int] = 2 + _DIM

    def transform(self, n: Array, u: Array) -> Array:
        """Map the normals ``(z1, z2, eps1 .. eps10)`` to points ``m(z) U + .05 eps``."""
        z1, z2 = n[:, 0], n[:, 1]
        surface = _SCALE * np.stack([z1, z2 * np.cos(z1), z2 * np.sin(z1)], axis=1)
        return np.asarray(surface @ _BASIS + _NOISE * n[:, 2:])

    def log_density(self, x: Array) -> Array:
        """Compute the log of the sum over the nodes of z_1, ``(N,)``."""
        return np.concatenate([_log_sum(log_p)[0] for _, _, log_p in _at_nodes(x)])

    def score(self, x: Array) -> Array:
        """Compute the mean of the scores given z_1, weighted by its posterior, ``(N, 10)``."""
        parts = []
        for rows, y, log_p in _at_nodes(x):
            _, terms = _log_sum(log_p)
            w = terms / terms.sum(1, keepdims=True)
            along = (y[:, 1:] @ _LINE) * w
            inside = np.empty_like(y)
            inside[:, 0] = (_SCALE * (w @ _T) - y[:, 0]) / _ACROSS
            inside[:, 1:] = (1 / _ACROSS - 1 / _ALONG) * (along @ _LINE.T) - y[:, 1:] / _ACROSS
            parts.append(-(rows - y @ _BASIS) / _ACROSS + inside @ _BASIS)
        return np.concatenate(parts)


def _at_nodes(x: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Yield blocks of rows of x, their ``y (n, 3)``, and the logs of their terms of the sum, ``(n, T)``."""
    x = np.asarray(x, float)
    for first in range(0, max(len(x), 1), _ROWS):
        rows = x[first : first + _ROWS]
        y = rows @ _BASIS.T
        along = (y[:, 1:] @ _LINE) ** 2
        outside = ((rows - y @ _BASIS) ** 2).sum(1)
        across = outside[:, None] + (y[:, :1] - _SCALE * _T) ** 2 + (y[:, 1:] @ _TURNED) ** 2
        yield rows, y, _LOG_WEIGHT - 0.5 * (along / _ALONG + across / _ACROSS)


def _log_sum(log_p: Array) -> tuple[Array, Array]:
    """Compute the log of the sum of each row, ``(n,)``, and its terms relative to the largest, ``(n, T)``."""
    top = log_p.max(1, keepdims=True)
    terms = np.exp(log_p - top)
    return top[:, 0] + np.log(terms.sum(1)), terms
