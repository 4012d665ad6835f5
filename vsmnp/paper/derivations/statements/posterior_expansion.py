"""Appendix A.4 step by step: the expansion of the score difference about the mean of q."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....types import Array, Grads, Tangents
from ..evidence import derivative, gradient, numeric, symbolic
from ..examples.engine import EngineExample
from ..examples.expected import loss_of, with_q
from ..examples.linear_engine import at_decoded_datum
from ..examples.linear_posterior import LinearPosterior, root_of, spread
from ..statement import Effort, Evidence, Form, Statement

# --- first order: a claim is the derivative of J' (x - g), from x - g, J (D, Z), Hessians (D, Z, Z) ---

_POINT, _DATUM = np.array([0.4, -0.7]), np.array([0.9, 0.3])


def _g(z: Array) -> Array:
    return np.array([np.sin(z[0]) + 0.3 * z[0] * z[1], z[0] + 0.5 * z[1] ** 2])


def _pulled(z: Array) -> Array:
    """Compute ``J' (x - g)``, the gradient of ``-|x - g|^2/2``."""
    return gradient(lambda there: -0.5 * ((_DATUM - _g(there)) ** 2).sum(), z, 3e-3)


def _first_order_symbolic(claim: Any, effort: Effort) -> Evidence:
    """Compare in symbols, for two latents, two data dimensions and any decoder."""
    import sympy

    z, x = sympy.symbols("z1 z2", real=True), sympy.symbols("x1 x2", real=True)
    g = [sympy.Function(name, real=True)(*z) for name in ("g1", "g2")]
    j = np.array([[sympy.diff(f, at) for at in z] for f in g])
    h = np.array([sympy.hessian(f, z).tolist() for f in g])
    error = np.array(x) - np.array(g)
    truth = sympy.hessian(-(error @ error) / 2, z)
    detail = "Hessian of -|x - g|^2/2, any decoder"
    return symbolic(claim(error, j, h).ravel().tolist(), list(truth), detail)


def _first_order(claim: Any, effort: Effort) -> Evidence:
    a, b = _POINT
    j = np.array([[np.cos(a) + 0.3 * b, 0.3 * a], [1.0, b]])
    h = np.array([[[-np.sin(a), 0.3], [0.3, 0.0]], [[0.0, 0.0], [0.0, 1.0]]])
    truth = gradient(_pulled, _POINT, 3e-3)
    claimed = claim(_DATUM - _g(_POINT), j, h)
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-8), "derivative of J'(x - g)")


def _first_order_by_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare with the tangent of the vjp; J is the decoder's jvp, its derivative by differences of that."""
    example = EngineExample.build(n=1)
    k, decoder, p = example.k, example.model.decoder, example.model.decoder_part(example.theta)

    def jacobian(z: Array) -> Array:
        _, c = example.model.decode(k, example.theta, z[None, None, None])
        columns = [decoder.jvp(k, p, c, None, e[None, None, None])[0] for e in np.eye(2)]
        return np.stack([column[0, 0, 0] for column in columns if column is not None], -1)

    g, c = example.model.decode(k, example.theta, _POINT[None, None, None])
    error = example.x - g

    def along(e: Array) -> Array:
        dg, dc = decoder.jvp(k, p, c, None, e[None, None, None])
        assert dg is not None
        _, slope = decoder.vjp_jvp(k, p, c, error, Tangents(None, dc, -dg), Grads())
        assert slope is not None
        return np.asarray(slope[0, 0, 0])

    truth = np.stack([along(e) for e in np.eye(2)], -1)
    claimed = claim(error[0, 0, 0], jacobian(_POINT), gradient(jacobian, _POINT))
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-9), "tangent of the vjp")


def _bend(error: Array, h: Array) -> Array:
    return np.asarray(np.einsum("d,dij->ij", error, h))


# --- second order, one latent: a claim is lim remainder / (z - mu)^2, from x - g and g', g'', g''' ---


