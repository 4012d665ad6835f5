"""The diagonal Gaussian posterior: its divergence from the prior, and its score in the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from ....model.gaussian import DiagonalGaussian
from ....model.posterior import Moments
from ....objectives import KL
from ....rng import Key, Stream
from ....settings.choices import SCALES
from ....types import Array
from ..checks import both_sides, sampling_check, symbolic_sides, value_check
from ..evidence import gradient, gradient_in, mean_and_error
from ..examples.engine import EngineExample
from ..quadrature import normal_mean, normal_rule
from ..statement import Claim, Statement

# --- D_KL[q || p(z)] ---

_MU, _S = np.array([0.7, -1.2]), np.array([0.8, 1.3])


@symbolic_sides("KL and its gradient, one coordinate")
def _kl_symbolic(claim: Claim, sympy: Any) -> tuple[Any, Any]:
    """Compare with ``E_q [log q - log p]``, a polynomial of second degree in eps, for one coordinate."""
    mu, eps = sympy.symbols("mu eps", real=True)
    s = sympy.Symbol("s", positive=True)
    kl = normal_mean(-(eps**2) / 2 + (mu + s * eps) ** 2 / 2, eps) - sympy.log(s)
    claimed = [part(np.array([mu]), np.array([s]), lambda v: np.array([sympy.log(v[0])])) for part in claim]
    return [np.ravel(part)[0] for part in claimed], [kl, sympy.diff(kl, mu), sympy.diff(kl, s)]


def _kl_by_quadrature() -> Array:
    eps, w = normal_rule(4, 2)

    def kl(at: Array) -> Array:
        mu, s = at[:2], at[2:]
        z = mu + s * eps
        return np.asarray(w @ (-0.5 * eps * eps - np.log(s) + 0.5 * z * z).sum(-1))

    at = np.concatenate([_MU, _S])
    return np.concatenate([[kl(at)], gradient(kl, at)])


def _kl_of_the_engine() -> Array:
    posterior = DiagonalGaussian(2)
    q = Moments(_MU[None, None, None], _S[None, None, None])
    return np.concatenate([np.ravel(part) for part in (posterior.kl(q), *posterior.kl_gradient(q))])


def _kl_claimed(claim: Claim) -> Array:
    return np.concatenate([np.ravel(part(_MU, _S, np.log)) for part in claim])


@both_sides("closed form", 1e-13, "the objective's term kl")
def _kl_objective(claim: Claim) -> tuple[Any, Any]:
    """Compare the mean over the batch with the term ``kl`` of the inference objective."""
    e = EngineExample.build()
    claimed = np.mean([claim[0](mu, s, np.log) for mu, s in zip(*e.q(), strict=True)])
    return claimed, KL()(e.k, e.model, e.phi, e.theta, e.x, Key((1,))).terms["kl"][0]


def _kl(mu: Array, s: Array, log: Callable[[Array], Array]) -> Array:
    return np.asarray((mu**2 + s**2 - 1).sum() / 2 - log(s).sum())


# --- the score of q in x ---

_EPS = np.array([[0.4, -1.1], [1.7, 0.2], [-0.6, -0.9]])[:, None, :]


@cache
def _example(scale: str = "softplus") -> EngineExample:
    """Build a softplus example, so that neither S'/s nor S' is 1; the score's polynomials need few nodes."""
    return EngineExample.build(scale=scale, nodes=6)


@cache
def _encoder(scale: str) -> SimpleNamespace:
    """Compute the encoder's features in x: s, S' ``(N, Z)`` and the Jacobians ``(N, Z, D)``."""
    example = _example(scale)

    def features(x: Array) -> Array:
        phi = example.model.encoder_part(example.phi)
        return np.asarray(example.model.encoder.forward(example.k, phi, x[None, None])[0][0, 0])

    rho = features(example.data)[:, example.model.d_z :]
    slope = 1 / (1 + np.exp(-rho)) if scale == "softplus" else np.exp(rho)
    j_mu, j_rho = np.split(gradient_in(features, example.data), 2, axis=1)
    return SimpleNamespace(s=example.q()[1], slope=slope, j_mu=j_mu, j_rho=j_rho)


