"""The part of the gradient that a pathwise estimator misses where a relu of the decoder switches."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import PosteriorFisher
from ....types import Array
from ..checks import value_check
from ..evidence import gradient
from ..examples.engine import EngineExample
from ..examples.expected import gradient_in_q
from ..examples.toy import square
from ..quadrature import normal_log_density
from ..statement import Statement

# --- relu decoders: a claim is the part that the pathwise gradient misses at one kink ---


@cache
def _kinked() -> tuple[EngineExample, Array]:
    """Build a decoder of three relus with one latent, and return where they switch."""
    example = EngineExample.build(d_x=2, d_z=1, hidden=(3,), activation="relu", n=1, seed=6)
    p = example.model.decoder_part(example.theta)["0"]
    return example, np.sort(-p["b"][0] / p["w"][0].reshape(-1))


def _pieces() -> tuple[Array, Array, Array]:
    """Return nodes and weights in z between the kinks, and the constant slope ``(Q, D)`` of g there."""
    example, kinks = _kinked()
    mu, s = (float(v[0, 0]) for v in example.q())
    edges = np.r_[mu - 9 * s, kinks[abs(kinks - mu) < 9 * s], mu + 9 * s]
    t, w = np.polynomial.legendre.leggauss(60)
    half = np.diff(edges) / 2
    z = (edges[:-1] + half)[:, None] + half[:, None] * t
    rise = np.diff(example.g(edges[:, None]), axis=0) / np.diff(edges)[:, None]
    return z.ravel(), (half[:, None] * w).ravel(), np.repeat(rise, len(t), 0)


def _kinked_fisher(q: Array) -> Array:
    """Compute ``D_F`` by quadrature, with every kink at an end of a panel."""
    example, _ = _kinked()
    z, w, rise = _pieces()
    e = (z - q[0]) / q[1]
    density = np.exp(normal_log_density(z, q[0], q[1] ** 2))
    b = (rise * (example.data - example.g(z[:, None]))).sum(-1) / example.gamma
    return np.asarray(w @ (density * 0.5 * (z - e / q[1] - b) ** 2))


@cache
def _missed() -> tuple[Array, Array]:
    """Compute the total gradient by differences less the pathwise one, by the engine and by hand."""
    example, _ = _kinked()
    mu, s = (float(v[0, 0]) for v in example.q())
    z, w, rise = _pieces()
    e = (z - mu) / s
    weights = w * np.exp(normal_log_density(z, mu, s**2))
    total = gradient(_kinked_fisher, np.array([mu, s]), 2e-4)
    engine = gradient_in_q(example, PosteriorFisher(reparametrised=True), (e[:, None], weights))
    b = (rise * (example.data - example.g(z[:, None]))).sum(-1) / example.gamma
    d = z - e / s - b
    c = d + square(rise) / example.gamma * d  # between kinks the Hessian is -J'J/gamma
    by_hand = np.array([weights @ c, weights @ (c * e + d * e / s**2)])
    return total - engine, total - by_hand


def _at_kinks(claim: Any) -> Array:
    """Sum the claim over the kinks, from one-sided values of ``|d|^2/2``."""
    example, kinks = _kinked()
    mu, s = (float(v[0, 0]) for v in example.q())
    found = np.zeros(2)
    for kink in kinks[abs(kinks - mu) < 9 * s]:
        z = kink + np.array([-2e-5, -1e-5, 1e-5, 2e-5])
        g = example.g(np.r_[z, kink][:, None])
        rise = np.array([g[1] - g[0], g[3] - g[2]]) / 1e-5
        b = (rise * (example.data - g[4])).sum(-1) / example.gamma
        halves = 0.5 * (kink - (kink - mu) / s**2 - b) ** 2
        density = np.exp(normal_log_density(kink, mu, s**2))
        found += claim(density, halves[1] - halves[0], (kink - mu) / s)
    return found


STATEMENTS = (
    Statement(
        id="engine-kink",
        title="What the reparametrised Fisher gradient misses with a relu decoder",
        assumptions="One latent; |d|^2/2 jumps by Delta_k at each kink z_k = mu + s eps_k.",
        latex=r"\nabla_{(\mu, s)} D_F - E_\epsilon[\text{pathwise}] = "
            r"\textstyle\sum_k q(z_k) \Delta_k \, (1, \epsilon_k)",
        claim=lambda density, jump, eps: np.array([density * jump, density * jump * eps]),
        checks=(
            value_check("quadrature", 1e-8,
                "gradient of D_F less the expected pathwise gradient of the engine",
                _at_kinks, lambda: _missed()[0]),
            value_check("finite differences", 1e-8, "gradient of D_F less the pathwise one, H by hand",
                _at_kinks, lambda: _missed()[1]),
        ),
        mutations={
            "nothing": lambda density, jump, eps: np.zeros(2),
            "sign": lambda density, jump, eps: -np.array([density * jump, density * jump * eps]),
            "in the mean only": lambda density, jump, eps: np.array([density * jump, 0.0]),
        },
        consequence="With a relu decoder, as the paper has, reparametrised Fisher inference does not "
            "follow the gradient of the divergence; with tanh or softplus it does.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
)  # fmt: skip