def _remainder_symbolic(claim: Any, effort: Effort) -> Evidence:
    import sympy

    e, g1, g2, g3, t = sympy.symbols("e g1 g2 g3 t", real=True)
    moved = e - g1 * t - g2 * t**2 / 2 - g3 * t**3 / 6
    pulled = sympy.expand(-sympy.diff(moved, t) * moved)
    return symbolic(claim(e, g1, g2, g3), pulled.coeff(t, 2), "second coefficient of g'(x - g)")


def _remainder_by_differences(claim: Any, effort: Effort) -> Evidence:
    z, x = 0.3, 0.9

    def pulled(t: float) -> float:
        return float(np.cos(z + t) * (x - np.sin(z + t)))

    linear = float(derivative(pulled, 1e-3))
    steps = 0.02 * np.array([-3, -2, -1, 1, 2, 3])
    ratios = [(pulled(t) - pulled(0) - linear * t) / t**2 for t in steps]
    truth = np.polynomial.Polynomial.fit(steps, ratios, 5)(0.0)
    claimed = claim(x - np.sin(z), np.cos(z), -np.sin(z), -np.cos(z))
    detail = "remainder over (z - mu)^2, g = sin"
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-8), detail)


# --- g linear: claims of mu, Lambda, G and eps ---

_LAMBDA = np.array([[2.3, 0.4], [0.4, 1.7]])
_NOISE = np.array([[0.6, -1.2], [-0.3, 0.8]])


def _d_by_differences(claim: Any, effort: Effort) -> Evidence:
    toy, root = LinearPosterior(), root_of(_LAMBDA)
    mu = np.array(toy.z0)  # the decoder maps it to x
    truth = [-toy.score_difference(mu + root @ eps, mu, root) for eps in _NOISE]
    claimed = [claim(mu, _LAMBDA, toy.precision - np.eye(2), eps) for eps in _NOISE]
    detail = "d at two eps, from log densities"
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-10), detail)


def _d_by_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare with minus the kernel's d, which has the other sign, for diagonal Lambda."""
    example, jacobian, mu = at_decoded_datum(2)
    s, eps = np.array([0.6, 0.9]), _NOISE[:, None]
    z = mu + s * eps
    b = (example.data - example.g(z)) @ jacobian / example.gamma
    d, *_ = example.k.posterior_fisher(mu[None, None, None], s[None, None, None], eps[None], b[None])
    bend = jacobian.T @ jacobian / example.gamma
    claimed = [claim(mu, np.diag(s**-2.0), bend, e) for e in _NOISE]
    return numeric("closed form", claimed, -d[0, :, 0], effort.tolerance(1e-10), "d of the kernel")


def _trace_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy, mu = LinearPosterior(), np.array(LinearPosterior().z0)
    claimed = claim(mu, _LAMBDA, toy.precision - np.eye(2))
    truth = toy.fisher(mu, root_of(_LAMBDA))
    return numeric("quadrature", claimed, truth, effort.tolerance(1e-10), "D_F at g(mu) = x, any Lambda")


def _trace_by_smoothing(claim: Any, effort: Effort) -> Evidence:
    toy, mu = LinearPosterior(), np.array(LinearPosterior().z0)
    claimed = claim(mu, _LAMBDA, toy.precision - np.eye(2))
    truth = toy.fisher_by_smoothing(mu, _LAMBDA)
    detail = "rate at which noise lowers KL, at g(mu) = x"
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-9), detail)


def _trace_by_engine(claim: Any, effort: Effort) -> Evidence:
    example, jacobian, mu = at_decoded_datum(2)
    s = np.array([0.6, 0.9])
    claimed = claim(mu, np.diag(s**-2.0), jacobian.T @ jacobian / example.gamma)
    truth = loss_of(with_q(example, mu, s))
    return numeric("quadrature", claimed, truth, effort.tolerance(1e-10), "loss at g(mu) = x, diagonal q")


def _excess(precision: Array, bend: Array) -> Array:
    return precision - np.eye(len(bend)) - bend


def _trace(precision: Array, bend: Array) -> float:
    return spread(precision, np.eye(len(bend)) + bend)


