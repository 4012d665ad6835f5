"""Derive the means of M1, M2 and M3 from the moments of the scores, and the gamma at which each is least."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from ....types import Array
from ..examples.moments import FEW, Reconstruction, Scores, toy_pairs, toy_reconstruction, toy_scores
from ..examples.toy import Toy, dot, square
from ..proof import Proofs, Step

_TOY = Toy(z_nodes=24)
_GAMMA, _D_X = _TOY.gamma, _TOY.d_x


@cache
def _r() -> Reconstruction:
    return toy_reconstruction(_TOY)


@cache
def _s() -> Scores:
    return toy_scores(_TOY)


def _product(s_p: Array, s_q: Array) -> Array:
    return dot(s_p[..., 0, :], s_p[..., 1, :])


def _square_of_mean(s_p: Array, s_q: Array) -> Array:
    return square(s_p.mean(-2))


# --- the joint divergence: b0 and c0 of the toy, one latent ---


def _b0(x: Array, z: Array) -> Array:
    return dot(_TOY.dg(z), x - _TOY.g(z))


def _c0(x: Array, z: Array) -> Array:
    return np.asarray(_TOY.latent_score_q(x, z) + z)


@cache
def _latent_moments() -> tuple[float, float, float]:
    """Compute the means over three data of ``c0^2, c0 b0, b0^2``."""

    def mean(f: Callable[[Array, Array], Array], h: Callable[[Array, Array], Array]) -> float:
        return float(_TOY.expect_q(lambda x, z: f(x, z) * h(x, z), FEW).mean())

    return mean(_c0, _c0), mean(_c0, _b0), mean(_b0, _b0)


def _fisher(tau: float) -> float:
    """Compute the mean of ``|d|^2/2`` from the scores of the toy with another precision."""
    toy = Toy(gamma=1 / tau)
    d = toy.expect_q(lambda x, z: (toy.latent_score_q(x, z) - toy.latent_score_p(x, z)) ** 2, FEW)
    return float(0.5 * d.mean())


def _losses(tau: float) -> list[float]:
    """Compute the means over three data of M1, M2, M3 and the joint divergence, up to a constant."""
    s = toy_scores(Toy(gamma=1 / tau))
    m1 = float(s.m1.mean())
    return [m1, float(s.m2.mean()), float(s.m3.mean()), m1 + _fisher(tau)]


def _parabolas() -> tuple[Array, Array]:
    """Compute a and b of the four losses ``a tau^2/2 - b tau``, from the moments."""
    r, (_, cb, bb) = _r(), _latent_moments()
    a, b, d = r.A.mean(), r.B.mean(), r.cross.mean()
    return np.array([a, 2 * a - b, b, bb + a]), np.array([_D_X, _D_X, _D_X - d, cb + _D_X])


def _changes() -> tuple[Array, Array]:
    """Compute the changes of the four losses from tau = 0.8 to tau = 2.1: by the scores, by the parabolas."""
    a, b = _parabolas()
    return np.subtract(_losses(2.1), _losses(0.8)), 0.5 * a * (2.1**2 - 0.8**2) - b * (2.1 - 0.8)


def _vertices() -> tuple[Array, Array]:
    """Compute 1 / tau at the vertices of parabolas through three values of each loss, and a / b."""
    curve, slope, _ = np.polyfit([0.5, 1.0, 2.0], [_losses(tau) for tau in (0.5, 1.0, 2.0)], 2)
    a, b = _parabolas()
    return -2 * curve / slope, a / b


_SECOND = Step(
    r"E_q |s^p|^2 = \tfrac{1}{\gamma^2} E_q |x - g|^2 = \tfrac{1}{\gamma^2} ( B + T )",
    "Because s^p = (g - x)/gamma, and a mean square is the square of the mean plus the variance: A = B + T.",
    lambda: (_s().square, (_r().B + _r().T) / _GAMMA**2),
)
_FIRST = Step(
    r"|E_q s^p|^2 = \tfrac{1}{\gamma^2} |x - E_q g|^2 = \tfrac{B}{\gamma^2}",
    "The mean of s^p is linear in the mean of g.",
    lambda: (_s().square_of_mean, _r().B / _GAMMA**2),
)
_TRACE = Step(
    r"\nabla_x \cdot s^p = -\tfrac{d_x}{\gamma}",
    "In s^p = (g(z) - x)/gamma each of the d_x coordinates of x has the slope -1/gamma.",
    lambda: (_s().divergence, np.full(len(FEW), -_D_X / _GAMMA)),
)
_CROSS = Step(
    r"E_q [s^q \cdot s^p] = \tfrac{1}{\gamma} E_q [s^q \cdot g] = \tfrac{D}{\gamma}",
    "The mean of s^q is 0, because q integrates to 1 at every x; so the part of s^p without z, -x/gamma, "
    "drops out.",
    lambda: (_s().cross, _TOY.expect_q(lambda x, z: dot(_TOY.score_q(x, z), _TOY.g(z)), FEW) / _GAMMA),
)
_UNBIASED = Step(
    r"E \tfrac{1}{S (S - 1)} \sum_{i \ne j} s^p_i \cdot s^p_j = |E_q s^p|^2",
    "Two different samples are independent, so the mean of their product is the product of the means.",
    lambda: (toy_pairs(_TOY, _product), _s().square_of_mean),
)
_BIASED = Step(
    r"E |\bar s|^2 = |E_q s^p|^2 + \tfrac1S \operatorname{tr} \operatorname{Cov}_q[s^p] "
    r"= \tfrac{1}{\gamma^2} ( B + \tfrac1S T )",
    "The mean of S independent scores has the mean of one and 1/S of its covariance, which is "
    "Cov[g]/gamma^2.",
    lambda: (toy_pairs(_TOY, _square_of_mean), (_r().B + _r().T / 2) / _GAMMA**2),
)

PROOFS: Proofs = {
    "engine-m2-biased": (
        Step(
            r"M_2 = \tfrac1S \sum_i |s^p_i|^2 - \tfrac12 |\bar s|^2 + \nabla_x \cdot s^p, \quad "
            r"\bar s = \tfrac1S \sum_i s^p_i",
            "By (13), in which the mean of S samples stands for E_q, inside the square too.",
        ),
        _SECOND,
        _BIASED,
        _TRACE,
        Step(
            r"E M_2 = \tfrac{1}{\gamma^2} ( B + T ) - \tfrac{1}{2 \gamma^2} ( B + \tfrac1S T ) "
            r"- \tfrac{d_x}{\gamma} = \tfrac1{2\gamma^2} ( B + (2 - \tfrac1S) T ) - \tfrac{d_x}{\gamma}",
            "The three means are inserted, that of the first term being the mean of a single sample.",
            lambda: (
                toy_pairs(_TOY, lambda s_p, s_q: square(s_p).mean(-1) - 0.5 * square(s_p.mean(-2)))
                - _D_X / _GAMMA,
                (_r().B + 1.5 * _r().T) / (2 * _GAMMA**2) - _D_X / _GAMMA,
            ),
        ),
    ),
    "engine-one-family": (
        _SECOND,
        _FIRST,
        _CROSS,
        _TRACE,
        _UNBIASED,
        _BIASED,
        Step(
            r"M_1 = \tfrac12 E_q |s^p|^2 + \nabla_x \cdot s^p, \quad "
            r"M_2 = E_q |s^p|^2 - \tfrac12 |E_q s^p|^2 + \nabla_x \cdot s^p, \quad "
            r"M_3 = E_q [s^q \cdot s^p] + \tfrac12 |E_q s^p|^2 + \nabla_x \cdot s^p",
            "By (8), (13) and (15); the divergence of s^p is the same for every z.",
        ),
        Step(
            r"E M = \tfrac{B + c T}{2\gamma^2} - \tfrac{d_x - \delta D}{\gamma}, \quad (c, \delta) = "
            r"(1, 0), (2, 0), (2 - \tfrac1S, 0), (0, 1), (\tfrac1S, 1)",
            "The moments are inserted; a biased |E_q s^p|^2 has T/S more, with weight -1/2 in M2, 1/2 in M3.",
            lambda: (
                np.array(
                    [
                        _s().m1,
                        _s().m2,
                        _s().m3,
                        toy_pairs(_TOY, lambda s_p, s_q: dot(s_q, s_p).mean(-1) + 0.5 * square(s_p.mean(-2)))
                        - _D_X / _GAMMA,
                    ]
                ),
                np.array(
                    [
                        (_r().B + c * _r().T) / (2 * _GAMMA**2) - (_D_X - delta * _r().cross) / _GAMMA
                        for c, delta in ((1, 0), (2, 0), (0, 1), (1 / 2, 1))
                    ]
                ),
            ),
        ),
    ),
    "engine-optimal-gamma": (
        Step(
            r"E M = \tfrac12 a \tau^2 - b \tau, \quad \tau = \tfrac1\gamma, \quad (a, b) = (A, d_x), \; "
            r"(2 A - B, d_x), \; (B, d_x - D)",
            "By (engine-one-family), with T = A - B: each mean is a quadratic in the precision tau.",
        ),
        Step(
            r"\tfrac12 E |d|^2 = \tfrac12 E |c_0 - \tau b_0|^2 = \tfrac12 E |c_0|^2 - \tau E[c_0 \cdot b_0] "
            r"+ \tfrac12 \tau^2 E |b_0|^2",
            "The definition d = grad_z log q - grad_z log p(z, x); the likelihood's part is tau J'(x - g).",
            lambda: (_fisher(1.7), float(np.dot(_latent_moments(), (0.5, -1.7, 0.5 * 1.7**2)))),
        ),
        Step(
            r"(a, b) = (E |b_0|^2 + A, \; E[c_0 \cdot b_0] + d_x) \quad \text{for the joint FD}",
            "The joint divergence is M1 plus the mean of |d|^2/2 plus terms without gamma, by (7) and (8).",
            _changes,
        ),
        Step(
            r"\partial_\tau ( \tfrac12 a \tau^2 - b \tau ) = a \tau - b = 0 \iff \gamma = \tfrac{a}{b}",
            "A parabola with a > 0 is least where its slope vanishes, and this tau is positive if b > 0.",
            _vertices,
        ),
        Step(
            r"\gamma^* = \tfrac{A}{d_x}, \; \tfrac{2A - B}{d_x}, \; \tfrac{B}{d_x - D}, \; "
            r"\tfrac{E|b_0|^2 + A}{E[c_0 \cdot b_0] + d_x}",
            "The four pairs (a, b) are inserted into the quotient.",
        ),
    ),
}