@symbolic_sides("grad_x log q(z|x) at fixed z, any encoder and any scale")
def _score_symbolic(claim: Claim, sympy: Any) -> tuple[Any, Any]:
    """Compare for one latent, one data dimension, any encoder and any scale S."""
    x, z, e, r = sympy.symbols("x z eps r", real=True)
    mu, rho = (sympy.Function(name, real=True)(x) for name in ("mu", "rho"))
    scale = sympy.Function("S", positive=True)
    s = scale(rho)
    log_q = -((z - mu) ** 2) / (2 * s**2) - sympy.log(s)
    slope = sympy.diff(scale(r), r).subs(r, rho)
    j_mu, j_rho = (np.array([[[sympy.diff(f, x)]]]) for f in (mu, rho))
    claimed = claim(np.array([[[e]]]), np.array([[s]]), np.array([[slope]]), j_mu, j_rho)
    return claimed.item(), sympy.diff(log_q, x).subs(z, mu + s * e).doit()


def _score_claimed(claim: Claim) -> list[Array]:
    """Evaluate the claim for both scales, at a few draws of the noise."""
    return [claim(_EPS, e.s, e.slope, e.j_mu, e.j_rho) for e in map(_encoder, SCALES)]


def _engine_score(example: EngineExample, eps: Array) -> Array:
    """Compute ``GaussianVAE.score_q`` at ``eps (Q, 1 or N, Z)``, ``(Q, N, D)``."""
    q, c = example.model.encode(example.k, example.phi, example.x)
    eps = np.broadcast_to(eps, (len(eps), *q.mu.shape[2:]))
    return np.asarray(example.model.score_q(example.k, example.phi, q, c, eps[None])[0])


# --- the mean of the score; 1 is added, so that the relative error of a zero has a scale ---

_DRAWS = 20_000


