"""Derive the expansion of A.4: the pulled-back residual to second order, and the divergence for linear g."""

from __future__ import annotations

import numpy as np

from ....types import Array
from ..evidence import derivative, gradient
from ..examples.linear_posterior import LinearPosterior, root_of, spread
from ..proof import Proofs, Step
from ..quadrature import normal_rule

# --- first order: two latents, three data dimensions ---

_AT, _DATUM = np.array([0.4, -0.7]), np.array([0.9, 0.3, -0.5])


def _g(z: Array) -> Array:
    return np.array([z[0] + 0.3 * z[0] * z[1], np.sin(z[1]) + 0.5 * z[0] ** 2, np.cos(z[0] - z[1])])


def _pulled(z: Array) -> Array:
    """Compute ``J' (x - g)`` with J by differences."""
    return np.asarray(gradient(_g, z).T @ (_DATUM - _g(z)))


def _curvature() -> Array:
    """Compute ``sum_k (x - g)_k Hessian(g_k)``, the Hessians written out."""
    error, bend = _DATUM - _g(_AT), np.cos(_AT[0] - _AT[1])
    hessians = np.array([
        [[0.0, 0.3], [0.3, 0.0]],
        [[1.0, 0.0], [0.0, -np.sin(_AT[1])]],
        [[-bend, bend], [bend, -bend]],
    ])  # fmt: skip
    return np.asarray(np.tensordot(error, hessians, 1))


def _first_order() -> Array:
    jacobian = gradient(_g, _AT)
    return np.asarray(_curvature() - jacobian.T @ jacobian)


# --- second order: h(t) = g'(mu + t) (x - g(mu + t)) for g = sin, mu = 0.3, x = 0.9 ---

_MU, _X = 0.3, 0.9
_G1, _G2, _G3 = np.cos(_MU), -np.sin(_MU), -np.cos(_MU)
_ERROR = _X - np.sin(_MU)


def _h(t: float) -> float:
    return float(np.cos(_MU + t) * (_X - np.sin(_MU + t)))


def _second_derivative() -> Array:
    return derivative(lambda t: derivative(lambda u: _h(t + u), 5e-3), 5e-3)


def _ratio(t: float) -> float:
    """Compute the mean of ``R/(z - mu)^2`` on both sides of mu."""
    slope = _ERROR * _G2 - _G1**2
    return float((_h(t) - slope * t) + (_h(-t) + slope * t) - 2 * _h(0.0)) / (2 * t**2)


# --- g linear, g(mu) = x ---

_LINEAR = LinearPosterior()
_MEAN, _BEND = np.array(_LINEAR.z0), _LINEAR.precision - np.eye(2)
_LAMBDA = np.array([[2.3, 0.4], [0.4, 1.7]])
_ROOT = root_of(_LAMBDA)
_EPS = np.array([[0.6, -1.2], [-0.3, 0.8]])
_Z = _MEAN + _EPS @ _ROOT
_OF_EPS = (_LAMBDA - _LINEAR.precision) @ _ROOT


def _d_by_differences() -> Array:
    return -_LINEAR.score_difference(_Z, _MEAN, _ROOT)


def _mean_square() -> float:
    """Compute ``E |-mu + B eps|^2`` by quadrature."""
    eps, w = normal_rule(3, 2)
    return float(w @ ((-_MEAN + eps @ _OF_EPS.T) ** 2).sum(-1))


_AROUND = Step(
    r"d(x, z) = -\mu + (\Lambda - I - G) \Lambda^{-1/2} \epsilon, \quad G = \tfrac1\gamma J^T J",
    "With z = mu + (z - mu) and z - mu = Lambda^(-1/2) eps; as g is linear, nothing is left out.",
    lambda: (_d_by_differences(), -_MEAN + _EPS @ _OF_EPS.T),
    kind="finite differences",
)

