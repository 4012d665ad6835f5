"""The diagonal Gaussian posterior: its divergence from the prior, and its score in the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np

from ....model.gaussian import DiagonalGaussian
from ....model.posterior import Moments
from ....model.vae import GaussianVAE
from ....objectives import KL
from ....rng import Key, Stream
from ....types import Array
from ..evidence import gradient, numeric, statistical, symbolic
from ..examples.engine import EngineExample
from ..quadrature import normal_rule
from ..statement import Claim, Effort, Evidence, Form, Statement

# --- D_KL[q || p(z)] ---

_MU, _S = np.array([0.7, -1.2]), np.array([0.8, 1.3])


def _kl_symbolic(claim: Claim, effort: Effort) -> Evidence:
    """Compare with ``E_q [log q - log p]``, a polynomial of second degree in eps, for one coordinate."""
    import sympy

    mu, eps = sympy.symbols("mu eps", real=True)
    s = sympy.Symbol("s", positive=True)
    log_ratio = sympy.expand(-(eps**2) / 2 - sympy.log(s) + (mu + s * eps) ** 2 / 2)
    kl = sum(log_ratio.coeff(eps, n) * moment for n, moment in ((0, 1), (1, 0), (2, 1)))
    claimed = [part(np.array([mu]), np.array([s]), lambda v: np.array([sympy.log(v[0])])) for part in claim]
    return symbolic(
        [np.ravel(part)[0] for part in claimed],
        [kl, sympy.diff(kl, mu), sympy.diff(kl, s)],
        "KL and its gradient, one coordinate",
    )


def _kl_by_quadrature(claim: Claim, effort: Effort) -> Evidence:
    eps, w = normal_rule(4, 2)

    def kl(at: Array) -> Array:
        mu, s = at[:2], at[2:]
        z = mu + s * eps
        return np.asarray(w @ (-0.5 * eps * eps - np.log(s) + 0.5 * z * z).sum(-1))

    at = np.concatenate([_MU, _S])
    truth = np.concatenate([[kl(at)], gradient(kl, at)])
    detail = "D_KL[q || N(0, I)] and its gradient in (mu, s)"
    return numeric("quadrature", _kl_claimed(claim), truth, effort.tolerance(1e-10), detail)


def _kl_of_the_engine(claim: Claim, effort: Effort) -> Evidence:
    posterior = DiagonalGaussian(2)
    q = Moments(_MU[None, None, None], _S[None, None, None])
    truth = np.concatenate([np.ravel(part) for part in (posterior.kl(q), *posterior.kl_gradient(q))])
    detail = "KL and its gradient, as the engine has them"
    return numeric("closed form", _kl_claimed(claim), truth, effort.tolerance(1e-13), detail)


def _kl_claimed(claim: Claim) -> Array:
    return np.concatenate([np.ravel(part(_MU, _S, np.log)) for part in claim])


def _kl_objective(claim: Claim, effort: Effort) -> Evidence:
    """Compare the mean over the batch with the term ``kl`` of the inference objective."""
    example = EngineExample.build()
    outcome = KL()(example.k, example.model, example.phi, example.theta, example.x, Key((1,)))
    claimed = np.mean([claim[0](mu, s, np.log) for mu, s in zip(*example.q(), strict=True)])
    return numeric(
        "closed form", claimed, outcome.terms["kl"][0], effort.tolerance(1e-13), "the objective's term kl"
    )


def _kl(mu: Array, s: Array, log: Callable[[Array], Array]) -> Array:
    return np.asarray((mu**2 + s**2 - 1).sum() / 2 - log(s).sum())


# --- the score of q in x ---


@cache
def _example(scale: str = "softplus") -> EngineExample:
    """Build a softplus example, so that neither S'/s nor S' is 1; the score's polynomials need few nodes."""
    model = GaussianVAE.mlp(2, 2, (5,), "tanh", scale)
    return replace(EngineExample.build(), model=model, nodes=6)


