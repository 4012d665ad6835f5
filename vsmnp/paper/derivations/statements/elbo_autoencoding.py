"""Equation (4): the autoencoding loss of the ELBO, its utility, and the slope of the loss itself."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....model.likelihood import LOG_2PI, kl_to_normal, log_likelihood
from ....objectives import ELBO, OptimalGamma
from ....types import Array
from ..checks import both_sides, sampling_check, symbolic_sides
from ..examples.engine import EngineExample
from ..examples.minimum import least_between
from ..examples.toy import square
from ..statement import Effort, Evidence, Form, Statement

_SAMPLES = 100_000  # few suffice, since the narrow q leaves little noise
_BOUNDS = (-20, 4, 1e-12)  # of a search over log sqrt(gamma), and its tolerance

# --- (4): the claim is the loss up to a constant, given mean L_KL, mu (N, Z), s (N, Z) and d_x ---


@both_sides("search", 1e-9, "differences of the negative ELBO, least over gamma, between three linear VAEs")
def _loss_of_a_linear_decoder(claim: Any) -> tuple[Any, Any]:
    """Compare with a search over gamma, for three encoders with s near 1e-7 and decoders of their own."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((5, 4))
    claimed, truth = [], []
    for narrow in (1e-7, 3e-7, 2e-8):
        w, mu = rng.standard_normal((4, 2)), rng.standard_normal((5, 2))
        s = narrow * np.exp(0.3 * rng.standard_normal((5, 2)))
        a = float(np.mean(square(x - mu @ w.T) + s**2 @ square(w.T)))
        claimed.append(float(claim(a, mu, s, 4)))
        truth.append(float(kl_to_normal(mu, s).mean()) + _least_reconstruction(a))
    return np.diff(claimed), np.diff(truth)


def _least_reconstruction(a: float) -> float:
    """Find the least negative log-likelihood over gamma for a mean squared error in four dimensions."""

    def loss(log_sd: float) -> float:
        return -float(log_likelihood(np.asarray(a), np.asarray(log_sd), 4))

    return least_between(loss, *_BOUNDS)[1]


@cache
def _narrow(spread: float, log_s: float) -> EngineExample:
    """Build a nonlinear VAE whose q is narrow: mu times ``spread``, s = exp(log_s)."""
    example = EngineExample.build(d_z=1, n=1)
    *_, (_, w), (_, bias) = example.model.phi_layout.named(example.phi)
    w[:, 0] *= spread
    w[:, 1:], bias[:, 1:] = 0, log_s
    return example


def _pair() -> tuple[EngineExample, EngineExample]:
    return _narrow(1.0, -12.0), _narrow(2.5, -11.0)


def _loss_of_networks(claim: Any) -> Any:
    """Evaluate the difference of the claim between two networks."""
    one, two = (
        claim(-2 * e.gamma * e.expect(lambda eps, z, e=e: e.log_likelihood(z)).mean(), *e.q(), e.model.d_x)  # type: ignore[misc]
        for e in _pair()
    )
    return two - one


def _loss_of_the_engine(samples: int) -> tuple[Array, Array]:
    """Estimate the difference of the engine's loss at the optimal gamma."""
    (one, one_error), (two, two_error) = (
        e.outcomes(lambda s: ELBO(samples=s, gamma=OptimalGamma()), samples, lambda o: o.loss[0])
        for e in _pair()
    )
    return two - one, np.hypot(one_error, two_error)


def _utility(y: Any, d_x: int) -> Any:
    return d_x * np.log(y / d_x) / 2


def _half_square(mu: Array) -> Any:
    return square(mu).mean() / 2


def _log_volume(s: Array) -> Any:
    return np.log(s).sum(-1).mean()


# --- the utility h_K ---


@symbolic_sides("min over gamma of y/(2 gamma) + d/2 log gamma, less d/2")
def _utility_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    y, d, tau = sympy.symbols("y d tau", positive=True)
    loss = tau * y / 2 - d * sympy.log(tau) / 2
    (best,) = sympy.solve(sympy.diff(loss, tau), tau)
    least = sympy.expand_log(loss.subs(tau, best), force=True)
    return sympy.expand_log(claim(y, d, sympy.log) + d / 2, force=True), least


