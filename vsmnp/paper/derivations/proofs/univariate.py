"""Derive (28) to (32): divergences between two Gaussians on the line, their gradients and the ratios."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....types import Array
from ..evidence import derivative, gradient
from ..examples import two_gaussians as pair
from ..examples.two_gaussians import POINT
from ..proof import Proofs, Step
from ..quadrature import normal_log_density, normal_rule

_M1, _S1, _M2, _S2 = (float(v) for v in POINT)
_SHIFT = _M1 - _M2
_X = np.array([-1.3, 0.4, 2.0])
_NODES, _WEIGHTS = normal_rule(20)
_EPS = _NODES[:, 0]
_AT = _M1 + _S1 * _EPS


def _log(x: Array, m: float, s: float) -> Array:
    return normal_log_density(x, m, s**2)


def _log_ratio(x: Array) -> Array:
    return _log(x, _M1, _S1) - _log(x, _M2, _S2)


def _slope(x: Array) -> Array:
    """Compute the difference of the scores, with both written out."""
    return np.asarray(-(x - _M1) / _S1**2 + (x - _M2) / _S2**2)


def _of_slope(x: Array, own: Array) -> Array:
    """Compute the squared difference of the scores for ``own = (m1, s1)``."""
    return np.asarray(((x - own[0]) / own[1] ** 2 - (x - _M2) / _S2**2) ** 2)


def _kl(own: Array) -> Array:
    """Compute the KL divergence in closed form."""
    m1, s1 = own
    return np.asarray(-np.log(s1 / _S2) + (s1**2 - _S2**2 + (m1 - _M2) ** 2) / (2 * _S2**2))


def _fisher(own: Array) -> Array:
    """Compute the Fisher divergence in closed form."""
    m1, s1 = own
    return np.asarray((1 / s1**2 - 2 / _S2**2 + (s1**2 + (m1 - _M2) ** 2) / _S2**4) / 2)


_OF_KL = np.array([_SHIFT / _S2**2, (_S1**2 - _S2**2) / (_S1 * _S2**2)])
_OF_FD = np.array([_SHIFT / _S2**4, (_S1**4 - _S2**4) / (_S1**3 * _S2**4)])
_FIXED = np.array([_SHIFT / (_S1 * _S2) ** 2, 2 * (_S1**2 - _S2**2) / (_S1**3 * _S2**2)])


def _numbers(symbolic: list[Any]) -> Array:
    """Insert the numbers of the example into expressions in m1, s1, m2 and s2."""
    names = pair.symbols()[1:]
    values = dict(zip(names, POINT, strict=True))
    return np.array([float(each.subs(values)) for each in symbolic])


_MEAN_SQUARES = Step(
    r"E_{p_1} (x - m_1)^2 = s_1^2, \quad E_{p_1} (x - m_2)^2 = s_1^2 + (m_1 - m_2)^2",
    "The variance of p_1, and a mean square about another point.",
    lambda: ([_WEIGHTS @ (_AT - _M1) ** 2, _WEIGHTS @ (_AT - _M2) ** 2], [_S1**2, _S1**2 + _SHIFT**2]),
)
_SCORES = Step(
    r"\tfrac{d}{dx} \log p_1 - \tfrac{d}{dx} \log p_2 = -\tfrac{x - m_1}{s_1^2} + \tfrac{x - m_2}{s_2^2}",
    "The derivative of a Gaussian log-density (28).",
    lambda: (derivative(lambda t: _log_ratio(_X + t)), _slope(_X)),
    kind="finite differences",
)
_AS_NOISE = Step(
    r"\tfrac{x - m_1}{s_1^2} - \tfrac{x - m_2}{s_2^2} = \left( \tfrac1{s_1} - \tfrac{s_1}{s_2^2} \right) "
    r"\epsilon - \tfrac{m_1 - m_2}{s_2^2}, \quad x = m_1 + s_1 \epsilon",
    "The difference of the scores in terms of the standard normal noise of p_1.",
    lambda: (-_slope(_AT), (1 / _S1 - _S1 / _S2**2) * _EPS - _SHIFT / _S2**2),
    kind="closed form",
)

PROOFS: Proofs = {
    "28": (
        Step(
            r"\log p_i(x) = -\tfrac{(x - m_i)^2}{2 s_i^2} - \tfrac12 \log(2\pi s_i^2), \quad i = 1, 2",
            "The definition of a Gaussian density; s_i is a standard deviation.",
            lambda: (
                [_log(_X, _M1, _S1), _log(_X, _M2, _S2)],
                [
                    -((_X - m) ** 2) / (2 * s**2) - np.log(2 * np.pi * s**2) / 2
                    for m, s in ((_M1, _S1), (_M2, _S2))
                ],
            ),
            kind="closed form",
        ),
        _MEAN_SQUARES,
        Step(
            r"p_1(x) = N(x; m_1, s_1^2), \qquad p_2(x) = N(x; m_2, s_2^2)",
            "So m_i is the mean and s_i^2 the variance.",
        ),
    ),
    "A.5.1-kl": (
        Step(
            r"D_{KL}[p_1 \| p_2] = -\tfrac12 E_{p_1} \left[ \tfrac{(x - m_1)^2}{s_1^2} + \log(2\pi s_1^2) "
            r"- \tfrac{(x - m_2)^2}{s_2^2} - \log(2\pi s_2^2) \right]",
            "The mean of log p_1 - log p_2 under p_1, with (28).",
            lambda: (
                pair.kl(POINT),
                -_WEIGHTS
                @ ((_AT - _M1) ** 2 / _S1**2 + np.log(_S1**2) - (_AT - _M2) ** 2 / _S2**2 - np.log(_S2**2))
                / 2,
            ),
        ),
        _MEAN_SQUARES,
        Step(
            r"D_{KL}[p_1 \| p_2] = -\tfrac12 \left[ 1 + 2 \log \tfrac{s_1}{s_2} - \tfrac{s_1^2 + (m_1 - "
            r"m_2)^2}{s_2^2} \right]",
            "Both are inserted; the two logarithms are joined.",
            lambda: (pair.kl(POINT), -(1 + 2 * np.log(_S1 / _S2) - (_S1**2 + _SHIFT**2) / _S2**2) / 2),
        ),
        Step(
            r"D_{KL}[p_1 \| p_2] = -\tfrac12 \left[ 2 \log \tfrac{s_1}{s_2} "
            r"- \tfrac{(s_1^2 - s_2^2) + (m_1 - m_2)^2}{s_2^2} \right]",
            "The 1 goes into the fraction.",
            lambda: (pair.kl(POINT), _kl(POINT[:2])),
        ),
    ),
    "29": (
        Step(
            r"D_{KL} = -\log s_1 + \log s_2 + \tfrac{s_1^2 - s_2^2 + (m_1 - m_2)^2}{2 s_2^2}",
            "The divergence of the two Gaussians (A.5.1-kl).",
            lambda: (pair.kl(POINT), _kl(POINT[:2])),
        ),
        Step(
            r"\partial_{m_1} D_{KL} = \tfrac{m_1 - m_2}{s_2^2}, \quad "
            r"\partial_{s_1} D_{KL} = -\tfrac1{s_1} + \tfrac{s_1}{s_2^2}",
            "Term by term: m_1 is in the square alone, s_1 in the logarithm and in its own square.",
            lambda: (gradient(_kl, POINT[:2]), [_SHIFT / _S2**2, -1 / _S1 + _S1 / _S2**2]),
            kind="finite differences",
        ),
        Step(
            r"\partial_{m_1} D_{KL} = \tfrac{m_1 - m_2}{s_2^2}, \quad "
            r"\partial_{s_1} D_{KL} = \tfrac{s_1^2 - s_2^2}{s_1 s_2^2}",
            "The second one on a common denominator.",
            lambda: (_numbers(pair.gradient_symbolic(pair.kl_symbolic)), _OF_KL),
            kind="symbolic",
        ),
    ),
    "30": (
        _SCORES,
        _AS_NOISE,
        Step(
            r"E_{p_1} |\tfrac{d}{dx} \log p_1 - \tfrac{d}{dx} \log p_2|^2 "
            r"= \left( \tfrac1{s_1} - \tfrac{s_1}{s_2^2} \right)^2 + \tfrac{(m_1 - m_2)^2}{s_2^4}",
            "The noise has mean 0 and variance 1.",
            lambda: (_WEIGHTS @ _slope(_AT) ** 2, (1 / _S1 - _S1 / _S2**2) ** 2 + _SHIFT**2 / _S2**4),
        ),
        Step(
            r"D_F[p_1 \| p_2] = \tfrac12 \left[ \tfrac1{s_1^2} - \tfrac2{s_2^2} "
            r"+ \tfrac{s_1^2 + (m_1 - m_2)^2}{s_2^4} \right]",
            "The square is expanded, and the half of (5) stands before it, which this section of the paper "
            "drops.",
            lambda: (pair.fisher(POINT), _fisher(POINT[:2])),
        ),
    ),
    "31": (
        Step(
            r"\partial_{m_1} D_F = \tfrac{m_1 - m_2}{s_2^4}, \quad "
            r"\partial_{s_1} D_F = -\tfrac1{s_1^3} + \tfrac{s_1}{s_2^4}",
            "The derivatives of (30) term by term, with its half; the paper's are twice as large.",
            lambda: (gradient(_fisher, POINT[:2]), [_SHIFT / _S2**4, -1 / _S1**3 + _S1 / _S2**4]),
            kind="finite differences",
        ),
        Step(
            r"\partial_{m_1} D_F = \tfrac{m_1 - m_2}{s_2^4}, \quad "
            r"\partial_{s_1} D_F = \tfrac{s_1^4 - s_2^4}{s_1^3 s_2^4}",
            "The second one on a common denominator.",
            lambda: (_numbers(pair.gradient_symbolic(pair.fisher_symbolic)), _OF_FD),
            kind="symbolic",
        ),
    ),
    "32": (
        Step(
            r"\partial_{m_1} \tfrac12 d(x) = -\tfrac1{s_1^2} \left[ \tfrac{x - m_1}{s_1^2} "
            r"- \tfrac{x - m_2}{s_2^2} \right], \quad \partial_{s_1} \tfrac12 d(x) = "
            r"-\tfrac{2 (x - m_1)}{s_1^3} \left[ \tfrac{x - m_1}{s_1^2} - \tfrac{x - m_2}{s_2^2} \right]",
            "The chain rule for half the square (A.5.1-d-square), x held fixed.",
            lambda: (
                gradient(lambda own: _of_slope(_X, own) / 2, POINT[:2]),
                np.stack([_slope(_X) / _S1**2, 2 * (_X - _M1) * _slope(_X) / _S1**3], -1),
            ),
            kind="finite differences",
        ),
        _AS_NOISE,
        Step(
            r"\partial^b_{m_1} D_F = -\tfrac1{s_1^2} E \left[ \left( \tfrac1{s_1} - \tfrac{s_1}{s_2^2} "
            r"\right) \epsilon - \tfrac{m_1 - m_2}{s_2^2} \right], \quad \partial^b_{s_1} D_F = "
            r"-\tfrac2{s_1^2} E \left[ \left( \tfrac1{s_1} - \tfrac{s_1}{s_2^2} \right) \epsilon^2 - "
            r"\tfrac{m_1 - m_2}{s_2^2} \epsilon \right]",
            "The mean of the derivative under p_1, taken after differentiation; x - m_1 is s_1 eps.",
            lambda: (
                pair.unparametrised(POINT),
                [_WEIGHTS @ _slope(_AT) / _S1**2, 2 * _WEIGHTS @ (_EPS * _slope(_AT)) / _S1**2],
            ),
        ),
        Step(
            r"\partial^b_{m_1} D_F = \tfrac{m_1 - m_2}{s_1^2 s_2^2}, \quad "
            r"\partial^b_{s_1} D_F = \tfrac{2(s_1^2 - s_2^2)}{s_1^3 s_2^2}",
            "The noise has mean 0 and variance 1; the paper's are twice as large, for want of the half of "
            "(5).",
            lambda: (_numbers(pair.unparametrised_symbolic()), _FIXED),
            kind="symbolic",
        ),
    ),
    "A.5.1-ratios": (
        Step(
            r"\tfrac{\partial_{m_1} D_F}{\partial_{m_1} D_{KL}} = \tfrac{2 (m_1 - m_2) / s_2^4}{(m_1 - m_2) "
            r"/ s_2^2} = \tfrac2{s_2^2}",
            "The gradients (31) and (29), the first without the half, as in the section.",
            lambda: (2 * gradient(_fisher, POINT[:2])[0] / gradient(_kl, POINT[:2])[0], 2 / _S2**2),
            kind="finite differences",
        ),
        Step(
            r"\tfrac{\partial_{s_1} D_F}{\partial_{s_1} D_{KL}} = \tfrac{2 (s_1^4 - s_2^4)}{s_1^3 s_2^4} "
            r"\cdot \tfrac{s_1 s_2^2}{s_1^2 - s_2^2} = \tfrac{2 (s_1^2 + s_2^2)}{s_1^2 s_2^2}",
            "The difference of fourth powers is (s_1^2 - s_2^2)(s_1^2 + s_2^2); the paper loses the second "
            "factor.",
            lambda: (
                2 * gradient(_fisher, POINT[:2])[1] / gradient(_kl, POINT[:2])[1],
                2 * (_S1**2 + _S2**2) / (_S1 * _S2) ** 2,
            ),
            kind="finite differences",
        ),
        Step(
            r"\tfrac{\partial^b_{m_1} D_F}{\partial_{m_1} D_{KL}} = \tfrac2{s_1^2}, \quad "
            r"\tfrac{\partial^b_{s_1} D_F}{\partial_{s_1} D_{KL}} = \tfrac4{s_1^2}",
            "The gradients (32), again without the half, over those of (29).",
            lambda: (2 * pair.unparametrised(POINT) / _OF_KL, [2 / _S1**2, 4 / _S1**2]),
        ),
        Step(
            r"\partial_{m_1} D_F = \tfrac2{s_2^2} \partial_{m_1} D_{KL}, \quad "
            r"\partial_{s_1} D_F = \tfrac{2(s_1^2 + s_2^2)}{s_1^2 s_2^2} \partial_{s_1} D_{KL}, \quad "
            r"\partial^b_{m_1} D_F = \tfrac2{s_1^2} \partial_{m_1} D_{KL}, \quad "
            r"\partial^b_{s_1} D_F = \tfrac4{s_1^2} \partial_{s_1} D_{KL}",
            "The four ratios, multiplied out.",
            lambda: (
                np.concatenate([2 * pair.own_gradient(pair.fisher, POINT), 2 * pair.unparametrised(POINT)]),
                np.array([2 / _S2**2, 2 * (_S1**2 + _S2**2) / (_S1 * _S2) ** 2, 2 / _S1**2, 4 / _S1**2])
                * np.tile(pair.own_gradient(pair.kl, POINT), 2),
            ),
        ),
    ),
    "A.5.1-d-square": (
        _SCORES,
        Step(
            r"d(x) = \left| \tfrac{d}{dx} \log p_1 - \tfrac{d}{dx} \log p_2 \right|^2 "
            r"= \left[ \tfrac{x - m_1}{s_1^2} - \tfrac{x - m_2}{s_2^2} \right]^2",
            "The square, which does not depend on the sign; the paper leaves it out on the right.",
            lambda: (derivative(lambda t: _log_ratio(_X + t)) ** 2, _of_slope(_X, POINT[:2])),
            kind="finite differences",
        ),
    ),
}