@cache
def _encoder(scale: str) -> SimpleNamespace:
    """Compute the encoder's features in x: s, S' ``(N, Z)`` and the Jacobians ``(N, Z, D)``."""
    example = _example(scale)

    def features(shift: Array) -> Array:
        phi = example.model.encoder_part(example.phi)
        return np.asarray(example.model.encoder.forward(example.k, phi, example.x + shift)[0][0, 0])

    jacobian = gradient(features, np.zeros(example.model.d_x))
    rho = features(np.zeros(example.model.d_x))[:, example.model.d_z :]
    slope = 1 / (1 + np.exp(-rho)) if scale == "softplus" else np.exp(rho)
    j_mu, j_rho = np.split(jacobian, 2, axis=1)
    return SimpleNamespace(s=example.q()[1], slope=slope, j_mu=j_mu, j_rho=j_rho)


def _score_by_differences(claim: Claim, effort: Effort) -> Evidence:
    """Compare for both scales, at a few draws of the noise."""
    claimed, truth = [], []
    for scale in ("exp", "softplus"):
        claimed.append(_score_claimed(claim, scale))
        truth.append(_example(scale).score_q(_EPS))
    detail = "grad_x log q(z|x) at fixed z, scales exp and softplus"
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-9), detail)


def _score_symbolic(claim: Claim, effort: Effort) -> Evidence:
    """Compare for one latent, one data dimension, any encoder and any scale S."""
    import sympy

    x, z, e, r = sympy.symbols("x z eps r", real=True)
    mu, rho = (sympy.Function(name, real=True)(x) for name in ("mu", "rho"))
    scale = sympy.Function("S", positive=True)
    s = scale(rho)
    log_q = -((z - mu) ** 2) / (2 * s**2) - sympy.log(s)
    truth = sympy.diff(log_q, x).subs(z, mu + s * e).doit()
    slope = sympy.diff(scale(r), r).subs(r, rho)
    j_mu, j_rho = (np.array([[[sympy.diff(f, x)]]]) for f in (mu, rho))
    claimed = claim(np.array([[[e]]]), np.array([[s]]), np.array([[slope]]), j_mu, j_rho)
    detail = "grad_x log q(z|x) at fixed z, any encoder and any scale"
    return symbolic(claimed.item(), truth, detail)


def _score_of_the_engine(claim: Claim, effort: Effort) -> Evidence:
    claimed, truth = [], []
    for scale in ("exp", "softplus"):
        claimed.append(_score_claimed(claim, scale))
        truth.append(_engine_score(_example(scale), _EPS))
    detail = "the score of the engine, scales exp and softplus"
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-10), detail)


def _score_claimed(claim: Claim, scale: str) -> Array:
    e = _encoder(scale)
    return np.asarray(claim(_EPS, e.s, e.slope, e.j_mu, e.j_rho))


def _engine_score(example: EngineExample, eps: Array) -> Array:
    """Compute ``GaussianVAE.score_q`` at ``eps (Q, 1 or N, Z)``, ``(Q, N, D)``."""
    q, c = example.model.encode(example.k, example.phi, example.x)
    eps = np.broadcast_to(eps, (len(eps), *q.mu.shape[2:]))
    return np.asarray(example.model.score_q(example.k, example.phi, q, c, eps[None])[0])


_EPS = np.array([[0.4, -1.1], [1.7, 0.2], [-0.6, -0.9]])[:, None, :]

# --- the mean of the score ---

_DRAWS = 20_000


def _mean_by_quadrature(claim: Claim, effort: Effort) -> Evidence:
    example = _example()
    truth = example.expect(lambda eps, z: 1 + example.score_q(eps))
    detail = "1 + E_q s^q, s^q by differences of log q"
    return numeric("quadrature", 1 + _mean_claimed(claim), truth, effort.tolerance(1e-9), detail)


def _mean_of_the_engine(claim: Claim, effort: Effort) -> Evidence:
    example = _example()
    truth = example.expect(lambda eps, z: 1 + _engine_score(example, eps))
    detail = "1 + E_q s^q, the score of the engine"
    return numeric("quadrature", 1 + _mean_claimed(claim), truth, effort.tolerance(1e-12), detail)