def _utility_shape(claim: Any, effort: Effort) -> Evidence:
    import sympy

    y, d = sympy.symbols("y d", positive=True)
    h = claim(y, d, sympy.log)
    slope = sympy.diff(h, y)
    limits = [sympy.limit(f.subs(d, 2), y, 0, "+") for f in (h, slope)]
    shape = [slope.is_positive, sympy.diff(slope, y).is_negative, limits == [-sympy.oo, sympy.oo]]
    detail = f"increasing {shape[0]}, concave {shape[1]}; h and its slope go to {limits} at zero"
    return Evidence("symbolic", float(not all(shape)), 0.0, detail)


@both_sides("closed form", 1e-12, "ELBO, OptimalGamma")
def _utility_of_the_engine(claim: Any) -> tuple[Any, Any]:
    """Compare with the reconstruction term at the gamma that the engine chooses, less its constant."""
    y, d = np.array([0.02, 0.7, 9.0]), 3
    objective = ELBO(gamma=OptimalGamma())
    log_sd = objective.gamma.choose(0 * y, *objective.optimum(y, 0 * y, d)).log_sd
    return claim(y, d, np.log), -log_likelihood(y, log_sd, d) - d * (1 + LOG_2PI) / 2


# --- the slope in log A with gamma and s both optimal ---


@symbolic_sides("dL/dlog A as gamma goes to zero, kappa latents of weight w")
def _slope_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    r"""Compare with ``L(gamma, R) = R/(2 gamma) + d/2 log gamma + k/2 log(1 + w^2/gamma)``, s optimal."""
    gamma, d, k, w, r = sympy.symbols("gamma d kappa w r", positive=True)
    loss = r / (2 * gamma) + d * sympy.log(gamma) / 2 + k * sympy.log(1 + w**2 / gamma) / 2
    (least,) = sympy.solve(sympy.diff(loss, gamma), r)  # the mean |x - g(mu)|^2 for which gamma is optimal
    a = least + k * w**2 * gamma / (gamma + w**2)
    along = loss.subs(r, least)
    slope = sympy.diff(along, gamma) / (sympy.diff(a, gamma) / a)
    limit = sympy.cancel(slope).subs(gamma, 0)
    return claim(d, k), limit


@both_sides("search", 1e-7, "dL/dlog A for d_x = 3 and kappa = 0, 1, 2 by search over gamma")
def _slope_by_search(claim: Any) -> tuple[Any, Any]:
    """Compare for D = 3 and none, one or both of two latents in use; ``|x - g(mu)|^2`` is 1e-15 to 1e-9."""
    claimed, truth = [], []
    for weights in ((0.0, 0.0), (1.4, 0.0), (1.4, 0.6)):
        square_w = np.square(weights)

        def at(rest: float, square_w: Array = square_w) -> tuple[float, float]:
            def sd(log_sd: float) -> Array:
                return np.asarray((1 + square_w * np.exp(-2 * log_sd)) ** -0.5)

            def mean_square(log_sd: float) -> float:
                return float(rest + sd(log_sd) ** 2 @ square_w)

            def loss(log_sd: float) -> float:
                fit = log_likelihood(np.asarray(mean_square(log_sd)), np.asarray(log_sd), 3)
                return float(kl_to_normal(np.zeros(2), sd(log_sd)) - fit)

            log_sd, least = least_between(loss, *_BOUNDS)
            return np.log(mean_square(log_sd)), least

        (log_a, high), (log_b, low) = at(1e-9), at(1e-15)
        claimed.append(float(claim(3, np.count_nonzero(square_w))))
        truth.append((high - low) / (log_a - log_b))
    return claimed, truth


def _optimum_is_narrow() -> Evidence:
    """Check the limit of (4) where both latents are in use: s and gamma at their optimum are small."""
    square_w = np.square((1.4, 0.6))

    def loss(log_sd: float) -> float:
        s = (1 + square_w * np.exp(-2 * log_sd)) ** -0.5
        fit = log_likelihood(np.asarray(1e-15 + s**2 @ square_w), np.asarray(log_sd), 3)
        return float(kl_to_normal(np.zeros(2), s) - fit)

    log_sd, _ = least_between(loss, *_BOUNDS)
    s = (1 + square_w * np.exp(-2 * log_sd)) ** -0.5
    detail = f"gamma = {np.exp(2 * log_sd):.1e} and s = ({s[0]:.1e}, {s[1]:.1e}) at the optimum, kappa = 2"
    return Evidence("search", float(s.max()), 1e-6, detail)


