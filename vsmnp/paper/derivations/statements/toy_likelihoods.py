"""Equation (11), two toy likelihoods, and the optima of inference on the first of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....layers.activations import Relu
from ....layers.compose import Chain
from ....layers.dense import Dense
from ....model.gaussian import DiagonalGaussian
from ....model.likelihood import log_likelihood
from ....model.vae import GaussianVAE
from ....objectives import KL, Objective, PosteriorFisher
from ....types import Array
from ...toy_layers import Free, Product
from ..checks import both_sides, symbolic_sides, value_check
from ..evidence import derivative, gradient, gradient_in
from ..examples.engine import EngineExample
from ..examples.expected import gradient_in_q, loss_of, with_q
from ..examples.kernel_set import kernels
from ..examples.minimum import hessian, minimise
from ..quadrature import normal_log_density, normal_mean, normal_rule
from ..statement import Statement

_DATUM, _GAMMA = 2.0, 0.25  # of p_I
_ELSEWHERE = (1.7, 0.4)  # another datum and gamma
_LATENTS = Product()


@cache
def _engine(product: Product = _LATENTS, datum: float = _DATUM, gamma: float = _GAMMA) -> EngineExample:
    """Build a VAE of p_I, or another: a free q, and a decoder that is a product of the latents.

    An identity layer precedes the product.
    """
    model = GaussianVAE(Free(4), Chain((Dense(2, 2), product)), DiagonalGaussian(2), 1)
    phi, theta = np.zeros((1, model.phi_layout.size)), np.zeros((1, model.theta_layout.size))
    model.decoder_part(theta)["0"]["w"][:] = np.eye(2)
    model.log_sd(theta)[:] = 0.5 * np.log(gamma)
    return EngineExample(kernels(), model, phi, theta, np.full((1, 1, 1, 1), datum), nodes=8)


def _log_joint(z: Array) -> Array:
    """Compute ``log p(z, x)`` up to a constant, ``z (..., 2)``."""
    error = _DATUM - z[..., 0] * z[..., 1]
    return np.asarray(-0.5 * (z * z).sum(-1) - 0.5 * error * error / _GAMMA)


def _half_square(z: Array, mu: Array, s: Array) -> Array:
    """Compute ``|d|^2/2`` of the score difference; the stencil is exact for polynomials of degree four."""
    d = -(z - mu) / s**2 - gradient_in(_log_joint, z, 0.5)
    return np.asarray(0.5 * (d * d).sum(-1))


def _nodes(v: Array) -> tuple[Array, Array, Array]:
    """Return weights, latents and s of a rule for ``v = (mu, log s)``."""
    eps, w = normal_rule(8, 2)
    s = np.exp(v[2:])
    return w, v[:2] + s * eps, s


def _fisher(v: Array) -> float:
    w, z, s = _nodes(v)
    return float(w @ _half_square(z, v[:2], s))


def _kl(v: Array) -> float:
    w, z, _ = _nodes(v)
    return float(-w @ _log_joint(z) - v[2:].sum())


# --- (11): a claim gives the log densities of x under both ---

_Z1, _Z2 = np.array([1.2, -0.7, 0.9]), np.array([0.8, 1.5, -1.1])  # the relu is zero at the last


def _both(x: Array, one: Array, two: Array, variance: float = 0.25) -> tuple[Array, Array]:
    return normal_log_density(x, one, variance), normal_log_density(x, two, 1.0)


@both_sides("quadrature", 1e-10, "mass, mean and variance of x under both, at three z")
def _likelihoods_are_normalised(claim: Any) -> tuple[Any, Any]:
    x = np.linspace(-12, 12, 1201)[:, None]
    claimed, truth = [], []
    means = [0.96, -1.05, -0.99], [0.96, -1.05, 0.0]
    for log_density, mean, sd in zip(claim(x, _Z1, _Z2), means, (0.5, 1.0), strict=True):
        weights = np.exp(log_density) * (x[1] - x[0])
        claimed += [weights.sum(0), (weights * x).sum(0), (weights * (x - mean) ** 2).sum(0)]
        truth += [np.ones(3), mean, np.full(3, sd**2)]
    return claimed, truth


def _likelihoods_of_the_engine() -> list[Array]:
    """Compute both by the engine; both decoders are a Product behind an identity."""
    z, found = np.stack([_Z1, _Z2], -1), []
    for product, datum, gamma in ((Product(), 2.0, 0.25), (Product(second=Relu()), 1.0, 1.0)):
        error = datum - _engine(product, datum, gamma).g(z)[:, 0]
        found.append(log_likelihood(error**2, np.asarray(0.5 * np.log(gamma)), 1))
    return found


# --- a claim is one mode (2,) of the posterior of p_I; the other is its negative ---


@symbolic_sides("slope of log p(z, x) at the mode, x > gamma")
def _mode_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    z1, z2 = sympy.symbols("z1 z2", real=True)
    gamma, gap = sympy.symbols("gamma gap", positive=True)
    x = gamma + gap
    log_joint = -(z1**2 + z2**2) / 2 - (x - z1 * z2) ** 2 / (2 * gamma)
    one, two = claim(x, gamma, sympy.sqrt)
    return [sympy.diff(log_joint, v).subs({z1: one, z2: two}) for v in (z1, z2)], [0, 0]


def _modes() -> list[Array]:
    return [minimise(lambda z: float(-_log_joint(z)), start) for start in np.array([[1, 2], [-2, -1.0]])]


# --- the optimum at the origin: a claim is (s^2, value) ---


def _optimum_claimed(claim: Any) -> list[Any]:
    square, value = claim(_DATUM, _GAMMA)
    return [0.0, 0.0, *[0.5 * np.log(square)] * 2, value]


def _optimum_by_search() -> list[Any]:
    """Minimise the Fisher divergence by a search from near the origin, which ends at a minimum."""
    end = minimise(_fisher, np.array([0.05, -0.03, -0.95, -1.1]))
    return [*end, _fisher(end)]


def _excess_of_the_engine(claim: Any) -> list[Any]:
    square, value = claim(*_ELSEWHERE)
    there = with_q(_engine(_LATENTS, *_ELSEWHERE), np.zeros(2), np.full(2, np.sqrt(square)))
    return [loss_of(there) - value, *gradient_in_q(there, PosteriorFisher(reparametrised=True))]


def _loss_at_origin(a: float, x: float, gamma: float) -> float:
    """Compute ``D_F`` for ``q = N(0, a I)`` in closed form."""
    return a * (1 + (x / gamma) ** 2 - 2 / gamma) - 2 + 1 / a + 2 * a**2 / gamma + 3 * a**3 / gamma**2


def _optimum(x: float, gamma: float, fourth: float = 9.0) -> tuple[float, float]:
    """Compute the minimiser ``a = s^2`` of D_F, the positive root of a quartic, and D_F at it.

    The root solves ``9 a^4/gamma^2 + 4 a^3/gamma + (1 + x^2/gamma^2 - 2/gamma) a^2 = 1``.
    """
    roots = np.roots([fourth / gamma**2, 4 / gamma, 1 + (x / gamma) ** 2 - 2 / gamma, 0, -1])
    a = float(min(r.real for r in roots if r.real > 0 and abs(r.imag) < 1e-9))
    return a, _loss_at_origin(a, x, gamma)


# --- KL and the fixed field have a saddle at the origin: a claim is the negative curvature of each ---


@cache
def _kl_scale() -> Array:
    """Find log s of the best q centred at the origin, by KL."""
    return minimise(lambda log_s: _kl(np.r_[0, 0, log_s]), np.array([-0.5, -0.5]))


@symbolic_sides("curvature of KL, slope of the fixed Fisher gradient")
def _saddle_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare both curvatures along ``mu = (t, t)``, from the moments of q."""
    t, z1, z2, m1, m2, e1, e2 = sympy.symbols("t z1 z2 m1 m2 e1 e2", real=True)
    (s, x), gamma = sympy.symbols("s x", positive=True), sympy.Rational(1, 4)
    log_joint = -(z1**2 + z2**2) / 2 - (x - z1 * z2) ** 2 / (2 * gamma)

    def expect(f: Any) -> Any:
        there = sympy.expand(f).subs({m1: t, m2: t, z1: t + s * e1, z2: t + s * e2})
        return normal_mean(normal_mean(there, e1), e2)

    kl = -expect(log_joint) - 2 * sympy.log(s)
    (own,) = sympy.solve(sympy.diff(kl, s).subs(t, 0), s)
    half = sum((-(z - m) / s**2 - sympy.diff(log_joint, z)) ** 2 for z, m in ((z1, m1), (z2, m2))) / 2
    slopes = sympy.diff(kl, t) / 2, expect(sympy.diff(half, m1) + sympy.diff(half, m2)) / 2
    return claim(x, gamma, sympy.sqrt), [sympy.diff(slope, t).subs({t: 0, s: own}) for slope in slopes]


