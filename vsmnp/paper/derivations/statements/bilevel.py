"""Appendix B.1, bi-level updates: the hypergradient, and its limit for many updates of a linear VAE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from ....objectives import KL, M2, M3, M3AsPublished, PosteriorFisher
from ....types import Array
from ..checks import symbolic_sides, value_check
from ..evidence import gradient
from ..examples.engine import EngineExample
from ..examples.linear_engine import LinearVAE
from ..examples.unrolled import Unrolled
from ..statement import Statement

# --- the hypergradient: a claim makes it of lambda and G at phi_K, of the derivatives of each update's
# gradient in phi and in theta, in the order of the updates, and of eta ---


@cache
def _by_kl() -> Unrolled:
    example = EngineExample.build(3, 2, hidden=(4,), n=5, gamma=0.4, scale="softplus")
    return Unrolled(example, KL(3), M3(4, estimator="u-statistic"), steps=3, lr=0.3)


@cache
def _by_fisher() -> Unrolled:
    example = EngineExample.build(2, 3, hidden=(5,), n=4, gamma=0.6)
    return Unrolled(example, PosteriorFisher(2), M2(3), steps=2, lr=0.05)


@cache
def _by_covariance() -> Unrolled:
    example = EngineExample.build(2, 3, hidden=(5,), n=4, gamma=0.6)
    return Unrolled(example, PosteriorFisher(2, fisher_weight="covariance"), M2(3), steps=2, lr=0.15)


@cache
def _of_the_script() -> Unrolled:
    example = EngineExample.build(2, 1, hidden=(3,), n=3, gamma=0.6)
    return Unrolled(example, KL(2), M3AsPublished(4), steps=2, lr=0.2)


_OF_THE_ENGINE = (_by_kl, _by_fisher, _by_covariance)


def _claimed(claim: Any, unrolled: Unrolled) -> Any:
    return claim(*unrolled.last, *unrolled.matrices, unrolled.lr)


@symbolic_sides("slope of M(phi_2(theta), theta), cubic losses")
def _two_updates(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare for one phi, one theta, two updates and cubic losses, for any eta, phi_0 and theta."""
    start, theta, phi, eta = sympy.symbols("phi0 theta phi eta", real=True)
    inner = 2 * phi**2 + 3 * phi * theta + 5 * phi**2 * theta + 7 * phi**3
    outer = 11 * phi**2 * theta + 13 * phi * theta**2
    path = [start]
    for _ in range(2):
        path.append(path[-1] - eta * sympy.diff(inner, phi).subs(phi, path[-1]))

    def along(*variables: Any) -> list[Any]:
        slope = sympy.diff(inner, *variables)
        return [sympy.Matrix([[slope.subs(phi, at)]]) for at in path[:-1]]

    last = [sympy.Matrix([[sympy.diff(outer, v).subs(phi, path[-1])]]) for v in (phi, theta)]
    claimed = claim(*last, along(phi, phi), along(phi, theta), eta)[0]
    truth = sympy.diff(outer.subs(phi, path[-1]), theta)
    differences = sympy.Poly(claimed - truth, start, theta, eta).coeffs()  # simplified each, in no time
    return differences, [0] * len(differences)


def _backwards(adjoint: Any, g: Any, pairs: Iterable[tuple[Any, Any]], eta: Any) -> Any:
    """Take the updates in the order of ``pairs``, each with its derivatives in phi and in theta."""
    for in_phi, in_theta in pairs:
        g = g - eta * (adjoint @ in_theta)
        adjoint = adjoint - eta * (adjoint @ in_phi)
    return g


def _hypergradient(adjoint: Any, g: Any, in_phi: Sequence[Any], in_theta: Sequence[Any], eta: Any) -> Any:
    return _backwards(adjoint, g, zip(reversed(in_phi), reversed(in_theta), strict=True), eta)


def _adjoint_first(adjoint: Any, g: Any, in_phi: Sequence[Any], in_theta: Sequence[Any], eta: Any) -> Any:
    for h, c in zip(reversed(in_phi), reversed(in_theta), strict=True):
        adjoint = adjoint - eta * (adjoint @ h)
        g = g - eta * (adjoint @ c)
    return g