def _mean_by_draws(draws: int) -> tuple[Array, Array]:
    """Estimate mean and standard error of the engine's score."""
    example, key, means = _example(), Key((3,)), []
    for step in range(draws // _DRAWS):
        own = key.on(Stream.OUTCOME, step)
        eps = example.model.gaussian_posterior.noise(example.k, own, _DRAWS, example.x)
        means.append(_engine_score(example, eps[0]).mean(0))
    return mean_and_error(means)


def _mean_claimed(claim: Claim) -> Array:
    e = _encoder("softplus")
    return np.asarray(claim(e.slope[..., None] * e.j_rho / e.s[..., None], e.j_mu / e.s[..., None]))


def _score(eps: Array, s: Array, slope: Array, j_mu: Array, j_rho: Array) -> Array:
    a_mu, a_rho = eps / s, (eps**2 - 1) * slope / s
    return np.asarray(np.einsum("qnz,nzd->qnd", a_mu, j_mu) + np.einsum("qnz,nzd->qnd", a_rho, j_rho))


STATEMENTS = (
    Statement(
        id="engine-kl-closed-form",
        title="Divergence of a diagonal Gaussian from the prior, and its gradient",
        assumptions="q = N(mu, diag s^2), p = N(0, I).",
        latex=r"D_{KL}[q \| p] = \tfrac12 \sum (\mu^2 + s^2 - 1) - \sum \log s, \quad "
            r"\nabla_\mu = \mu, \quad \nabla_s = s - 1/s",
        claim=(_kl, lambda mu, s, log: mu, lambda mu, s, log: s - 1 / s),
        checks=(
            _kl_symbolic,
            value_check("quadrature", 1e-10, "D_KL[q || N(0, I)] and its gradient in (mu, s)",
                _kl_claimed, _kl_by_quadrature),
            value_check("closed form", 1e-13, "KL and its gradient, as the engine has them",
                _kl_claimed, _kl_of_the_engine),
            _kl_objective,
        ),
        mutations={
            "sign of the logarithm": (
                lambda mu, s, log: _kl(mu, s, log) + 2 * log(s).sum(),
                lambda mu, s, log: mu,
                lambda mu, s, log: s - 1 / s,
            ),
            "the other divergence": (
                lambda mu, s, log: ((mu**2 + 1) / s**2 - 1).sum() / 2 + log(s).sum(),
                lambda mu, s, log: mu,
                lambda mu, s, log: s - 1 / s,
            ),
            "logarithm not differentiated": (_kl, lambda mu, s, log: mu, lambda mu, s, log: s),
            "in s squared": (_kl, lambda mu, s, log: mu, lambda mu, s, log: (1 - 1 / s**2) / 2),
        },
        code="vsmnp.model.likelihood.kl_to_normal",
    ),
    Statement(
        id="engine-score-q",
        title="The score of q in the data is one backward sweep of the encoder",
        assumptions="z = mu + s eps is held fixed; s = S(rho), and (mu, rho) are the encoder's features.",
        latex=r"s^q = \nabla_x \log q(z|x) = "
            r"J_\mu^T \frac{\epsilon}{s} + J_\rho^T \frac{(\epsilon^2 - 1) S'}{s}",
        claim=_score,
        checks=(
            _score_symbolic,
            value_check("finite differences", 1e-9, "grad_x log q(z|x) at fixed z, scales exp and softplus",
                _score_claimed, lambda: [_example(scale).score_q(_EPS) for scale in SCALES]),
            value_check("finite differences", 1e-10, "the score of the engine, scales exp and softplus",
                _score_claimed, lambda: [_engine_score(_example(scale), _EPS) for scale in SCALES]),
        ),
        mutations={
            "determinant missing": lambda eps, s, slope, j_mu, j_rho: _score(eps, s, slope, j_mu, j_rho)
            + np.einsum("nz,nzd->nd", slope / s, j_rho),
            "slope missing": lambda eps, s, slope, *j: _score(eps, s, s**0, *j),
            "variance for deviation": lambda eps, s, slope, *j: _score(eps, s**2, slope * s, *j),
            "sign": lambda *at: -_score(*at),
            "mean and scale exchanged": lambda eps, s, slope, j_mu, j_rho: _score(eps, s, slope, j_rho, j_mu),
        },
        code="vsmnp.model.vae.GaussianVAE",
    ),
    Statement(
        id="engine-score-q-mean",
        title="The score of q has mean zero",
        assumptions="z is held fixed while x moves; L = grad_x log s and M = grad_x mu / s by latent.",
        latex=r"E_q[s^q] = 0",
        claim=lambda log_s, mu: 0 * log_s.sum(1),
        checks=(
            value_check("quadrature", 1e-9, "1 + E_q s^q, s^q by differences of log q",
                lambda claim: 1 + _mean_claimed(claim),
                lambda: _example().expect(lambda eps, z: 1 + _example().score_q(eps))),
            value_check("quadrature", 1e-12, "1 + E_q s^q, the score of the engine",
                lambda claim: 1 + _mean_claimed(claim),
                lambda: _example().expect(lambda eps, z: 1 + _engine_score(_example(), eps))),
            sampling_check(16 * _DRAWS, "E_q s^q, {samples:,} draws a datum through the engine's score",
                _mean_claimed, _mean_by_draws),
        ),
        mutations={
            "z follows x": lambda log_s, mu: -log_s.sum(1),
            "determinant missing": lambda log_s, mu: log_s.sum(1),
            "noise not centred": lambda log_s, mu: mu.sum(1),
        },
        code="vsmnp.model.vae.GaussianVAE",
    ),
)  # fmt: skip