def _mean_by_draws(claim: Claim, effort: Effort) -> Evidence:
    calls = effort.samples(16)
    mean, error = _drawn(calls)
    detail = f"E_q s^q, {calls * _DRAWS:,} draws a datum through the engine's score"
    return statistical(_mean_claimed(claim), mean, error, detail)


@cache
def _drawn(calls: int) -> tuple[Array, Array]:
    """Estimate mean and standard error of the engine's score."""
    example, key, means = _example(), Key((3,)), []
    for step in range(calls):
        own = key.on(Stream.OUTCOME, step)
        eps = example.model.gaussian_posterior.noise(example.k, own, _DRAWS, example.x)
        means.append(_engine_score(example, eps[0]).mean(0))
    return np.mean(means, axis=0), np.std(means, axis=0, ddof=1) / np.sqrt(calls)


def _mean_claimed(claim: Claim) -> Array:
    e = _encoder("softplus")
    return np.asarray(claim(e.slope[..., None] * e.j_rho / e.s[..., None], e.j_mu / e.s[..., None]))


def _score(eps: Array, s: Array, slope: Array, j_mu: Array, j_rho: Array) -> Array:
    a_mu, a_rho = eps / s, (eps**2 - 1) * slope / s
    return np.asarray(np.einsum("qnz,nzd->qnd", a_mu, j_mu) + np.einsum("qnz,nzd->qnd", a_rho, j_rho))


STATEMENTS = (
    Statement(
        id="engine-kl-closed-form",
        section="engine",
        title="Divergence of a diagonal Gaussian from the prior, and its gradient",
        assumptions="q = N(mu, diag s^2), p = N(0, I).",
        form=Form(
            r"D_{KL}[q \| p] = \tfrac12 \sum (\mu^2 + s^2 - 1) - \sum \log s, \quad "
            r"\nabla_\mu = \mu, \quad \nabla_s = s - 1/s",
            (_kl, lambda mu, s, log: mu, lambda mu, s, log: s - 1 / s),
        ),
        checks=(_kl_symbolic, _kl_by_quadrature, _kl_of_the_engine, _kl_objective),
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
        section="engine",
        title="The score of q in the data is one backward sweep of the encoder",
        assumptions="z = mu + s eps is held fixed; s = S(rho), and (mu, rho) are the encoder's features.",
        form=Form(
            r"s^q = \nabla_x \log q(z|x) = "
            r"J_\mu^T \frac{\epsilon}{s} + J_\rho^T \frac{(\epsilon^2 - 1) S'}{s}",
            _score,
        ),
        checks=(_score_symbolic, _score_by_differences, _score_of_the_engine),
        mutations={
            "determinant missing": lambda eps, s, slope, j_mu, j_rho: _score(eps, s, slope, j_mu, j_rho)
            + np.einsum("nz,nzd->nd", slope / s, j_rho),
            "slope missing": lambda eps, s, slope, j_mu, j_rho: _score(eps, s, s**0, j_mu, j_rho),
            "variance for deviation": lambda eps, s, slope, j_mu, j_rho: _score(
                eps, s**2, slope * s, j_mu, j_rho
            ),
            "sign": lambda eps, s, slope, j_mu, j_rho: -_score(eps, s, slope, j_mu, j_rho),
            "mean and scale exchanged": lambda eps, s, slope, j_mu, j_rho: _score(eps, s, slope, j_rho, j_mu),
        },
        code="vsmnp.model.vae.GaussianVAE",
    ),
    Statement(
        id="engine-score-q-mean",
        section="engine",
        title="The score of q has mean zero",
        assumptions="z is held fixed while x moves; L = grad_x log s and M = grad_x mu / s by latent.",
        form=Form(r"E_q[s^q] = 0", lambda log_s, mu: 0 * log_s.sum(1)),
        checks=(_mean_by_quadrature, _mean_of_the_engine, _mean_by_draws),
        mutations={
            "z follows x": lambda log_s, mu: -log_s.sum(1),
            "determinant missing": lambda log_s, mu: log_s.sum(1),
            "noise not centred": lambda log_s, mu: mu.sum(1),
        },
        code="vsmnp.objectives.M3",
    ),
)  # fmt: skip