# --- the limit: a claim makes the hypergradient of the gradients of M in theta and in phi, of H and C, the
# derivatives of the inner gradient in phi and in theta, of eta and of K ---

#: Step sizes with numbers of updates, and a number for which what remains is below rounding.
_FEW, _MANY = ((0.05, 0), (0.05, 1), (0.03, 5), (0.05, 20), (0.04, 100)), 1_000_000


@cache
def _linear() -> LinearVAE:
    """Build a linear VAE whose columns are orthogonal, q its posterior, data unlike its marginal."""
    rng = np.random.default_rng(3)
    jacobian = np.linalg.qr(rng.standard_normal((3, 2)))[0] * np.array([1.1, 0.8])
    data = rng.standard_normal((7, 3)) + np.array([0.4, -0.2, 0.1])
    return LinearVAE.of(jacobian, np.array([0.5, -0.3, 0.2]), 0.6, data).with_exact_posterior()


def _unrolled(steps: int, eta: float = 0.05) -> Unrolled:
    vae = _linear()
    return Unrolled(vae.example, KL(vae.samples), M2(vae.samples), steps, eta)


@cache
def _parts() -> tuple[Array, Array, Array, Array]:
    """Return the gradients of M2 in theta and in phi, and the derivatives of the inner gradient."""
    in_phi, in_theta = _unrolled(1).matrices
    at_once = _unrolled(0)
    return at_once.last[1], at_once.last[0], in_phi[0], in_theta[0]


def _of_the_engine() -> list[Array]:
    return [_unrolled(steps, eta).of_the_engine() if steps else _parts()[0] for eta, steps in _FEW]


def _marginal_gradient() -> Array:
    """Compute the gradient in theta of ``|grad log p|^2/2 + div grad log p``, p(x) Gaussian."""
    vae, unrolled = _linear(), _unrolled(0)

    def loss(theta: Array) -> float:
        example = unrolled.at(unrolled.path[0][0], theta)
        bias = example.g(np.zeros(2))
        moved = LinearVAE(example, (example.g(np.eye(2)) - bias).T, bias)
        score, divergence = moved.marginal_score()
        return float(0.5 * (score**2).sum(-1).mean() + divergence)

    assert vae.example is unrolled.example
    return gradient(loss, unrolled.theta)


def _after(in_theta: Array, in_phi: Array, h: Array, c: Array, eta: float, steps: int) -> Array:
    rest = np.linalg.matrix_power(np.eye(len(h)) - eta * h, steps)
    return np.asarray(in_theta - np.linalg.solve(h, in_phi - rest @ in_phi) @ c)