PROOFS: Proofs = {
    "A.4-taylor": (
        Step(
            r"[\nabla_z g (x - g)]_j = \textstyle\sum_k \partial_j g_k \, (x - g)_k "
            r"= -\tfrac12 \partial_j |x - g|^2",
            "Row j of nabla g, the transposed Jacobian, has the slopes of all g_k in z_j.",
            lambda: (_pulled(_AT), gradient(lambda z: -((_DATUM - _g(z)) ** 2).sum() / 2, _AT)),
            kind="finite differences",
        ),
        Step(
            r"\partial_i [\partial_j g_k \, (x - g)_k] = (x - g)_k \, \partial_i \partial_j g_k "
            r"- \partial_i g_k \, \partial_j g_k",
            "The product rule: x does not depend on z.",
            lambda: (gradient(lambda z: (_DATUM - _g(z)) @ gradient(_g, z), _AT), _first_order()),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\nabla_z [\nabla_z g (x - g)] = "
            r"\textstyle\sum_k (x - g)_k \nabla_z^2 g_k - \nabla_z g \nabla_z g^T",
            "The sum over k; the products of slopes are the entries of nabla g times its transpose.",
            lambda: (gradient(_pulled, _AT), _first_order()),
            tolerance=1e-8,
            kind="finite differences",
        ),
    ),
    "A.4-remainder": (
        Step(
            r"h(z) = g'(z) (x - g(z)), \quad h' = (x - g) g'' - g'^2",
            "The first order (A.4-taylor) for one latent and one coordinate.",
            lambda: (derivative(_h), _ERROR * _G2 - _G1**2),
            kind="finite differences",
        ),
        Step(
            r"h'' = (x - g) g''' - g' g'' - 2 g' g'' = (x - g) g''' - 3 g' g''",
            "The product rule once more; x - g has the slope -g'.",
            lambda: (_second_derivative(), _ERROR * _G3 - 3 * _G1 * _G2),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"R(z) = h(z) - h(\mu) - h'(\mu) (z - \mu) = \tfrac12 h''(\mu) (z - \mu)^2 + O(|z - \mu|^3)",
            "Taylor's theorem: the remainder is of second order and not o(z^2), as one line of the paper has "
            "it.",
        ),
        Step(
            r"\lim_{z \to \mu} \tfrac{R(z)}{(z - \mu)^2} = \tfrac12 [(x - g) g''' - 3 g' g'']",
            "Divided by the square, with the second derivative inserted.",
            lambda: (
                (64 * _ratio(0.05) - 20 * _ratio(0.1) + _ratio(0.2)) / 45,
                (_ERROR * _G3 - 3 * _G1 * _G2) / 2,
            ),
            tolerance=1e-6,
            kind="finite differences",
        ),
    ),
    "A.4-d-expansion": (
        Step(
            r"x - g(z) = g(\mu) - g(z) = -J (z - \mu)",
            "The mean is decoded to the datum, and g is linear.",
            lambda: (_LINEAR.x - _Z @ _LINEAR.j.T, -(_Z - _MEAN) @ _LINEAR.j.T),
            kind="closed form",
        ),
        Step(
            r"d(x, z) = \Lambda (z - \mu) - z - \tfrac1\gamma J^T J (z - \mu)",
            "The difference of the scores (27) with the first line.",
            lambda: (
                _d_by_differences(),
                (_Z - _MEAN) @ _LAMBDA - _Z - (_Z - _MEAN) @ _LINEAR.j.T @ _LINEAR.j / _LINEAR.gamma,
            ),
            kind="finite differences",
        ),
        _AROUND,
    ),
    "A.4-trace": (
        _AROUND,
        Step(
            r"E |-\mu + B \epsilon|^2 = |\mu|^2 + \operatorname{tr}[B B^T]",
            "The noise has mean 0 and covariance I; mu is the same for all of it.",
            lambda: (_mean_square(), _MEAN @ _MEAN + np.trace(_OF_EPS @ _OF_EPS.T)),
        ),
        Step(
            r"B B^T = (\Lambda - I - G) \Lambda^{-1} (\Lambda - I - G)",
            "For B = (Lambda - I - G) Lambda^(-1/2): all of these matrices are symmetric.",
            lambda: (np.trace(_OF_EPS @ _OF_EPS.T), spread(_LAMBDA, np.eye(2) + _BEND)),
            kind="closed form",
        ),
        Step(
            r"D_F = \tfrac12 |\mu|^2 + \tfrac12 "
            r"\operatorname{tr}[(\Lambda - I - G) \Lambda^{-1} (\Lambda - I - G)]",
            "Half the mean of |d|^2 under q (26); the paper leaves out the half.",
            lambda: (
                _LINEAR.fisher_by_smoothing(_MEAN, _LAMBDA),
                (_MEAN @ _MEAN + spread(_LAMBDA, np.eye(2) + _BEND)) / 2,
            ),
            kind="finite differences",
        ),
    ),
}
