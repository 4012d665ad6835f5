"""Appendix A.4 step by step: the expansion of the score difference about the mean of q."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....types import Array, Grads, Tangents
from ..checks import both_sides, symbolic_sides, value_check
from ..evidence import derivative, gradient
from ..examples.engine import EngineExample
from ..examples.expected import loss_of, with_q
from ..examples.linear_engine import at_decoded_datum
from ..examples.linear_posterior import LinearPosterior, root_of, spread
from ..statement import Form, Statement

# --- first order: a claim is the derivative of J' (x - g), from x - g, J (D, Z), Hessians (D, Z, Z) ---

_POINT, _DATUM = np.array([0.4, -0.7]), np.array([0.9, 0.3])


def _g(z: Array) -> Array:
    return np.array([np.sin(z[0]) + 0.3 * z[0] * z[1], z[0] + 0.5 * z[1] ** 2])


def _pulled(z: Array) -> Array:
    """Compute ``J' (x - g)``, the gradient of ``-|x - g|^2/2``."""
    return gradient(lambda there: -0.5 * ((_DATUM - _g(there)) ** 2).sum(), z, 3e-3)


@symbolic_sides("Hessian of -|x - g|^2/2, any decoder")
def _first_order_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare in symbols, for two latents, two data dimensions and any decoder."""
    z, x = sympy.symbols("z1 z2", real=True), sympy.symbols("x1 x2", real=True)
    g = [sympy.Function(name, real=True)(*z) for name in ("g1", "g2")]
    j = np.array([[sympy.diff(f, at) for at in z] for f in g])
    h = np.array([sympy.hessian(f, z).tolist() for f in g])
    error = np.array(x) - np.array(g)
    truth = sympy.hessian(-(error @ error) / 2, z)
    return claim(error, j, h).ravel().tolist(), list(truth)


@both_sides("finite differences", 1e-8, "derivative of J'(x - g)")
def _first_order(claim: Any) -> tuple[Any, Any]:
    a, b = _POINT
    j = np.array([[np.cos(a) + 0.3 * b, 0.3 * a], [1.0, b]])
    h = np.array([[[-np.sin(a), 0.3], [0.3, 0.0]], [[0.0, 0.0], [0.0, 1.0]]])
    return claim(_DATUM - _g(_POINT), j, h), gradient(_pulled, _POINT, 3e-3)


@both_sides("finite differences", 1e-9, "tangent of the vjp")
def _first_order_by_engine(claim: Any) -> tuple[Any, Any]:
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
    return claim(error[0, 0, 0], jacobian(_POINT), gradient(jacobian, _POINT)), truth


def _bend(error: Array, h: Array) -> Array:
    return np.asarray(np.einsum("d,dij->ij", error, h))


# --- second order, one latent: a claim is lim remainder / (z - mu)^2, from x - g and g', g'', g''' ---


@symbolic_sides("second coefficient of g'(x - g)")
def _remainder_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    e, g1, g2, g3, t = sympy.symbols("e g1 g2 g3 t", real=True)
    moved = e - g1 * t - g2 * t**2 / 2 - g3 * t**3 / 6
    pulled = sympy.expand(-sympy.diff(moved, t) * moved)
    return claim(e, g1, g2, g3), pulled.coeff(t, 2)


@both_sides("finite differences", 1e-8, "remainder over (z - mu)^2, g = sin")
def _remainder_by_differences(claim: Any) -> tuple[Any, Any]:
    z, x = 0.3, 0.9

    def pulled(t: float) -> float:
        return float(np.cos(z + t) * (x - np.sin(z + t)))

    linear = float(derivative(pulled, 1e-3))
    steps = 0.02 * np.array([-3, -2, -1, 1, 2, 3])
    ratios = [(pulled(t) - pulled(0) - linear * t) / t**2 for t in steps]
    truth = np.polynomial.Polynomial.fit(steps, ratios, 5)(0.0)
    return claim(x - np.sin(z), np.cos(z), -np.sin(z), -np.cos(z)), truth


# --- g linear: claims of mu, Lambda, G and eps ---

_LINEAR = LinearPosterior()
_MU, _G = np.array(_LINEAR.z0), _LINEAR.precision - np.eye(2)  # the decoder maps mu to x
_LAMBDA, _S = np.array([[2.3, 0.4], [0.4, 1.7]]), np.array([0.6, 0.9])
_NOISE = np.array([[0.6, -1.2], [-0.3, 0.8]])


def _d_by_differences() -> list[Array]:
    root = root_of(_LAMBDA)
    return [-_LINEAR.score_difference(_MU + root @ eps, _MU, root) for eps in _NOISE]


def _of_engine(claim: Any, *eps: Array) -> Any:
    """Evaluate a claim at the engine's linear VAE, for a diagonal Lambda."""
    example, jacobian, mu = at_decoded_datum(2)
    return claim(mu, np.diag(_S**-2.0), jacobian.T @ jacobian / example.gamma, *eps)