STATEMENTS = (
    Statement(
        id="engine-bilevel",
        title="Hypergradient of K bi-level updates",
        assumptions="Plain gradient steps with fixed noise; for Fisher inference z_k is a constant.",
        latex=r"\phi_{k+1} = \phi_k - \eta \nabla_\phi L(\phi_k, \theta), \quad "
            r"\lambda_K = \nabla_\phi M, \; G_K = \nabla_\theta M: \quad "
            r"G_k = G_{k+1} - \eta \lambda_{k+1} \partial_\theta \nabla_\phi L, \quad "
            r"\lambda_k = \lambda_{k+1} - \eta \lambda_{k+1} \partial_\phi \nabla_\phi L, \quad "
            r"\tfrac{d}{d\theta} M(\phi_K(\theta), \theta) = G_0",
        claim=_hypergradient,
        checks=(
            _two_updates,
            value_check("finite differences", 1e-8, "gradient of the unrolled map, M3 after 3 KL updates",
                lambda claim: _claimed(claim, _by_kl()), lambda: gradient(_by_kl().loss, _by_kl().theta)),
            value_check("finite differences", 1e-8,
                "gradient of the unrolled map, M2 after 2 Fisher updates, z fixed",
                lambda claim: _claimed(claim, _by_fisher()),
                lambda: gradient(_by_fisher().loss, _by_fisher().theta)),
            value_check("finite differences", 1e-8,
                "gradient of the unrolled map, the published script's M3 after 2 KL updates",
                lambda claim: _claimed(claim, _of_the_script()),
                lambda: gradient(_of_the_script().loss, _of_the_script().theta)),
            value_check("finite differences", 1e-8,
                "the engine's hypergradients, updates by KL, by Fisher and weighted by the covariance of q",
                lambda claim: np.concatenate([_claimed(claim, each()) for each in _OF_THE_ENGINE]),
                lambda: np.concatenate([each().of_the_engine() for each in _OF_THE_ENGINE])),
        ),
        mutations={
            "the updates taken forwards": lambda adjoint, g, in_phi, in_theta, eta: (
                _backwards(adjoint, g, zip(in_phi, in_theta, strict=True), eta)
            ),
            "lambda before G": _adjoint_first,
            "lambda kept": lambda adjoint, g, in_phi, in_theta, eta: (
                g - eta * sum((adjoint @ c for c in in_theta), 0 * g)
            ),
            "last update alone": lambda adjoint, g, in_phi, in_theta, eta: g - eta * (adjoint @ in_theta[-1]),
            "first update left out": lambda adjoint, g, in_phi, in_theta, eta: (
                _hypergradient(adjoint, g, in_phi[1:], in_theta[1:], eta)
            ),
            "theta dropped from the updates": lambda adjoint, g, in_phi, in_theta, eta: g,
            "step twice as large": lambda adjoint, g, in_phi, in_theta, eta: (
                _hypergradient(adjoint, g, in_phi, in_theta, 2 * eta)
            ),
            "step of one bench": lambda adjoint, g, in_phi, in_theta, eta: (
                _hypergradient(adjoint, g, in_phi, in_theta, 0.3)
            ),
            "sign": lambda adjoint, g, in_phi, in_theta, eta: (
                _hypergradient(adjoint, g, in_phi, in_theta, -eta)
            ),
        },
        consequence="The backward pass needs products of the two matrices with one vector only, which are "
            "one tangent sweep and one tangent of a backward sweep of each network.",
        code="vsmnp.objectives.bilevel.Bilevel",
    ),
    Statement(
        id="engine-bilevel-limit",
        title="With more bi-level updates M2's gradient tends to that of the marginal Fisher divergence",
        assumptions="Linear VAE with orthogonal columns, any data, phi_0 the exact posterior; H and C are "
            "the derivatives of the KL gradient in phi and in theta, eta < 2/h for each eigenvalue h of H.",
        latex=r"G = \nabla_\theta M_2 - C^T H^{-1} [ I - (I - \eta H)^K ] \nabla_\phi M_2 "
            r"\to \nabla_\theta D_F[\pi \| p] \quad (K \to \infty)",
        claim=_after,
        checks=(
            value_check("finite differences", 1e-8, f"the engine's hypergradient, (eta, K) = {_FEW}",
                lambda claim: [claim(*_parts(), *each) for each in _FEW], _of_the_engine),
            value_check("finite differences", 1e-8,
                f"gradient of the marginal Fisher divergence of a Gaussian, K = {_MANY:,}",
                lambda claim: claim(*_parts(), 0.05, _MANY), _marginal_gradient),
        ),
        mutations={
            "q held fixed": lambda in_theta, in_phi, h, c, eta, steps: in_theta,
            "limit at once": lambda in_theta, in_phi, h, c, eta, steps: (
                in_theta - np.linalg.solve(h, in_phi) @ c
            ),
            "one update more": lambda in_theta, in_phi, h, c, eta, steps: (
                _after(in_theta, in_phi, h, c, eta, steps + 1)
            ),
            "half the step": lambda in_theta, in_phi, h, c, eta, steps: (
                _after(in_theta, in_phi, h, c, eta / 2, steps)
            ),
            "eta is 0.05": lambda in_theta, in_phi, h, c, eta, steps: (
                _after(in_theta, in_phi, h, c, 0.05, steps)
            ),
            "H not inverted": lambda in_theta, in_phi, h, c, eta, steps: (
                in_theta - (h @ in_phi) @ c if steps else in_theta
            ),
            "sign": lambda in_theta, in_phi, h, c, eta, steps: (
                2 * in_theta - _after(in_theta, in_phi, h, c, eta, steps)
            ),
        },
        consequence="(12) is an identity in theta, so the derivative that a frozen q omits is the whole "
            "error of M2 at the exact posterior; the updates supply the share 1 - (1 - eta h)^K of it along "
            "an eigenvector of H with eigenvalue h.",
        code="vsmnp.objectives.bilevel.Bilevel",
    ),
)  # fmt: skip
