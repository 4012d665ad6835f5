"""Derive the variances of the estimators from the fourth moments of Gaussian vectors."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....objectives import M3
from ....objectives.m3 import Baseline
from ....objectives.quadratic import SquaredMean
from ....types import Array
from ..examples.gaussian_scores import scores
from ..proof import Proofs, Step
from ..quadrature import normal_rule

_S = 3
_MM, _W, _MWM, _WW = scores().squares()
_C, _VW, _CC, _MVM = scores().products()


@cache
def _squares(estimator: SquaredMean) -> Array:
    """Compute mean and variance of the engine's estimate of ``|m|^2``, ``(2,)``."""
    return np.asarray(scores().moments(M3(_S, estimator=estimator))[0])


@cache
def _crosses(baseline: Baseline) -> Array:
    """Compute mean and variance of the engine's cross term, ``(2,)``."""
    return np.asarray(scores().moments(M3(_S, baseline=baseline))[1])


def _variance(samples: int, f: str) -> float:
    """Compute by quadrature the variance of a product of scores of one or two samples."""
    eps, w = normal_rule(3, 2 * samples)
    eps = eps.reshape(-1, samples, 2)
    q, e, m = eps @ scores().of_q.T, eps @ scores().of_p.T, scores().mean
    values = {
        "square": lambda: ((m + e[:, 0]) ** 2).sum(-1),
        "pair": lambda: (e[:, 0] * e[:, 1]).sum(-1),
        "product": lambda: (q[:, 0] * e[:, 0]).sum(-1),
        "along m": lambda: (q[:, 0] * (m + e[:, 0])).sum(-1),
    }[f]()
    return float(w @ values**2 - (w @ values) ** 2)


def _both_forms_of_u() -> tuple[Array, Array]:
    """Compute U at a few draws by the engine's coefficients, and as the mean of products."""
    eps = np.random.default_rng(3).standard_normal((4, _S, 2))
    s = scores().mean + eps @ scores().of_p.T
    products = np.einsum("qid,qjd->qij", s, s)
    off = products.sum((1, 2)) - np.trace(products, axis1=1, axis2=2)
    return scores().estimates(M3(_S, estimator="u-statistic"), eps)[0], off / (_S * (_S - 1))


def _both_forms_of_y() -> tuple[Array, Array]:
    """Compute Y at a few draws by the engine's coefficients, and as the sample covariance."""
    eps = np.random.default_rng(3).standard_normal((4, _S, 2))
    q, p = eps @ scores().of_q.T, eps @ scores().of_p.T
    centred = (q - q.mean(1, keepdims=True)) * (p - p.mean(1, keepdims=True))
    return scores().estimates(M3(_S, baseline="leave-one-out"), eps)[1], centred.sum((1, 2)) / (_S - 1)


def _helmert() -> tuple[float, float]:
    """Compute the sum of centred products directly, and from the rows of an orthogonal matrix but one."""
    eps = np.random.default_rng(3).standard_normal((_S, 2))
    q, p = eps @ scores().of_q.T, eps @ scores().of_p.T
    rest = np.linalg.svd(np.ones((1, _S)))[2][1:]  # an orthonormal basis of what is orthogonal to (1, ..., 1)
    centred = (q - q.mean(0)) * (p - p.mean(0))
    return float(centred.sum()), float(((rest @ q) * (rest @ p)).sum())