STATEMENTS = (
    Statement(
        id="A.4-taylor",
        section="A.4",
        title="First order of the pulled-back residual",
        assumptions="g twice differentiable; nabla g is the transposed Jacobian, d_z rows and d_x columns.",
        form=Form(
            r"\nabla_z [\nabla_z g (x - g)] = "
            r"\textstyle\sum_k (x - g)_k \nabla_z^2 g_k - \nabla_z g \nabla_z g^T",
            lambda error, j, h: _bend(error, h) - j.T @ j,
        ),
        checks=(_first_order_symbolic, _first_order, _first_order_by_engine),
        mutations={
            "sign": lambda error, j, h: _bend(error, h) + j.T @ j,
            "transposed": lambda error, j, h: _bend(error, h) - j @ j.T,
            "no curvature": lambda error, j, h: -j.T @ j,
        },
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="A.4-remainder",
        section="A.4",
        title="Size of what the expansion leaves out",
        assumptions="One latent and one datum's coordinate, g three times differentiable.",
        form=Form(
            r"\lim_{z \to \mu} \tfrac{R(z)}{(z - \mu)^2} = \tfrac12 [(x - g) g''' - 3 g' g'']",
            lambda error, g1, g2, g3: (error * g3 - 3 * g1 * g2) / 2,
        ),
        printed=Form(r"R(z) = o(z^2)", lambda error, g1, g2, g3: 0 * error),
        checks=(_remainder_symbolic, _remainder_by_differences),
        mutations={
            "sign": lambda error, g1, g2, g3: (error * g3 + 3 * g1 * g2) / 2,
            "one product": lambda error, g1, g2, g3: (error * g3 - g1 * g2) / 2,
        },
        consequence=(
            "The remainder is of second order, as the notation o_2 says elsewhere, and not smaller: "
            "over gamma it does not vanish with the variance of q."
        ),
    ),
    Statement(
        id="A.4-d-expansion",
        section="A.4",
        title="Score difference about a mean that is decoded to the datum",
        assumptions="g linear, g(mu) = x, z = mu + Lambda^(-1/2) eps.",
        form=Form(
            r"d(x, z) = -\mu + (\Lambda - I - G) \Lambda^{-1/2} \epsilon, \quad G = \tfrac1\gamma J^T J",
            lambda mu, precision, bend, eps: -mu + _excess(precision, bend) @ root_of(precision) @ eps,
        ),
        checks=(_d_by_differences, _d_by_engine),
        mutations={
            "sign of the mean": lambda mu, precision, bend, eps: (
                mu + _excess(precision, bend) @ root_of(precision) @ eps
            ),
            "without the prior": lambda mu, precision, bend, eps: (
                -mu + (precision - bend) @ root_of(precision) @ eps
            ),
            "Lambda for its inverse": lambda mu, precision, bend, eps: (
                -mu + _excess(precision, bend) @ np.linalg.inv(root_of(precision)) @ eps
            ),
        },
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="A.4-trace",
        section="A.4",
        title="Posterior Fisher divergence of a linear decoder at a mean that is decoded to the datum",
        assumptions="g linear, g(mu) = x; Lambda any precision; the 1/2 of (5) counts.",
        form=Form(
            r"D_F = \tfrac12 |\mu|^2 + \tfrac12 "
            r"\operatorname{tr}[(\Lambda - I - G) \Lambda^{-1} (\Lambda - I - G)]",
            lambda mu, precision, bend: (mu @ mu + _trace(precision, bend)) / 2,
        ),
        printed=Form(
            r"D_F \approx |\mu|^2 + \operatorname{tr}[(\Lambda - I - G) \Lambda^{-1} (\Lambda - I - G)]",
            lambda mu, precision, bend: mu @ mu + _trace(precision, bend),
        ),
        checks=(_trace_by_quadrature, _trace_by_smoothing, _trace_by_engine),
        mutations={
            "half of the mean only": lambda mu, precision, bend: mu @ mu / 2 + _trace(precision, bend),
            "no mean": lambda mu, precision, bend: _trace(precision, bend) / 2,
        },
        consequence="The missing 1/2 of (26) again; (10) has it.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
)  # fmt: skip
