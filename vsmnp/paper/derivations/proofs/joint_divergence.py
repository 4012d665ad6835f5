"""Derive (6) to (8): the joint Fisher divergence in z and in x, and J without the score of the data."""

from __future__ import annotations

import numpy as np

from ....types import Array
from ..evidence import derivative, divergence_in, gradient_in
from ..examples import linear_joint as joint
from ..examples.linear_joint import LINEAR, TOY, LinearModel
from ..examples.toy import dot, square
from ..proof import Proofs, Step
from .cross_terms import EXPANDED, FIRST_IS_ZERO, SECOND_BY_PARTS
from .joint_steps import BAYES, DEFINITION, NO_Z_IN_THE_MARGINALS, SEPARATED

_X, _Z = np.array([[0.7], [-1.2], [2.0]]), np.array([0.3, -0.8, 1.1])
_EXACT = LINEAR.exact()


def _posterior_fisher() -> float:
    """Compute ``E_pi D_F[q || p(z|x)]`` of the linear model in closed form, as in (30)."""
    v, precision, shift = LINEAR.v, LINEAR.precision, LINEAR.phi - _EXACT.phi
    return float(1 / v - 2 * precision + precision**2 * (v + shift**2 * LINEAR.variance)) / 2


def _sum_of_slopes(x: Array, z: Array) -> Array:
    """Compute ``grad_x`` of ``log pi/p`` plus that of ``log q/p(z|x)`` of the linear model by differences."""
    of_marginals = derivative(lambda t: LINEAR.log_pi(x + t) - LINEAR.log_marginal(x + t))
    of_conditionals = derivative(lambda t: LINEAR.log_q(x + t, z) - LINEAR.log_posterior(x + t, z))
    return np.asarray((of_marginals + of_conditionals)[..., None])


# --- no bound ---

_FAR = LinearModel(theta=0.5, gamma=0.05, phi=1.9, v=0.18, variance=2.0)


def _marginal_fisher(model: LinearModel) -> float:
    difference = 1 / model.variance - 1 / model.marginal_variance
    return model.variance * difference**2 / 2


def _four_squares(model: LinearModel) -> float:
    ratio, precision, variance = model.theta / model.gamma, model.precision, model.variance
    in_z = model.v * (precision - 1 / model.v) ** 2 + variance * (precision * model.phi - ratio) ** 2
    of_data = variance * (1 / model.gamma - 1 / variance - ratio * model.phi) ** 2
    return (in_z + of_data + model.v * (model.phi / model.v - ratio) ** 2) / 2


# --- (8) ---


def _means() -> tuple[Array, Array, Array]:
    """Compute the means of ``|s^p|^2``, ``|s^q|^2`` and ``s^q . s^p`` over the toy."""

    def three(x: Array, z: Array) -> Array:
        p, q = TOY.score_p(x, z), TOY.score_q(x, z)
        return np.stack([square(p), square(q), dot(q, p)], -1)

    square_p, square_q, cross = TOY.expect(three)
    return square_p, square_q, cross


def _divergence() -> Array:
    """Compute the mean of ``div_x s^p`` over the toy by differences, exact for a linear function of x."""
    return TOY.expect(lambda x, z: divergence_in(lambda x: TOY.score_p(x, z), x, 0.5))


def _with_cross_terms() -> Array:
    square_p, square_q, cross = _means()
    squares = (square_p + square_q) / 2 + joint.constant(TOY)
    return np.asarray(squares + (cross + _divergence()) - cross)


def _m1() -> Array:
    square_p, square_q, _ = _means()
    return square_p / 2 + _divergence() + square_q / 2