PROOFS: Proofs = {
    "engine-squared-mean-variance": (
        Step(
            r"\bar s \sim N(m, \tfrac1S W) \implies E |\bar s|^2 = |m|^2 + \tfrac1S \operatorname{tr} W",
            "The mean of independent Gaussians is Gaussian with 1/S of the covariance.",
            lambda: (_squares("biased")[0], _MM + _W / _S),
        ),
        Step(
            r"e \sim N(0, W): \quad \operatorname{Var} |m + e|^2 = \operatorname{Var} ( 2 m^T e ) + "
            r"\operatorname{Var} |e|^2 = 4 m^T W m + 2 \operatorname{tr} W^2",
            "The covariance of m'e and |e|^2 is a third moment, which is 0; by Isserlis E e_j^2 e_k^2 = "
            "W_jj W_kk + 2 W_jk^2.",
            lambda: (_variance(1, "square"), 4 * _MWM + 2 * _WW),
        ),
        Step(
            r"\operatorname{Var} |\bar s|^2 = \tfrac4S m^T W m + \tfrac{2}{S^2} \operatorname{tr} W^2",
            "The last line with W/S in the place of W.",
            lambda: (_squares("biased")[1], 4 * _MWM / _S + 2 * _WW / _S**2),
        ),
        Step(
            r"U = \tfrac{1}{S - 1} \bigl( S |\bar s|^2 - \tfrac1S \sum_i |s_i|^2 \bigr) "
            r"= \tfrac{1}{S (S - 1)} \sum_{i \ne j} s_i \cdot s_j, \quad E U = |m|^2",
            "The products of a sample with itself cancel; those of different samples have the mean m.m.",
            _both_forms_of_u,
            kind="closed form",
        ),
        Step(
            r"s_i = m + e_i: \quad U - |m|^2 = 2 m \cdot \bar e + \tfrac{1}{S (S - 1)} \sum_{i \ne j} e_i "
            r"\cdot e_j, \quad E ( e_i \cdot e_j )^2 = \operatorname{tr} W^2",
            "The two parts are uncorrelated, being of odd order together; e_i and e_j are independent.",
            lambda: (_variance(2, "pair"), _WW),
        ),
        Step(
            r"\operatorname{Var} U = \tfrac4S m^T W m + \tfrac{2 S (S - 1)}{S^2 (S - 1)^2} "
            r"\operatorname{tr} W^2 "
            r"= \tfrac4S m^T W m + \tfrac{2}{S (S - 1)} \operatorname{tr} W^2",
            "Of the S (S - 1) ordered pairs each is correlated with itself and with its reverse only.",
            lambda: (_squares("u-statistic")[1], 4 * _MWM / _S + 2 * _WW / (_S * (_S - 1))),
        ),
    ),
    "engine-cross-variance": (
        Step(
            r"X = \tfrac1S \sum_i s^q_i \cdot s^p_i, \quad E X = E [s^q \cdot (s^p - m)] = "
            r"\operatorname{tr} C",
            "The mean of s^q is 0, so m drops out; the trace of C is the sum of the covariances.",
            lambda: (_crosses("none")[0], _C),
        ),
        Step(
            r"\operatorname{Var} [ s^q \cdot (s^p - m) ] = \sum_{jk} ( V_{jk} W_{jk} + C_{jk} C_{kj} ) "
            r"= \operatorname{tr} V W + \operatorname{tr} C^2",
            "By Isserlis, the mean of four Gaussian factors is a sum over the three pairings, of which "
            "one is "
            "the square of the mean.",
            lambda: (_variance(1, "product"), _VW + _CC),
        ),
        Step(
            r"\operatorname{Var} [ s^q \cdot s^p ] = \operatorname{tr} V W + \operatorname{tr} C^2 + m^T V m",
            "The part m.s^q is uncorrelated with the other one, by a third moment, and has the variance "
            "m'V m.",
            lambda: (_variance(1, "along m"), _VW + _CC + _MVM),
        ),
        Step(
            r"\operatorname{Var} X = \tfrac1S \bigl( \operatorname{tr} V W + \operatorname{tr} C^2 + m^T V m "
            r"\bigr)",
            "The mean of S independent terms.",
            lambda: (_crosses("none")[1], (_VW + _CC + _MVM) / _S),
        ),
        Step(
            r"Y = \tfrac1S \sum_i s^q_i \cdot \Bigl( s^p_i - \tfrac{1}{S - 1} \sum_{j \ne i} s^p_j \Bigr) "
            r"= \tfrac{1}{S - 1} \sum_i (s^q_i - \bar s^q) \cdot (s^p_i - \bar s^p)",
            "The bracket is S/(S - 1) times the distance from the mean, whose sum over i is 0: Y is the "
            "sample "
            "covariance, in which m does not occur.",
            _both_forms_of_y,
            kind="closed form",
        ),
        Step(
            r"\sum_i (s^q_i - \bar s^q) \cdot (s^p_i - \bar s^p) = \sum_{i=1}^{S-1} \tilde s^q_i \cdot "
            r"\tilde s^p_i",
            "A rotation of the S samples whose first axis is (1, ..., 1) leaves S - 1 pairs, which are again "
            "independent, with the same covariances and mean 0.",
            _helmert,
            kind="closed form",
        ),
        Step(
            r"E Y = \operatorname{tr} C, \quad \operatorname{Var} Y = \tfrac{1}{S - 1} \bigl( "
            r"\operatorname{tr} V W + \operatorname{tr} C^2 \bigr)",
            "The first two lines for S - 1 pairs of mean 0.",
            lambda: (_crosses("leave-one-out"), np.array([_C, (_VW + _CC) / (_S - 1)])),
        ),
    ),
}