def _saddle_by_quadrature() -> list[Any]:
    log_s = _kl_scale()
    curvature = hessian(lambda mu: _kl(np.r_[mu, log_s]), np.zeros(2), 0.05)

    def fixed(t: float) -> Array:
        """Compute the slope along the diagonal of ``E_q`` of the derivative of ``|d|^2/2``, z held fixed."""
        w, z, s = _nodes(np.r_[t, t, log_s])
        return np.asarray((w @ gradient(lambda mu: _half_square(z, mu, s), np.full(2, t), 0.5)).mean())

    return [np.linalg.eigvalsh(curvature)[0], derivative(fixed, 0.05)]


def _saddle_of_the_engine() -> list[Array]:
    def slope(objective: Objective) -> Array:
        def along(t: float) -> Array:
            there = with_q(_engine(), np.full(2, t), np.exp(_kl_scale()))
            return np.asarray(gradient_in_q(there, objective)[:2].mean())

        return derivative(along, 0.05)

    return [slope(KL()), slope(PosteriorFisher())]


def _saddle(x: Any, gamma: Any, sqrt: Any) -> tuple[Any, Any]:
    """Compute the curvature ``1 + (a - x)/gamma``, and it over a; ``a = s^2`` and ``a^2/gamma + a = 1``."""
    a = (-1 + sqrt(1 + 4 / gamma)) * gamma / 2
    curvature = 1 + (a - x) / gamma
    return curvature, curvature / a