PROOFS: Proofs = {
    "6": (
        DEFINITION,
        SEPARATED,
        BAYES,
        NO_Z_IN_THE_MARGINALS,
        Step(
            r"\nabla_x \log r = \nabla_x \log \pi + s^q - s^p",
            "The prior p(z) does not depend on x; s^q and s^p are the gradients in x of log q and of log "
            "p(x|z).",
            lambda: (
                gradient_in(lambda x: joint.log_ratio(LINEAR, x, _Z), _X),
                joint.data_difference(LINEAR, _X, _Z),
            ),
            kind="finite differences",
        ),
        Step(
            r"D_F[q(z|x)\pi(x) \| p(z,x)] = E_\pi\{ D_F[q(z|x) \| p(z|x)] + J^\pi(x) \}",
            "For each x half the mean square in z is the divergence of the posteriors, and the one in x is "
            "J.",
            lambda: (LINEAR.joint_fisher(), _posterior_fisher() + joint.data_part(LINEAR)),
            kind="closed form",
        ),
    ),
    "6-exact-posterior": (
        Step(
            r"q(z|x) = p(z|x) \Rightarrow s^q = \nabla_x \log p(z|x) = s^p - \nabla_x \log p(x)",
            "Bayes' rule: log p(z|x) = log p(x|z) + log p(z) - log p(x), and the prior does not depend on x.",
            lambda: (_EXACT.score_q(_X, _Z), _EXACT.score_p(_X, _Z) - _EXACT.score_marginal(_X)),
            kind="closed form",
        ),
        Step(
            r"J^\pi(x) = \tfrac12 E_q |\nabla_x \log\pi + s^q - s^p|^2 "
            r"= \tfrac12 |\nabla_x \log\pi - \nabla_x \log p(x)|^2",
            "Inserted into (7), s^p cancels, and what is left does not depend on z.",
            lambda: (
                _EXACT.expect_q(lambda x, z: square(joint.data_difference(_EXACT, x, z)) / 2, _X),
                square(_EXACT.score_pi(_X) - _EXACT.score_marginal(_X)) / 2,
            ),
        ),
        Step(
            r"q(z|x) = p(z|x) \Rightarrow E_\pi J^\pi = D_F[\pi(x) \| p(x)]",
            "The mean over pi is the definition (5).",
            lambda: (joint.data_part(_EXACT), _marginal_fisher(_EXACT)),
        ),
    ),
    "6-no-bound": (
        Step(
            r"D_F[\pi \| p(x)] = \tfrac{\sigma^2}2 \left( \tfrac1{\sigma^2} "
            r"- \tfrac1{\theta^2 + \gamma} \right)^2",
            "Both are Gaussians about zero, with the scores -x / sigma^2 and -x / (theta^2 + gamma).",
            lambda: (
                _FAR.expect_pi(lambda x: square(_FAR.score_pi(x) - _FAR.score_marginal(x)) / 2),
                _marginal_fisher(_FAR),
            ),
        ),
        Step(
            r"= \left( \tfrac12 - \tfrac1{0.3} \right)^2 = 8.0277...",
            "The values of the statement are inserted: sigma^2 = 2 and theta^2 + gamma = 0.3.",
            lambda: (_marginal_fisher(_FAR), (0.5 - 1 / 0.3) ** 2),
            kind="closed form",
        ),
        Step(
            r"D_F[q\pi \| p(z,x)] = \tfrac12 [ v (P - \tfrac1v)^2 + \sigma^2 (P\phi - \tfrac\theta\gamma)^2 "
            r"+ "
            r"\sigma^2 (\tfrac1\gamma - \tfrac1{\sigma^2} - \tfrac{\theta\phi}\gamma)^2 "
            r"+ v (\tfrac\phi v - \tfrac\theta\gamma)^2 ], \; P = 1 + \tfrac{\theta^2}{\gamma}",
            "The closed form of the model's joint divergence (engine-closed-form-jfd).",
            lambda: (_FAR.joint_fisher(), _four_squares(_FAR)),
            kind="closed form",
        ),
        Step(
            r"= \tfrac12 [ 0.18 (\tfrac49)^2 + 3.92 + 0.5 + 0.18 (\tfrac59)^2 ] = 2.2555...",
            "The values of the statement are inserted; P is 6.",
            lambda: (
                joint.posterior_part(_FAR) + joint.data_part(_FAR),
                (0.18 * (4 / 9) ** 2 + 3.92 + 0.5 + 0.18 * (5 / 9) ** 2) / 2,
            ),
        ),
        Step(
            r"D_F[q\pi \| p(z,x)] < \tfrac12 D_F[\pi \| p(x)] \text{ at } \theta = 0.5, \gamma = 0.05, "
            r"\phi = 1.9, v = 0.18, \sigma^2 = 2",
            "For 2.2555 is less than 4.0138; were the joint divergence a bound, it would be at least 8.0277.",
        ),
    ),
    "7": (
        Step(
            r"s^p = \nabla_x \log p(x|z) = \nabla_x \log p(z|x) + \nabla_x \log p(x)",
            "Bayes' rule: p(z) p(x|z) = p(z|x) p(x), and the prior does not depend on x.",
            lambda: (LINEAR.score_p(_X, _Z), _EXACT.score_q(_X, _Z) + LINEAR.score_marginal(_X)),
            kind="closed form",
        ),
        Step(
            r"\nabla_x \log\pi + s^q - s^p = \nabla_x \log \tfrac{\pi(x)}{p(x)} "
            r"+ \nabla_x \log \tfrac{q(z|x)}{p(z|x)}",
            "The first line is inserted, and differences of logarithms are those of quotients.",
            lambda: (joint.data_difference(LINEAR, _X, _Z), _sum_of_slopes(_X, _Z)),
            kind="finite differences",
        ),
        Step(
            r"J^\pi = \tfrac12 E_q |\nabla_x \log\pi + s^q - s^p|^2 = \tfrac12 E_q \left| "
            r"\nabla_x \log \tfrac{\pi(x)}{p(x)} + \nabla_x \log \tfrac{q(z|x)}{p(z|x)} \right|^2",
            "J is half the mean square of either side.",
            lambda: (joint.data_part(LINEAR), LINEAR.expect(lambda x, z: square(_sum_of_slopes(x, z)) / 2)),
        ),
    ),
    "8": (
        EXPANDED,
        FIRST_IS_ZERO,
        SECOND_BY_PARTS,
        Step(
            r"E_\pi J^\pi = \tfrac12 E_{q\pi}[|s^p|^2 + |s^q|^2 + |\nabla\log\pi|^2] "
            r"+ E_{q\pi}[s^q \cdot s^p + \nabla_x \cdot s^p] - E_{q\pi}[s^q \cdot s^p]",
            "Both cross terms are inserted into (16); the third one cancels.",
            lambda: (joint.data_part(TOY), _with_cross_terms()),
        ),
        Step(
            r"E_\pi J^\pi - C_\pi = E_\pi M_1, \quad M_1 = E_q[\tfrac12 |s^p|^2 + \nabla_x \cdot s^p] "
            r"+ \tfrac12 E_q |s^q|^2",
            "The term of pi alone is the constant (17), with the square under the mean.",
            lambda: (joint.data_part(TOY) - joint.constant(TOY), _m1()),
        ),
    ),
}
