"""Derive the steps of A.1 up to (6), the definition of J, and the constant (17)."""

from __future__ import annotations

import numpy as np

from ....model.likelihood import log_likelihood, log_normal
from ....model.posterior import Moments
from ....types import Array
from ..evidence import derivative, gradient
from ..examples import linear_joint as joint
from ..examples.linear_joint import LINEAR, TOY
from ..examples.toy import square
from ..proof import Proofs, Step
from .cross_terms import EXPANDED, FIRST_IS_ZERO, SECOND_BY_PARTS

_X, _Z = np.array([[0.7], [-1.2], [2.0]]), np.array([0.3, -0.8, 1.1])


def _ratio_at(v: Array) -> Array:
    """Compute the log-ratio of the linear model at ``v = (z, x)``."""
    return joint.log_ratio(LINEAR, v[1:], v[0])


def _log_joint_of_the_engine() -> Array:
    """Compute ``log p(z) p(x|z)`` at pairs by the densities of the engine."""
    log_sd = np.asarray(np.log(LINEAR.gamma) / 2)
    return log_normal(_Z[:, None]) + log_likelihood(square(_X - LINEAR.theta * _Z[:, None]), log_sd, 1)


def _log_posterior_of_the_engine() -> Array:
    example = LINEAR.exact().engine()
    return example.model.posterior.log_prob(Moments(*example.q(_X)), _Z[:, None])


DEFINITION = Step(
    r"D_F[q(z|x)\pi(x) \| p(z,x)] = \tfrac12 E_{q\pi} |\nabla_{z,x} \log r|^2, \quad "
    r"r = \tfrac{q(z|x) \pi(x)}{p(z) p(x|z)}",
    "The definition (5) for densities of z and x together.",
    lambda: (LINEAR.joint_fisher(), LINEAR.expect(lambda x, z: joint.squared_gradient(LINEAR, x, z) / 2)),
)
SEPARATED = Step(
    r"= \tfrac12 E_{q\pi} |\nabla_z \log r|^2 + \tfrac12 E_{q\pi} |\nabla_x \log r|^2",
    "The squared norm of the gradient is the sum over the coordinates of z and of x (A.1-separation).",
    lambda: (joint.joint_fisher(TOY), joint.posterior_part(TOY) + joint.data_part(TOY)),
)
BAYES = Step(
    r"r = \tfrac{q(z|x) \pi(x)}{p(z|x) p(x)}",
    "Bayes' rule in the denominator (A.1-bayes).",
    lambda: (
        joint.log_ratio(LINEAR, _X, _Z),
        LINEAR.log_q(_X, _Z) + LINEAR.log_pi(_X) - _log_posterior_of_the_engine() - LINEAR.log_marginal(_X),
    ),
    kind="closed form",
)
NO_Z_IN_THE_MARGINALS = Step(
    r"\nabla_z \log r = \nabla_z \log \tfrac{q(z|x)}{p(z|x)}",
    "Neither pi(x) nor p(x) depends on z.",
    lambda: (
        joint.latent_difference(LINEAR, _X, _Z)[:, 0],
        derivative(lambda t: LINEAR.log_q(_X, _Z + t) - LINEAR.log_posterior(_X, _Z + t)),
    ),
    kind="finite differences",
)