STATEMENTS = (
    Statement(
        id="4",
        section="2",
        title="The autoencoding loss of the ELBO",
        assumptions="gamma is optimal and every posterior standard deviation is small; up to a constant.",
        latex=r"h_K(\overline{L_{KL}}) + \tfrac12 \overline{|\mu|^2} - \overline{\textstyle\sum_j \log s_j}",
        claim=lambda a, mu, s, d_x: _utility(a, d_x) + _half_square(mu) - _log_volume(s),
        printed=Form(
            r"h_K(\overline{L_{KL}}) + \overline{|\mu|^2}",
            lambda a, mu, s, d_x: _utility(a, d_x) + 2 * _half_square(mu),
        ),
        error="half-of-the-mean",
        checks=(
            _loss_of_a_linear_decoder,
            sampling_check(_SAMPLES,
                "difference of ELBO's loss at the optimal gamma between two nonlinear VAEs, s = e^-12 and "
                "e^-11",
                _loss_of_networks, _loss_of_the_engine),
        ),
        mutations={
            "the norm without its half": lambda a, mu, s, d_x: (
                _utility(a, d_x) + 2 * _half_square(mu) - _log_volume(s)
            ),
            "log s dropped": lambda a, mu, s, d_x: _utility(a, d_x) + _half_square(mu),
            "sign of log s": lambda a, mu, s, d_x: _utility(a, d_x) + _half_square(mu) + _log_volume(s),
        },
        consequence="The penalty on the mean is half as strong as printed. The printed form also leaves out "
            "the sum of log s; what that changes is the next statement.",
        code="vsmnp.objectives.ELBO",
    ),
    Statement(
        id="4-slope",
        section="2",
        title="How steeply the loss of the ELBO falls with the reconstruction error",
        assumptions="A is the mean of L_KL; gamma and s are optimal; the decoder is linear with orthogonal "
            "columns, kappa < d_x of them not zero; gamma goes to zero with mu held.",
        latex=r"\frac{\partial L}{\partial \log A} \to \frac{d_x - \kappa}{2}",
        claim=lambda d_x, kappa: (d_x - kappa) / 2,
        printed=Form(
            r"\frac{\partial L}{\partial \log A} \to \frac{\partial h_K}{\partial \log A} = \frac{d_x}{2}",
            lambda d_x, kappa: (d_x + 0 * kappa) / 2,
            literal=False,
        ),
        error="log-volume",
        within=_optimum_is_narrow,
        checks=(_slope_symbolic, _slope_by_search),
        mutations={
            "sign": lambda d_x, kappa: (d_x + kappa) / 2,
            "no half": lambda d_x, kappa: d_x - kappa,
        },
        consequence="h_K in (4) has the slope d_x/2. The sum of log s is no constant: each latent that is "
            "used takes back half a nat for every factor e in A, which is what makes the representation "
            "sparse; with kappa = d_x nothing would drive A to zero.",
        code="vsmnp.model.likelihood.log_likelihood",
    ),
    Statement(
        id="4-utility",
        section="2",
        title="The utility of the reconstruction error",
        assumptions="y > 0.",
        latex=r"\min_\gamma \{ \tfrac{y}{2\gamma} + \tfrac{d_x}{2} \log\gamma \} - \tfrac{d_x}{2} = h_K(y) = "
            r"\tfrac{d_x}{2} \log\tfrac{y}{d_x}, "
            r"\text{ increasing, concave, } \to -\infty \text{ with } y \to 0",
        claim=lambda y, d_x, log: d_x * log(y / d_x) / 2,
        checks=(_utility_symbolic, _utility_shape, _utility_of_the_engine),
        mutations={
            "sign": lambda y, d_x, log: -d_x * log(y / d_x) / 2,
            "no half": lambda y, d_x, log: d_x * log(y / d_x),
            "utility of the Fisher divergence": lambda y, d_x, log: -(d_x**2) / (2 * y),
            "the identity": lambda y, d_x, log: y + 0 * d_x,
        },
        code="vsmnp.objectives.OptimalGamma",
    ),
)  # fmt: skip
