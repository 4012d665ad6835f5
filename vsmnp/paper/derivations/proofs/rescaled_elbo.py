"""Derive the factor between the gradients of M1 and the ELBO, and M2 and M3 with one sample."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....objectives import M2, M3
from ....types import Array
from ..evidence import derivative
from ..examples.engine import EngineExample
from ..examples.moments import (
    FEW,
    Reconstruction,
    ScaledToy,
    evaluate,
    sampled_reconstruction,
    toy_reconstruction,
    toy_scores,
)
from ..proof import Proofs, Step

_TOY = ScaledToy()
_GAMMA, _D_X = _TOY.gamma, _TOY.d_x


def _r() -> Reconstruction:
    return toy_reconstruction(_TOY)


def _nelbo(toy: ScaledToy) -> Array:
    """Compute the part of the negative ELBO that depends on theta, from the log-density."""
    return -toy.expect_q(toy.log_likelihood, FEW)


def _m1(toy: ScaledToy) -> Array:
    return toy_scores(toy).m1


def _scaled(t: float) -> ScaledToy:
    return ScaledToy(scale=1 + t)


def _widened(t: float) -> ScaledToy:
    """Return the toy with l increased by t."""
    return ScaledToy(gamma=_GAMMA * float(np.exp(2 * t)))


@cache
def _one_sample() -> tuple[EngineExample, Reconstruction]:
    """Build an engine's example and the moments over its single sample: the biased means of S = 1."""
    example = EngineExample.build(d_x=3)
    return example, sampled_reconstruction(example, 1)


def _half_square() -> Array:
    """Compute ``|s^p|^2/2 - d_x/gamma`` of the sample: the M1 of one sample."""
    example, r = _one_sample()
    return 0.5 * r.A / example.gamma**2 - r.d_x / example.gamma


PROOFS: Proofs = {
    "engine-k-m1": (
        Step(
            r"L_{NELBO} = \tfrac{1}{2 \gamma} E_q |x - g|^2 + d_x l + \text{const}, \quad "
            r"M_1 = \tfrac{1}{2 \gamma^2} E_q |x - g|^2 - \tfrac{d_x}{\gamma}",
            "The Gaussian log-likelihood with log sqrt(gamma) = l, and (8) with s^p = (g - x)/gamma; the "
            "constant has the divergence of q from the prior, which is free of theta.",
            lambda: (
                np.array([_nelbo(_TOY) - _nelbo(_widened(0.3)), _m1(_TOY)]),
                np.array(
                    [
                        _r().A / (2 * _GAMMA) - _r().A / (2 * _GAMMA * np.exp(0.6)) - _D_X * 0.3,
                        _r().A / (2 * _GAMMA**2) - _D_X / _GAMMA,
                    ]
                ),
            ),
        ),
        Step(
            r"\nabla_{weights} M_1 = \tfrac{1}{2 \gamma^2} \nabla_{weights} E_q |x - g|^2 "
            r"= \tfrac1\gamma \nabla_{weights} L_{NELBO}",
            "The weights of the decoder enter both through g alone, with factors whose quotient is 1/gamma.",
            lambda: (
                derivative(lambda t: _m1(_scaled(t))),
                derivative(lambda t: _nelbo(_scaled(t))) / _GAMMA,
            ),
            kind="finite differences",
        ),
        Step(
            r"\partial_l L_{NELBO} = d_x - \tfrac{1}{\gamma} E_q |x - g|^2",
            "Because gamma = exp(2 l), the derivative of 1/gamma in l is -2/gamma.",
            lambda: (derivative(lambda t: _nelbo(_widened(t))), _D_X - _r().A / _GAMMA),
            kind="finite differences",
        ),
        Step(
            r"\partial_l M_1 = \tfrac{2 d_x}{\gamma} - \tfrac{2}{\gamma^2} E_q |x - g|^2",
            "The derivative of 1/gamma^2 in l is -4/gamma^2.",
            lambda: (derivative(lambda t: _m1(_widened(t))), 2 * _D_X / _GAMMA - 2 * _r().A / _GAMMA**2),
            kind="finite differences",
        ),
        Step(
            r"\nabla_{weights} M_1 = \tfrac1\gamma \nabla_{weights} L_{NELBO}, \quad "
            r"\partial_l M_1 = \tfrac2\gamma \partial_l L_{NELBO}",
            "The last two lines differ by the factor 2/gamma. Nothing used that E_q is exact: it may be the "
            "mean of any samples.",
            lambda: (
                derivative(lambda t: _m1(_widened(t))),
                2 / _GAMMA * derivative(lambda t: _nelbo(_widened(t))),
            ),
            kind="finite differences",
        ),
    ),
    "engine-s1": (
        Step(
            r"E_q |s^p|^2 \to |s^p|^2, \quad |E_q s^p|^2 \to |s^p|^2, \quad E_q[s^q \cdot s^p] \to s^q "
            r"\cdot s^p",
            "The mean of a single sample is the sample's value, in the square of the mean too.",
        ),
        Step(
            r"M_2 = |s^p|^2 + \nabla_x \cdot s^p - \tfrac12 |s^p|^2 = \tfrac12 |s^p|^2 + \nabla_x \cdot s^p "
            r"= M_1",
            "Equation (13) with these values is (8) with them.",
            lambda: (evaluate(_one_sample()[0], M2(1)).loss[0], _half_square().mean()),
            kind="closed form",
        ),
        Step(
            r"M_3 = s^q \cdot s^p + \nabla_x \cdot s^p + \tfrac12 |s^p|^2 = M_1 + s^q \cdot s^p",
            "Equation (15) with these values: its other two terms are those of M1.",
            lambda: (
                evaluate(_one_sample()[0], M3(1)).loss[0],
                (_half_square() + _one_sample()[1].cross / _one_sample()[0].gamma).mean(),
            ),
            kind="finite differences",
        ),
        Step(
            r"M_2 = M_1, \quad M_3 = M_1 + s^q \cdot s^p",
            "Both lines together; the derivatives in theta agree as well, since s^p is the same function "
            "of it.",
        ),
    ),
}
