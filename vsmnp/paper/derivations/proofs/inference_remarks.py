"""Derive what is small where shapes match (3.3.2), and the gradient of a Laplace q with fixed samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....types import Array
from ..evidence import derivative
from ..examples.linear_joint import LINEAR
from ..proof import Proofs, Step

_X = np.array([[0.7], [-1.2], [2.0]])


def _of_q(x: Array, z: Array) -> Array:
    return derivative(lambda t: LINEAR.log_q(x, z + t), 0.5)


def _of_posterior(x: Array, z: Array) -> Array:
    return derivative(lambda t: LINEAR.log_posterior(x, z + t), 0.5)


def _divergence() -> Array:
    """Compute ``D_F[q || p(z|x)]`` in closed form, as in (30)."""
    shift = (LINEAR.phi - LINEAR.exact().phi) * _X[:, 0]
    return np.asarray((1 / LINEAR.v - 2 * LINEAR.precision + LINEAR.precision**2 * (LINEAR.v + shift**2)) / 2)


# --- q = Lap(m, s), target N(0, 1) ---

_M, _S = 0.7, 0.6
_POINTS = np.array([-1.1, 0.2, 0.9, 2.3])


def _log_laplace(z: Array, m: float = _M) -> Array:
    return np.asarray(-np.abs(z - m) / _S - np.log(2 * _S))


def _mean(f: Callable[[Array], Array], m: float = _M) -> float:
    """Compute ``E_q f(z)`` of a function that may jump at m, by Gauss-Laguerre on either side."""
    y, w = np.polynomial.laguerre.laggauss(30)
    return float(w @ (f(m + _S * y) + f(m - _S * y)) / 2)


def _half_square(z: Array, m: float = _M) -> Array:
    return np.asarray((-np.sign(z - m) / _S + z) ** 2 / 2)


def _through_q() -> float:
    """Compute the total derivative in m of the divergence less the part of q's density."""
    total = derivative(lambda t: _mean(lambda z: _half_square(z, _M + t), _M + t))
    density = _mean(lambda z: _half_square(z) * np.sign(z - _M) / _S)
    return float(total) - density


_SCORE_DIFFERENCE = Step(
    r"d = \partial_z \log q - \partial_z \log p = -\tfrac1s \operatorname{sign}(z - m) + z",
    "The score of Lap(m, s), which jumps at m, less that of the target N(0, 1), which is -z.",
    lambda: (
        derivative(lambda t: _log_laplace(_POINTS + t) + (_POINTS + t) ** 2 / 2),
        -np.sign(_POINTS - _M) / _S + _POINTS,
    ),
    kind="finite differences",
)
_SQUARE = Step(
    r"\tfrac12 d^2 = \tfrac1{2 s^2} - \tfrac zs \operatorname{sign}(z - m) + \tfrac12 z^2",
    "The square of the sign is 1.",
    lambda: (_half_square(_POINTS), 1 / (2 * _S**2) - _POINTS * np.sign(_POINTS - _M) / _S + _POINTS**2 / 2),
    kind="closed form",
)

PROOFS: Proofs = {
    "3.3.2-hypothesis": (
        Step(
            r"D_F[q \| p(z|x)] = \tfrac12 E_q |\nabla_z \log q(z|x) - \nabla_z \log p(z|x)|^2",
            "The definition (5) for densities of z, both gradients in z (A.4-definition).",
            lambda: (
                _divergence(),
                LINEAR.expect_q(lambda x, z: (_of_q(x, z) - _of_posterior(x, z)) ** 2 / 2, _X),
            ),
        ),
        Step(
            r"\nabla_z \log (c \, p(z|x)) = \nabla_z \log p(z|x)",
            "The logarithm of a constant factor has no gradient: the score depends on the shape of a density "
            "near z and not on its height.",
            lambda: (
                derivative(lambda t: np.log(7 * np.exp(LINEAR.log_posterior(_X, np.asarray(0.3 + t))))),
                _of_posterior(_X, np.array(0.3)),
            ),
            kind="finite differences",
        ),
        Step(
            r"|\nabla_z \log p(z|x) - \nabla_z \log q(z|x)|",
            "This is what is small on the mass of q where the shapes match; the paper's gradient in x of log "
            "p(z|x) has d_x entries and cannot be compared with one in z.",
        ),
    ),
    "A.5.3-laplace": (
        _SCORE_DIFFERENCE,
        _SQUARE,
        Step(
            r"\partial_m \tfrac12 d^2 = 0, \quad z \ne m",
            "On either side of m neither the sign nor z depends on m.",
        ),
        Step(
            r"\partial^b_m D_F = E_q[\partial_m \tfrac12 d^2] = 0",
            "The integrand is differentiated first, as A.5.1 defines it; the point z = m has no mass.",
        ),
    ),
    "engine-laplace-jump": (
        _SCORE_DIFFERENCE,
        _SQUARE,
        Step(
            r"\partial_m \operatorname{sign}(z - m) = -2 \, \delta(z - m) \Rightarrow "
            r"\partial_m \tfrac12 d^2 = \tfrac{2 z}{s} \, \delta(z - m)",
            "As a distribution; almost everywhere it is 0, which is the reading of A.5.3.",
        ),
        Step(
            r"\partial^b_m D_F = E_q[\partial_m \tfrac12 d^2] = \tfrac{2 m}{s} \, q(m) = \tfrac{m}{s^2}",
            "The delta picks z = m, where the density of q is 1 / (2 s); it is what the total derivative has "
            "besides the part of q's density.",
            lambda: (_through_q(), 2 * _M / _S * float(np.exp(_log_laplace(np.array(_M))))),
        ),
    ),
}