def _d_of_the_kernel() -> Array:
    """Compute minus the kernel's d, which has the other sign."""
    example, jacobian, mu = at_decoded_datum(2)
    eps = _NOISE[:, None]
    b = (example.data - example.g(mu + _S * eps)) @ jacobian / example.gamma
    d, *_ = example.k.posterior_fisher(mu[None, None, None], _S[None, None, None], eps[None], b[None])
    return np.asarray(-d[0, :, 0])


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
        latex=r"\nabla_z [\nabla_z g (x - g)] = "
            r"\textstyle\sum_k (x - g)_k \nabla_z^2 g_k - \nabla_z g \nabla_z g^T",
        claim=lambda error, j, h: _bend(error, h) - j.T @ j,
        checks=(_first_order_symbolic, _first_order, _first_order_by_engine),
        mutations={
            "sign": lambda error, j, h: _bend(error, h) + j.T @ j,
            "transposed": lambda error, j, h: _bend(error, h) - j @ j.T,
            "no curvature": lambda error, j, h: -j.T @ j,
        },
        code="vsmnp.model.vae.GaussianVAE",
    ),
    Statement(
        id="A.4-remainder",
        section="A.4",
        title="Size of what the expansion leaves out",
        assumptions="One latent and one datum's coordinate, g three times differentiable.",
        latex=r"\lim_{z \to \mu} \tfrac{R(z)}{(z - \mu)^2} = \tfrac12 [(x - g) g''' - 3 g' g'']",
        claim=lambda error, g1, g2, g3: (error * g3 - 3 * g1 * g2) / 2,
        printed=Form(r"R(z) = o(z^2)", lambda error, g1, g2, g3: 0 * error),
        error="little-o",
        checks=(_remainder_symbolic, _remainder_by_differences),
        mutations={
            "sign": lambda error, g1, g2, g3: (error * g3 + 3 * g1 * g2) / 2,
            "one product": lambda error, g1, g2, g3: (error * g3 - g1 * g2) / 2,
        },
        consequence="The remainder is of second order, as the notation o_2 says elsewhere, and not smaller: "
            "over gamma it does not vanish with the variance of q.",
        without_code="The engine evaluates the score of the decoder itself, and not its expansion.",
    ),
    Statement(
        id="A.4-d-expansion",
        section="A.4",
        title="Score difference about a mean that is decoded to the datum",
        assumptions="g linear, g(mu) = x, z = mu + Lambda^(-1/2) eps.",
        latex=r"d(x, z) = -\mu + (\Lambda - I - G) \Lambda^{-1/2} \epsilon, \quad G = \tfrac1\gamma J^T J",
        claim=lambda mu, precision, bend, eps: -mu + _excess(precision, bend) @ root_of(precision) @ eps,
        checks=(
            value_check("finite differences", 1e-10, "d at two eps, from log densities",
                lambda claim: [claim(_MU, _LAMBDA, _G, eps) for eps in _NOISE], _d_by_differences),
            value_check("closed form", 1e-10, "d of the kernel",
                lambda claim: [_of_engine(claim, eps) for eps in _NOISE], _d_of_the_kernel),
        ),
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
        code="vsmnp.kernels.reference.kernel_set.posterior_fisher",
    ),
    Statement(
        id="A.4-trace",
        section="A.4",
        title="Posterior Fisher divergence of a linear decoder at a mean that is decoded to the datum",
        assumptions="g linear, g(mu) = x; Lambda any precision; the 1/2 of (5) counts.",
        latex=r"D_F = \tfrac12 |\mu|^2 + \tfrac12 "
            r"\operatorname{tr}[(\Lambda - I - G) \Lambda^{-1} (\Lambda - I - G)]",
        claim=lambda mu, precision, bend: (mu @ mu + _trace(precision, bend)) / 2,
        printed=Form(
            r"D_F \approx |\mu|^2 + \operatorname{tr}[(\Lambda - I - G) \Lambda^{-1} (\Lambda - I - G)]",
            lambda mu, precision, bend: mu @ mu + _trace(precision, bend),
        ),
        error="half-of-fd",
        checks=(
            value_check("quadrature", 1e-10, "D_F at g(mu) = x, any Lambda",
                lambda claim: claim(_MU, _LAMBDA, _G), lambda: _LINEAR.fisher(_MU, root_of(_LAMBDA))),
            value_check("finite differences", 1e-9, "rate at which noise lowers KL, at g(mu) = x",
                lambda claim: claim(_MU, _LAMBDA, _G), lambda: _LINEAR.fisher_by_smoothing(_MU, _LAMBDA)),
            value_check("quadrature", 1e-10, "loss at g(mu) = x, diagonal q",
                _of_engine, lambda: loss_of(with_q(at_decoded_datum(2)[0], at_decoded_datum(2)[2], _S))),
        ),
        mutations={
            "half of the mean only": lambda mu, precision, bend: mu @ mu / 2 + _trace(precision, bend),
            "no mean": lambda mu, precision, bend: _trace(precision, bend) / 2,
        },
        consequence="The 1/2 that (26) lacks is missing here too; (10) has it.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
)  # fmt: skip
