"""Derive (18) to (21) from the Gaussian log-likelihood, and (22) by completing the square."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....types import Array
from ..evidence import divergence_in, gradient_in
from ..examples.minimum import least_between
from ..examples.moments import FEW, toy_reconstruction, toy_scores
from ..examples.toy import Toy, square
from ..proof import Proofs, Step

_TOY = Toy()
_X, _Z = FEW, np.array([0.3, -0.8, 1.1])


def _likelihood(x: Array) -> Array:
    return _TOY.log_likelihood(x, _Z)


def _written_out(x: Array) -> Array:
    constant = _TOY.d_x * np.log(2 * np.pi * _TOY.gamma) / 2
    return np.asarray(-square(x - _TOY.g(_Z)) / (2 * _TOY.gamma) - constant)


def _mean_g() -> Array:
    return toy_reconstruction(_TOY).mean


SCORE = Step(
    r"s^p(x|z) = \nabla_x \log p(x|z) = -\tfrac1\gamma (x - g(z))",
    "The gradient in x; z, and with it g(z), is held fixed.",
    lambda: (gradient_in(_likelihood, _X, 0.5), -(_X - _TOY.g(_Z)) / _TOY.gamma),
    kind="finite differences",
)
_MEAN = Step(
    r"E_q s^p = -\tfrac1\gamma (x - E_q g)",
    "The score (18) is affine in g, and x and gamma do not depend on z.",
    lambda: (_TOY.expect_q(_TOY.score_p, _X), -(_X - _mean_g()) / _TOY.gamma),
)
_SQUARE_OF_MEAN = Step(
    r"|E_q s^p|^2 = \tfrac1{\gamma^2} |x - E_q g|^2",
    "The squared norm of both sides.",
    lambda: (toy_scores(_TOY).square_of_mean, toy_reconstruction(_TOY).B / _TOY.gamma**2),
)
SQUARE_OF_MEAN = replace(_SQUARE_OF_MEAN, reason="The squared norm of the mean score (19).")
_MEAN_SQUARE = Step(
    r"E_q |s^p|^2 = \tfrac1{\gamma^2} E_q |x - g|^2 "
    r"= \tfrac1{\gamma^2} \{ |x - E_q g|^2 + \operatorname{tr} \operatorname{Cov}_q[g] \}",
    "The three lines together: a mean square is the square of the mean and the variance.",
    lambda: (
        toy_scores(_TOY).square,
        (toy_reconstruction(_TOY).B + toy_reconstruction(_TOY).T) / _TOY.gamma**2,
    ),
)
MEAN_SQUARE = replace(_MEAN_SQUARE, reason="The mean squared norm of the score (20).")
DIVERGENCE = Step(
    r"\nabla_x \cdot s^p = -\tfrac{d_x}\gamma",
    "Each of the d_x coordinates of (18) has the slope -1 / gamma in its own x (21).",
    lambda: (toy_scores(_TOY).divergence, np.full(len(_X), -_TOY.d_x / _TOY.gamma)),
    kind="finite differences",
)

# --- (22) ---

_A, _B = 1.7, 0.9


def _loss(tau: float) -> float:
    return float(_A * tau**2 / 2 - _B * tau)


def least_over_gamma(a: float, b: float) -> float:
    """Find the minimum of ``a/(2 gamma^2) - b/gamma`` by a search in the logarithm of gamma."""

    def loss(log_gamma: float) -> float:
        return float(a * np.exp(-2 * log_gamma) / 2 - b * np.exp(-log_gamma))

    return least_between(loss, -12, 12)[1]


_LEAST = Step(
    r"\min_\gamma \{ \tfrac{a}{2\gamma^2} - \tfrac b\gamma \} = -\tfrac{b^2}{2a} "
    r"\text{ at } \gamma = a/b \text{ for } b > 0",
    "The square is least where it is 0, if that is at a positive tau.",
    lambda: (least_over_gamma(_A, _B), -(_B**2) / (2 * _A)),
    kind="search",
)
LEAST = replace(_LEAST, reason="The minimum of a quadratic in 1 / gamma (22).")

PROOFS: Proofs = {
    "18": (
        Step(
            r"\log p(x|z) = -\tfrac1{2\gamma} |x - g(z)|^2 - \tfrac{d_x}2 \log(2\pi\gamma)",
            "The logarithm of the Gaussian density of (3).",
            lambda: (_likelihood(_X), _written_out(_X)),
            kind="closed form",
        ),
        SCORE,
    ),
    "19": (_MEAN, _SQUARE_OF_MEAN),
    "20": (
        Step(
            r"E_q |s^p|^2 = \tfrac1{\gamma^2} E_q |x - g|^2",
            "The squared norm of (18); gamma does not depend on z.",
            lambda: (toy_scores(_TOY).square, toy_reconstruction(_TOY).A / _TOY.gamma**2),
        ),
        Step(
            r"E_q |x - g|^2 = |x - E_q g|^2 + 2 (x - E_q g) \cdot E_q[E_q g - g] + E_q |g - E_q g|^2",
            "The mean E_q g is subtracted and added, and the square is expanded.",
            lambda: (
                toy_reconstruction(_TOY).A,
                square(_X - _mean_g())
                + _TOY.expect_q(lambda x, z: square(_TOY.g(z) - _mean_g()[:, None]), _X),
            ),
        ),
        Step(
            r"E_q |g - E_q g|^2 = \textstyle\sum_{j=1}^{d_x} V_q[g_j] = \operatorname{tr} "
            r"\operatorname{Cov}_q[g]",
            "The sum of the variances of the coordinates; the middle term of the line before is 0.",
            lambda: (
                _TOY.expect_q(lambda x, z: square(_TOY.g(z) - _mean_g()[:, None]), _X),
                _TOY.expect_q(lambda x, z: square(_TOY.g(z)), _X) - square(_mean_g()),
            ),
        ),
        _MEAN_SQUARE,
    ),
    "21": (
        SCORE,
        Step(
            r"\partial_{x_j} s^p_j = -\tfrac1\gamma",
            "The score is affine in x, and its coordinate j depends on x_j alone.",
            lambda: (
                np.diagonal(
                    gradient_in(lambda x: gradient_in(_likelihood, x, 0.5), _X, 0.5), axis1=-2, axis2=-1
                ),
                np.full(_X.shape, -1 / _TOY.gamma),
            ),
            kind="finite differences",
        ),
        Step(
            r"\nabla_x \cdot s^p = \textstyle\sum_{j=1}^{d_x} \partial_{x_j} s^p_j = -\tfrac{d_x}{\gamma}",
            "The sum has one term for each coordinate of the data.",
            lambda: (
                divergence_in(lambda x: gradient_in(_likelihood, x, 0.5), _X, 0.5),
                np.full(len(_X), -_TOY.d_x / _TOY.gamma),
            ),
            kind="finite differences",
        ),
    ),
    "22": (
        Step(
            r"\tfrac{a}{2\gamma^2} - \tfrac b\gamma = \tfrac a2 \left( \tau - \tfrac ba \right)^2 "
            r"- \tfrac{b^2}{2a}, \quad \tau = \tfrac1\gamma > 0",
            "The square is completed in tau.",
            lambda: (_loss(0.2), _A * (0.2 - _B / _A) ** 2 / 2 - _B**2 / (2 * _A)),
            kind="closed form",
        ),
        _LEAST,
        Step(
            r"b \le 0: \quad \tfrac a2 \tau^2 - b \tau > 0, \quad \to 0 \text{ as } \tau \to 0",
            "Both terms are not negative and the first is positive: the infimum 0 is not attained by any "
            "gamma, while the paper's formula would be -b^2 / (2 a).",
        ),
        Step(
            r"\inf_{\gamma > 0} \{ \tfrac{a}{2\gamma^2} - \tfrac b\gamma \} = -\tfrac{\max(b, 0)^2}{2a}, "
            r"\text{ attained for } b > 0 \text{ at } \gamma = a/b",
            "Both cases are written together: b is replaced by its positive part.",
            lambda: (least_over_gamma(0.4, 2.5), -(max(2.5, 0.0) ** 2) / (2 * 0.4)),
            kind="search",
        ),
    ),
}
