"""Derive M3 as score matching of a field, the baseline of its cross term, and that term along the path."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....types import Array
from ..evidence import derivative, divergence_in, gradient_in
from ..examples.moments import (
    FEW,
    Reconstruction,
    ScaledToy,
    Scores,
    toy_pairs,
    toy_reconstruction,
    toy_scores,
)
from ..examples.toy import Toy, dot, square
from ..proof import Proofs, Step

_TOY = ScaledToy(z_nodes=24)
_GAMMA, _D_X = _TOY.gamma, _TOY.d_x


@cache
def _s() -> Scores:
    return toy_scores(_TOY)


@cache
def _r() -> Reconstruction:
    return toy_reconstruction(_TOY)


def _decoded(x: Array) -> Array:
    """Compute ``r(x) = E_q g(z)``."""
    return _TOY.expect_q(lambda x, z: _TOY.g(z), x)


def _psi(x: Array) -> Array:
    return np.asarray((_decoded(x) - x) / _GAMMA)


def _mean_score(x: Array) -> Array:
    """Compute ``E_q grad_x log p(x|z)`` from differences of the log-likelihood, exact for a quadratic."""
    return _TOY.expect_q(
        lambda x, z: gradient_in(lambda at: _TOY.log_likelihood(at, z), x + 0 * z[..., None], 0.5), x
    )


def _cross(shift: Array | float = 0.0) -> Array:
    """Compute ``E_q[s^q . (s^p - shift)]``."""
    return _TOY.expect_q(lambda x, z: dot(_TOY.score_q(x, z), _TOY.score_p(x, z) - shift), FEW)


def _with_baseline(toy: Toy) -> Array:
    """Compute the mean cross term of two samples, each the other's baseline."""
    return toy_pairs(toy, lambda s_p, s_q: dot(s_q, s_p - s_p[..., ::-1, :]).mean(-1))


def _of_others(toy: Toy) -> Array:
    """Compute the mean of ``s^q_i . (s^p_i + 2 s^p_j)``, to which the other sample adds nothing."""
    return toy_pairs(toy, lambda s_p, s_q: dot(s_q, s_p + 2 * s_p[..., ::-1, :]).mean(-1))


def _trace(x: Array, z: Array) -> Array:
    """Compute ``tr[J_g (J_mu + diag(eps) J_s)]``; with one latent it is a scalar product."""
    s = _TOY.s(x)
    eps = (z - _TOY.mu(x)) / s
    moved = _TOY.dmu(x) + (eps * s)[..., None] * _TOY.dlog_s(x)
    return dot(_TOY.scale * _TOY.dg(z), moved)


_LEIBNIZ = Step(
    r"E_q [s^q \cdot g] = \int \nabla_x q(z|x) \cdot g(z)\, dz = \nabla_x \cdot r(x) = D",
    "Because s^q q = grad_x q, and g does not depend on x, so that the derivative may be taken outside.",
    lambda: (
        _TOY.expect_q(lambda x, z: dot(_TOY.score_q(x, z), _TOY.g(z)), FEW),
        divergence_in(_decoded, FEW),
    ),
    kind="finite differences",
)
_NO_MEAN = Step(
    r"E_q s^q = \int \nabla_x q(z|x)\, dz = \nabla_x 1 = 0, \quad "
    r"\text{so that } E_q [s^q \cdot (s^p - b)] = E_q [s^q \cdot s^p]",
    "The density q integrates to 1 at every x; a b that is independent of z multiplies a mean of zero.",
    lambda: (_cross(np.array([1.7, -0.6])), _s().cross),
)
_DROP_X = Step(
    r"E_q [s^q \cdot s^p] = \tfrac1\gamma E_q [s^q \cdot (g - x)] = \tfrac1\gamma E_q [s^q \cdot g]",
    "The mean of s^q is 0, because q integrates to 1 at every x, and x does not depend on z.",
    lambda: (_s().cross, _TOY.expect_q(lambda x, z: dot(_TOY.score_q(x, z), _TOY.g(z)), FEW) / _GAMMA),
)

