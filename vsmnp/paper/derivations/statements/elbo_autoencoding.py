"""Equation (4): the autoencoding loss of the ELBO, its utility, and the slope of the loss itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ....model.likelihood import LOG_2PI, kl_to_normal, log_likelihood
from ....objectives import ELBO, OptimalGamma
from ....types import Array
from ..evidence import numeric, statistical, symbolic
from ..examples.engine import EngineExample
from ..examples.toy import square
from ..statement import Effort, Evidence, Form, Statement

_SAMPLES = 100_000  # few suffice, since the narrow q leaves little noise


def _least(loss: Callable[[float], float]) -> tuple[float, float]:
    """Find the minimiser of a function of log sqrt(gamma), and the minimum."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(loss, bounds=(-20, 4), method="bounded", options={"xatol": 1e-12})
    return float(found.x), float(found.fun)


# --- (4): the claim is the loss up to a constant, given mean L_KL, mu (N, Z), s (N, Z) and d_x ---


def _loss_of_a_linear_decoder(claim: Any, effort: Effort) -> Evidence:
    """Compare with a search over gamma, for three encoders with s near 1e-7 and decoders of their own."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((5, 3))
    claimed, truth = [], []
    for narrow in (1e-7, 3e-7, 2e-8):
        w, mu = rng.standard_normal((3, 2)), rng.standard_normal((5, 2))
        s = narrow * np.exp(0.3 * rng.standard_normal((5, 2)))
        a = float(np.mean(square(x - mu @ w.T) + s**2 @ square(w.T)))
        kl = float(kl_to_normal(mu, s).mean())
        truth.append(kl + _least(lambda log_sd, a=a: -float(log_likelihood(a, log_sd, 3)))[1])  # type: ignore[misc]
        claimed.append(float(claim(a, mu, s, 3)))
    detail = "differences of the negative ELBO, least over gamma, between three linear VAEs"
    return numeric("search", np.diff(claimed), np.diff(truth), effort.tolerance(1e-9), detail)


def _narrow(spread: float, log_s: float) -> EngineExample:
    """Build a nonlinear VAE whose q is narrow: mu times ``spread``, s = exp(log_s)."""
    example = EngineExample.build(d_z=1, n=1)
    *_, (_, w), (_, bias) = example.model.phi_layout.named(example.phi)
    w[:, 0] *= spread
    w[:, 1:], bias[:, 1:] = 0, log_s
    return example


@cache
def _pair() -> tuple[EngineExample, EngineExample]:
    return _narrow(1.0, -12.0), _narrow(2.5, -11.0)


@cache
def _engine_loss(which: int, samples: int) -> tuple[Array, Array]:
    def objective(s: int) -> ELBO:
        return ELBO(samples=s, gamma=OptimalGamma())

    return _pair()[which].outcomes(objective, samples, lambda o: o.loss[0])


def _loss_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    claimed = []
    for example in _pair():
        a = example.expect(lambda eps, z, e=example: square(e.g(z) - e.data)).mean()  # type: ignore[misc]
        claimed.append(float(claim(a, *example.q(), example.model.d_x)))
    (one, one_error), (two, two_error) = (_engine_loss(i, effort.samples(_SAMPLES)) for i in (0, 1))
    detail = "difference of ELBO's loss at the optimal gamma between two nonlinear VAEs, s = e^-12 and e^-11"
    return statistical(claimed[1] - claimed[0], two - one, np.hypot(one_error, two_error), detail)


def _utility(y: Any, d_x: int) -> Any:
    return d_x * np.log(y / d_x) / 2


def _half_square(mu: Array) -> Any:
    return square(mu).mean() / 2


def _log_volume(s: Array) -> Any:
    return np.log(s).sum(-1).mean()


# --- the utility h_K ---


def _utility_symbolic(claim: Any, effort: Effort) -> Evidence:
    import sympy

    y, d, tau = sympy.symbols("y d tau", positive=True)
    loss = tau * y / 2 - d * sympy.log(tau) / 2
    (best,) = sympy.solve(sympy.diff(loss, tau), tau)
    least = sympy.expand_log(loss.subs(tau, best), force=True)
    claimed = sympy.expand_log(claim(y, d, sympy.log) + d / 2, force=True)
    return symbolic(claimed, least, "min over gamma of y/(2 gamma) + d/2 log gamma, less d/2")


def _utility_shape(claim: Any, effort: Effort) -> Evidence:
    import sympy

    y, d = sympy.symbols("y d", positive=True)
    h = claim(y, d, sympy.log)
    slope = sympy.diff(h, y)
    limits = [sympy.limit(f.subs(d, 2), y, 0, "+") for f in (h, slope)]
    shape = [slope.is_positive, sympy.diff(slope, y).is_negative, limits == [-sympy.oo, sympy.oo]]
    detail = f"increasing {shape[0]}, concave {shape[1]}; h and its slope go to {limits} at zero"
    return Evidence("symbolic", float(not all(shape)), 0.0, detail)


def _utility_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare with the reconstruction term at the gamma that the engine chooses, less its constant."""
    y, d = np.array([0.02, 0.7, 9.0]), 3
    objective = ELBO(gamma=OptimalGamma())
    log_sd = objective.gamma.choose(0 * y, *objective.optimum(y, 0 * y, d)).log_sd
    truth = -log_likelihood(y, log_sd, d) - d * (1 + LOG_2PI) / 2
    return numeric("closed form", claim(y, d, np.log), truth, effort.tolerance(1e-12), "ELBO, OptimalGamma")