STATEMENTS = (
    Statement(
        id="11",
        section="3.3.2",
        title="The two toy likelihoods",
        assumptions="z ~ N(0, I); x = 2 in p_I and x = 1 in p_II; the published code runs another p_II.",
        latex=r"p_I(x|z) = N(x; z_1 z_2, 0.5^2), \qquad p_{II}(x|z) = N(x; z_1 \operatorname{relu}(z_2), 1)",
        claim=lambda x, z1, z2: _both(x, z1 * z2, z1 * np.maximum(z2, 0)),
        checks=(
            _likelihoods_are_normalised,
            value_check("closed form", 1e-12,
                "log_likelihood of x = 2 and x = 1 at three z, decoders of toy layers",
                lambda claim: [claim(2.0, _Z1, _Z2)[0], claim(1.0, _Z1, _Z2)[1]], _likelihoods_of_the_engine),
        ),
        mutations={
            "a standard deviation for the variance": lambda x, z1, z2: (
                _both(x, z1 * z2, z1 * np.maximum(z2, 0), 0.5)
            ),
            "relu of the other latent": lambda x, z1, z2: _both(x, z1 * z2, np.maximum(z1, 0) * z2),
            "no relu": lambda x, z1, z2: _both(x, z1 * z2, z1 * z2),
        },
        code="vsmnp.paper.toy_layers.Product",
    ),
    Statement(
        id="11-modes",
        section="3.3.2",
        title="Modes of the posterior of the first toy likelihood",
        assumptions="z ~ N(0, I), x|z ~ N(z1 z2, gamma), x > gamma; the paper's x = 2, gamma = 1/4.",
        latex=r"\arg\max_z p_I(z|x) = \pm \sqrt{x - \gamma} \, (1, 1)",
        claim=lambda x, gamma, sqrt: (sqrt(x - gamma), sqrt(x - gamma)),
        checks=(
            _mode_symbolic,
            value_check("search", 1e-9, "both modes of p_I's posterior",
                lambda claim: np.outer([1, -1], claim(_DATUM, _GAMMA, np.sqrt)), _modes),
        ),
        mutations={
            "likelihood alone": lambda x, gamma, sqrt: (sqrt(x), sqrt(x)),
            "opposite signs": lambda x, gamma, sqrt: (sqrt(x - gamma), -sqrt(x - gamma)),
        },
        code="vsmnp.paper.toy_layers.Product",
    ),
    Statement(
        id="11-local-optimum",
        section="3.3.2",
        title="Local minimum of the Fisher divergence between the modes",
        assumptions="p_I, x = 2, gamma = 1/4; q = N(mu, diag s^2), the exact Fisher divergence.",
        latex=r"\mu = 0, \; s_1^2 = s_2^2 = a: \; \tfrac{9 a^4}{\gamma^2} + \tfrac{4 a^3}{\gamma} "
            r"+ (1 + \tfrac{x^2}{\gamma^2} - \tfrac2\gamma) a^2 = 1, \quad "
            r"D_F = a (1 + \tfrac{x^2}{\gamma^2} - \tfrac2\gamma) - 2 "
            r"+ \tfrac1a + \tfrac{2 a^2}{\gamma} + \tfrac{3 a^3}{\gamma^2}",
        claim=_optimum,
        checks=(
            value_check("search", 1e-9, "mu, log s, D_F of the minimum",
                _optimum_claimed, _optimum_by_search),
            value_check("quadrature", 1e-9, "loss - value and reparametrised gradient at the origin",
                _excess_of_the_engine, lambda: np.zeros(5)),
        ),
        mutations={
            "no fourth power": lambda x, gamma: _optimum(x, gamma, 0.0),
            "the variance of KL": lambda x, gamma: (0.39, _loss_at_origin(0.39, x, gamma)),
        },
        consequence="The density of the posterior at the origin is about 1/450 of the one at its modes: the "
            "low-density optimum is one of the divergence itself, not of an optimiser.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="11-no-attractor",
        section="3.3.2",
        title="At the origin both KL inference and Fisher inference with fixed samples have a saddle",
        assumptions="p_I, x = 2, gamma = 1/4; mu = 0 and s the stationary one, along the diagonal of mu.",
        latex=r"\partial^2_\mu D_{KL} = 1 + \tfrac{a - x}{\gamma} < 0, \quad \partial_\mu \nabla^b_\mu D_F "
            r"= \tfrac1a \left( 1 + \tfrac{a - x}{\gamma} \right) < 0, \quad \tfrac{a^2}{\gamma} + a = 1",
        claim=_saddle,
        checks=(
            _saddle_symbolic,
            value_check("quadrature", 1e-9,
                "curvature of KL along the diagonal, slope of the fixed Fisher gradient",
                lambda claim: claim(_DATUM, _GAMMA, np.sqrt), _saddle_by_quadrature),
            value_check("quadrature", 1e-9, "the same through the two objectives",
                lambda claim: claim(_DATUM, _GAMMA, np.sqrt), _saddle_of_the_engine),
        ),
        mutations={
            "the other diagonal": lambda x, gamma, sqrt: tuple(-v for v in _saddle(-x, gamma, sqrt)),
            "no scale": lambda x, gamma, sqrt: (_saddle(x, gamma, sqrt)[0],) * 2,
        },
        consequence="Neither ends at the origin, as the paper reports.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
)  # fmt: skip