PROOFS: Proofs = {
    "A.1-separation": (
        Step(
            r"\nabla_{z,x} \log r = (\nabla_z \log r, \nabla_x \log r)",
            "The gradient in (z, x) lists the partial derivatives in z and then those in x.",
            lambda: (
                gradient(_ratio_at, np.array([0.3, 0.7])),
                np.concatenate(
                    [
                        joint.latent_difference(LINEAR, _X[0], _Z[0]),
                        joint.data_difference(LINEAR, _X[0], _Z[0]),
                    ]
                ),
            ),
            kind="finite differences",
        ),
        Step(
            r"|\nabla_{z,x} \log r|^2 = \textstyle\sum_i (\partial_{z_i} \log r)^2 "
            r"+ \sum_j (\partial_{x_j} \log r)^2",
            "The squared norm is the sum of the squares of all entries.",
            lambda: (
                joint.squared_gradient(LINEAR, _X, _Z),
                square(joint.latent_difference(LINEAR, _X, _Z))
                + square(joint.data_difference(LINEAR, _X, _Z)),
            ),
            kind="finite differences",
        ),
        Step(
            r"\tfrac12 |\nabla_{z,x} \log r|^2 = \tfrac12 (|\nabla_z \log r|^2 + |\nabla_x \log r|^2), \quad "
            r"r = \frac{q(z|x) \pi(x)}{p(z) p(x|z)}",
            "Each sum is the squared norm of a gradient, and the half belongs to both.",
            lambda: (LINEAR.joint_fisher(), joint.posterior_part(LINEAR) + joint.data_part(LINEAR)),
            kind="closed form",
        ),
    ),
    "A.1-bayes": (
        Step(
            r"p(z) p(x|z) = p(z, x) = p(z|x) p(x)",
            "The definition of a conditional density, used once for x given z and once for z given x.",
            lambda: (
                np.exp(_log_joint_of_the_engine()),
                np.exp(LINEAR.log_posterior(_X, _Z) + LINEAR.log_marginal(_X)),
            ),
            kind="closed form",
        ),
        Step(
            r"\log p(z) p(x|z) = \log p(z|x) + \log p(x)",
            "The logarithm of both sides.",
            lambda: (
                LINEAR.log_prior(_Z) + LINEAR.log_likelihood(_X, _Z),
                _log_posterior_of_the_engine() + LINEAR.log_marginal(_X),
            ),
            kind="closed form",
        ),
    ),
    "A.1-last-display": (
        DEFINITION,
        SEPARATED,
        BAYES,
        NO_Z_IN_THE_MARGINALS,
        Step(
            r"D_F = \tfrac12 E_{q\pi} |\nabla_z \log\tfrac{q}{p(z|x)}|^2 + \tfrac12 E_{q\pi} "
            r"|\nabla_x \log\tfrac{\pi}{p(x)} + \nabla_x \log\tfrac{q}{p(z|x)}|^2",
            "Both are inserted; the half stands before both summands, and the paper drops the second one "
            "here.",
            lambda: (LINEAR.joint_fisher(), joint.posterior_part(LINEAR) + joint.data_part(LINEAR)),
            kind="closed form",
        ),
    ),
    "A.1-J": (
        Step(
            r"E_\pi J^\pi = \tfrac12 E_{q\pi} |\nabla_x \log r|^2",
            "J is the second summand of (6), and what is averaged over the data is J itself: the paper "
            "prints the mean of |J|^2.",
            lambda: (joint.joint_fisher(TOY) - joint.posterior_part(TOY), joint.data_part(TOY)),
        ),
        Step(
            r"|\nabla_x \log r|^2 = |\nabla_x \log\pi + s^q - s^p|^2 = |s^p - s^q - \nabla_x \log\pi|^2",
            "The prior does not depend on x, and the norm does not depend on the sign.",
            lambda: (
                derivative(lambda t: joint.log_ratio(LINEAR, _X + t, _Z)) ** 2,
                square(LINEAR.score_p(_X, _Z) - LINEAR.score_q(_X, _Z) - LINEAR.score_pi(_X)),
            ),
            kind="finite differences",
        ),
        Step(
            r"J^\pi(x) = \tfrac12 E_q |s^p - s^q - \nabla_x \log\pi|^2, \quad "
            r"\text{and } E_\pi[J^\pi] \text{ is the second term of the joint FD}",
            "For each x the mean over q, with the half of the first line, which the paper's definition "
            "lacks.",
            lambda: (
                LINEAR.joint_fisher() - joint.posterior_part(LINEAR),
                LINEAR.expect(
                    lambda x, z: square(LINEAR.score_p(x, z) - LINEAR.score_q(x, z) - LINEAR.score_pi(x))
                )
                / 2,
            ),
            kind="closed form",
        ),
    ),
    "17": (
        EXPANDED,
        FIRST_IS_ZERO,
        SECOND_BY_PARTS,
        Step(
            r"E_\pi J^\pi = E_{q\pi}[\tfrac12 |s^p|^2 + \nabla_x \cdot s^p + \tfrac12 |s^q|^2] "
            r"+ \tfrac12 E_\pi |\nabla_x \log\pi|^2",
            "Both cross terms are inserted into (16), where the third one cancels.",
            lambda: (
                joint.data_part(TOY),
                TOY.expect(lambda x, z: square(TOY.score_p(x, z)) + square(TOY.score_q(x, z))) / 2
                - TOY.d_x / TOY.gamma
                + joint.constant(TOY),
            ),
        ),
        Step(
            r"C_\pi = \tfrac12 E_\pi |\nabla_x \log\pi|^2",
            "The only term without q and theta; the paper prints the square of E grad log pi, which is the "
            "integral of grad pi and thus 0.",
        ),
    ),
}