# --- the slope in log A with gamma and s both optimal ---


def _slope_symbolic(claim: Any, effort: Effort) -> Evidence:
    r"""Compare with ``L(gamma, R) = R/(2 gamma) + d/2 log gamma + k/2 log(1 + w^2/gamma)``, s optimal."""
    import sympy

    gamma, d, k, w, r = sympy.symbols("gamma d kappa w r", positive=True)
    loss = r / (2 * gamma) + d * sympy.log(gamma) / 2 + k * sympy.log(1 + w**2 / gamma) / 2
    (least,) = sympy.solve(sympy.diff(loss, gamma), r)  # the mean |x - g(mu)|^2 for which gamma is optimal
    a = least + k * w**2 * gamma / (gamma + w**2)
    along = loss.subs(r, least)
    slope = sympy.diff(along, gamma) / (sympy.diff(a, gamma) / a)
    limit = sympy.cancel(slope).subs(gamma, 0)
    return symbolic(claim(d, k), limit, "dL/dlog A as gamma goes to zero, kappa latents of weight w")


def _slope_by_search(claim: Any, effort: Effort) -> Evidence:
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

            log_sd, least = _least(loss)
            return np.log(mean_square(log_sd)), least

        (log_a, high), (log_b, low) = at(1e-9), at(1e-15)
        claimed.append(float(claim(3, np.count_nonzero(square_w))))
        truth.append((high - low) / (log_a - log_b))
    detail = "dL/dlog A for d_x = 3 and kappa = 0, 1, 2 by search over gamma"
    return numeric("search", claimed, truth, effort.tolerance(1e-7), detail)


STATEMENTS = (
    Statement(
        id="4",
        section="2",
        title="The autoencoding loss of the ELBO",
        assumptions="gamma is optimal and every posterior standard deviation is small; up to a constant.",
        form=Form(
            r"h_K(\overline{L_{KL}}) + \tfrac12 \overline{|\mu|^2} - \overline{\textstyle\sum_j \log s_j}",
            lambda a, mu, s, d_x: _utility(a, d_x) + _half_square(mu) - _log_volume(s),
        ),
        printed=Form(
            r"h_K(\overline{L_{KL}}) + \overline{|\mu|^2}",
            lambda a, mu, s, d_x: _utility(a, d_x) + 2 * _half_square(mu),
        ),
        checks=(_loss_of_a_linear_decoder, _loss_of_the_engine),
        mutations={
            "the norm without its half": lambda a, mu, s, d_x: (
                _utility(a, d_x) + 2 * _half_square(mu) - _log_volume(s)
            ),
            "log s dropped": lambda a, mu, s, d_x: _utility(a, d_x) + _half_square(mu),
            "sign of log s": lambda a, mu, s, d_x: _utility(a, d_x) + _half_square(mu) + _log_volume(s),
        },
        consequence=(
            "The penalty on the mean is half as strong as printed, and the sum of log s, which grows without "
            "bound as h_K falls, is no constant: it takes back a part of the reward for a small error."
        ),
        code="vsmnp.objectives.ELBO",
    ),
    Statement(
        id="engine-elbo-slope",
        section="engine",
        title="How steeply the loss of the ELBO falls with the reconstruction error",
        assumptions=(
            "A is the mean of L_KL; gamma and s are optimal; the decoder is linear with orthogonal columns, "
            "kappa < d_x of them not zero; gamma goes to zero with mu held."
        ),
        form=Form(
            r"\frac{\partial L}{\partial \log A} \to \frac{d_x - \kappa}{2}",
            lambda d_x, kappa: (d_x - kappa) / 2
        ),
        checks=(_slope_symbolic, _slope_by_search),
        mutations={
            "the slope of h_K alone": lambda d_x, kappa: (d_x + 0 * kappa) / 2,
            "sign": lambda d_x, kappa: (d_x + kappa) / 2,
            "no half": lambda d_x, kappa: d_x - kappa,
        },
        consequence=(
            "h_K in (4) has the slope d_x/2. Each latent that is used takes back half a nat for every factor "
            "e in A, which (4) leaves out and which is what makes the representation sparse: with kappa = "
            "d_x nothing would drive A to zero."
        ),
        code="vsmnp.objectives.ELBO",
    ),
    Statement(
        id="4-utility",
        section="2",
        title="The utility of the reconstruction error",
        assumptions="y > 0.",
        form=Form(
            r"\min_\gamma \{ \tfrac{y}{2\gamma} + \tfrac{d_x}{2} \log\gamma \} - \tfrac{d_x}{2} = h_K(y) = "
            r"\tfrac{d_x}{2} \log\tfrac{y}{d_x}, "
            r"\text{ increasing, concave, } \to -\infty \text{ with } y \to 0",
            lambda y, d_x, log: d_x * log(y / d_x) / 2,
        ),
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