PROOFS: Proofs = {
    "engine-m3-field": (
        Step(
            r"E_q s^p = \tfrac1\gamma ( E_q g - x ) = \tfrac{r(x) - x}{\gamma} = \psi",
            "The score of N(x; g, gamma I) is linear in g.",
            lambda: (_mean_score(FEW), _psi(FEW)),
        ),
        Step(
            r"E_q [s^q \cdot s^p + \nabla_x \cdot s^p] = \nabla_x \cdot E_q s^p = \nabla_x \cdot \psi",
            "The product rule under the integral, where grad_x q = q s^q, as in (prop-4.2-score-trick).",
            lambda: (_s().cross + _s().divergence, divergence_in(_psi, FEW)),
            kind="finite differences",
        ),
        _LEIBNIZ,
        Step(
            r"\gamma \nabla_x \cdot \psi = \nabla_x \cdot r - \nabla_x \cdot x = D - d_x",
            "The definition of psi; the field x has the divergence d_x.",
            lambda: (_GAMMA * divergence_in(_psi, FEW), _r().cross - _D_X),
            kind="finite differences",
        ),
        Step(
            r"E M_3 = \tfrac12 |\psi|^2 + \nabla_x \cdot \psi, \quad \psi = \tfrac{r(x) - x}{\gamma}, \quad "
            r"D = E_q[s^q \cdot g] = \nabla_x \cdot r",
            "The first two lines are inserted into (15): this is the score-matching loss (1) of the "
            "field psi.",
            lambda: (_s().m3, 0.5 * square(_psi(FEW)) + divergence_in(_psi, FEW)),
            kind="finite differences",
        ),
    ),
    "engine-m3-baseline": (
        _NO_MEAN,
        Step(
            r"E [s^q_i \cdot s^p_j] = E_q s^q \cdot E_q s^p = 0 \quad (j \ne i)",
            "Different samples are independent, and the first factor has mean zero; so any multiple of it "
            "may be added.",
            lambda: (_of_others(_TOY), _s().cross),
        ),
        Step(
            r"E \tfrac1S \sum_i s^q_i \cdot \Bigl(s^p_i - \tfrac1{S-1} \sum_{j \ne i} s^p_j\Bigr) "
            r"= \tfrac1S \sum_i E [s^q_i \cdot s^p_i] = E_q[s^q \cdot s^p]",
            "Of the products only those of a sample with itself have a mean.",
            lambda: (_with_baseline(_TOY), _s().cross),
        ),
        Step(
            r"E \nabla_\theta [s^q_i \cdot s^p_j] = E_q s^q \cdot E_q \nabla_\theta s^p = 0 \quad (j \ne i)",
            "The score s^q does not depend on theta, so the gradient of the baseline has mean zero as well.",
            lambda: (
                derivative(lambda t: _with_baseline(ScaledToy(z_nodes=24, scale=1 + t))),
                derivative(lambda t: toy_scores(ScaledToy(z_nodes=24, scale=1 + t)).cross),
            ),
            kind="finite differences",
        ),
    ),
    "engine-cross-pathwise": (
        _DROP_X,
        _LEIBNIZ,
        Step(
            r"\nabla_x \cdot r(x) = \nabla_x \cdot E_\epsilon\, g(\mu(x) + s(x) \epsilon) "
            r"= E_\epsilon \operatorname{tr} [ J_g\, \partial_x (\mu + s \epsilon) ]",
            "Because z = mu + s eps with an eps whose law is free of x; then the chain rule.",
            lambda: (divergence_in(_decoded, FEW), _TOY.expect_q(_trace, FEW)),
            kind="finite differences",
        ),
        Step(
            r"\partial_x (\mu + s \epsilon) = J_\mu + \operatorname{diag}(\epsilon) J_s",
            "Each latent has its own mean and standard deviation.",
            lambda: (
                gradient_in(lambda x: _TOY.mu(x) - 0.8 * _TOY.s(x), FEW),
                _TOY.dmu(FEW) - 0.8 * _TOY.s(FEW)[:, None] * _TOY.dlog_s(FEW),
            ),
            kind="finite differences",
        ),
        Step(
            r"E_q[s^q \cdot s^p] = \tfrac1\gamma E_\epsilon \operatorname{tr} "
            r"[ J_g (J_\mu + \operatorname{diag}(\epsilon) J_s) ]",
            "The lines in sequence; neither the score of q nor its variance is left.",
            lambda: (_s().cross, _TOY.expect_q(_trace, FEW) / _GAMMA),
        ),
    ),
}
