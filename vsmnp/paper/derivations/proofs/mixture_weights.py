"""Derive what the Fisher divergence says of the weights of a mixture, and how it fades as modes separate."""

from __future__ import annotations

import numpy as np

from ....types import Array
from ..evidence import gradient, gradient_in
from ..examples.mixtures import FITTED, TARGET, DiagonalMixture, TwoModes, plane, separated
from ..proof import Proofs, Step

_GROUP, _OTHERS = [0, 2], [1]
_Z = np.array([[0.4, -0.7], [-1.2, 0.3], [0.1, 1.4]])
_W, _OMEGA, _SD = 0.3, 0.8, 0.7
_MODES = TwoModes(1.1, _SD, _W, _OMEGA)
_ALPHA, _DELTA = np.log(_W / (1 - _W)), np.log(_OMEGA / (1 - _OMEGA)) - np.log(_W / (1 - _W))


def _moved(logits: Array) -> DiagonalMixture:
    return DiagonalMixture(logits, FITTED.means, FITTED.sds)


def _shares() -> tuple[Array, Array]:
    """Return r_A of the points, and the product r_A (1 - r_A)."""
    r = FITTED.share(_Z, _GROUP)
    return r, r * (1 - r)


def _in_group(f: Array) -> Array:
    """Sum derivatives in the logits, on the last axis, over the group."""
    return np.asarray(f[..., _GROUP].sum(-1))


def _gap(z: Array) -> Array:
    return FITTED.score_of(z, _GROUP) - FITTED.score_of(z, _OTHERS)


def _mean_slope() -> tuple[float, float]:
    """Compute the slope of ``E |d|^2/2`` in the group's logits by differences, and by the formula."""
    z, area = plane()
    density, target = area * FITTED.density(z), TARGET.score(z)
    slope = gradient(
        lambda logits: density @ (0.5 * (_moved(logits).score(z) - target) ** 2).sum(-1), FITTED.logits
    )
    r = FITTED.share(z, _GROUP)
    found = r * (1 - r) * (_gap(z) * (FITTED.score(z) - target)).sum(-1)
    return float(_in_group(slope)), float(density @ found)


def _overlap() -> tuple[Array, Array]:
    parts = [FITTED.joint(_Z)[:, group].sum(-1) for group in (_GROUP, _OTHERS)]
    return FITTED.density(_Z) * _shares()[1], parts[0] * parts[1] / FITTED.density(_Z)


# --- two modes; u is the log-ratio of their densities ---


def _logistic(v: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-v)))


def _ratio_slope() -> tuple[float, float]:
    """Compute ``e^(m^2/2s^2) D_F`` by differences of log q/p, and from the responsibilities."""
    r, rho = _logistic(_MODES.u + _ALPHA), _logistic(_MODES.u + _ALPHA + _DELTA)
    return _MODES.fisher(), _MODES.expect((r - rho) ** 2 * (2 * _MODES.m / _SD**2) ** 2 / 2)


def _grid() -> tuple[Array, float]:
    v = np.arange(-60, 60, 0.01)
    return v, 0.01


def _in_u() -> tuple[float, float]:
    """Compute the limit by extrapolation from distant modes, and as the integral over u."""
    u, step = _grid()
    weight = _W * np.exp(u / 2) + (1 - _W) * np.exp(-u / 2)
    square = (_logistic(u + _ALPHA) - _logistic(u + _ALPHA + _DELTA)) ** 2
    return separated(_SD, _W, _OMEGA), float(step * weight @ square) / np.sqrt(2 * np.pi)


def _integrands() -> tuple[Array, Array]:
    """Compute the integrand at a few u, and its form in hyperbolic functions of v."""
    u = np.array([-2.0, -0.3, 1.1, 4.0])
    v, half = u + _ALPHA, _DELTA / 2
    weight = _W * np.exp(u / 2) + (1 - _W) * np.exp(-u / 2)
    found = weight * (_logistic(v) - _logistic(v + _DELTA)) ** 2
    root = np.sqrt(_W * (1 - _W))
    return found, root * np.sinh(half) ** 2 / (2 * np.cosh(v / 2) * np.cosh(v / 2 + half) ** 2)


def _integral() -> tuple[float, float]:
    t, step = _grid()
    half = _DELTA / 2
    return float(step * (1 / (np.cosh(t) * np.cosh(t + half) ** 2)).sum()), np.pi / (1 + np.cosh(half))


def _divergence_of_kl() -> tuple[float, float]:
    w, omega = _W, _OMEGA
    return TwoModes(9 * _SD, _SD, w, omega).kl(), float(
        w * np.log(w / omega) + (1 - w) * np.log((1 - w) / (1 - omega))
    )


def _limit() -> float:
    return float(np.sqrt(np.pi / 2 * _W * (1 - _W)) * (np.cosh(_DELTA / 2) - 1))


PROOFS: Proofs = {
    "engine-mixture-group-weight": (
        Step(
            r"\nabla_z \log q = \sum_k r_k s_k = r_A s_A + (1 - r_A) s_B, \quad r_A = \sum_{k \in A} r_k",
            "The gradient of log(sum of the parts) is the mean of the parts' scores, weighted by their "
            "shares; "
            "a group is a part.",
            lambda: (
                gradient_in(lambda z: np.log(FITTED.density(z)), _Z),
                _shares()[0][:, None] * FITTED.score_of(_Z, _GROUP)
                + (1 - _shares()[0][:, None]) * FITTED.score_of(_Z, _OTHERS),
            ),
            kind="finite differences",
        ),
        Step(
            r"\sum_{k \in A} \partial_{a_k} r_A = r_A (1 - r_A), \quad \sum_{k \in A} \partial_{a_k} s_A "
            r"= \sum_{k \in A} \partial_{a_k} s_B = 0",
            "Adding one number to all logits of A multiplies their parts of q by one factor: the share of A "
            "changes as a logistic function, and the shares within A and within B stay.",
            lambda: (_in_group(gradient(lambda a: _moved(a).share(_Z, _GROUP), FITTED.logits)), _shares()[1]),
            kind="finite differences",
        ),
        Step(
            r"\sum_{k \in A} \partial_{a_k} \nabla_z \log q = r_A (1 - r_A) (s_A - s_B)",
            "The first line is differentiated by the second, z held fixed.",
            lambda: (
                _in_group(gradient(lambda a: _moved(a).score(_Z), FITTED.logits)),
                _shares()[1][:, None] * _gap(_Z),
            ),
            kind="finite differences",
        ),
        Step(
            r"\sum_{k \in A} \partial_{a_k} \tfrac12 E_q |d|^2 = E_q [ r_A (1 - r_A) (s_A - s_B) \cdot d ]",
            "The chain rule for |d|^2/2; the target does not depend on the logits, and the samples are "
            "fixed.",
            _mean_slope,
            kind="finite differences",
        ),
        Step(
            r"q\, r_A (1 - r_A) = \frac{q_A\, q_B}{q} \le \min(q_A, q_B)",
            "With r_A = q_A/q: the integrand is small wherever one of the groups has no mass.",
            _overlap,
            kind="closed form",
        ),
    ),
    "engine-mixture-separated": (
        Step(
            r"\nabla \log q - \nabla \log p = (r - \rho) (s_1 - s_2)",
            "Both scores are means of s_1 and s_2, with the shares r and 1 - r, rho and 1 - rho.",
        ),
        Step(
            r"D_F[q \| p] = \tfrac12 E_q (r - \rho)^2 |s_1 - s_2|^2",
            "By the definition (5).",
            _ratio_slope,
            kind="finite differences",
        ),
        Step(
            r"\log \tfrac{f_1}{f_2} = u = \tfrac{2 m z}{s^2}, \quad s_1 - s_2 = \tfrac{2 m}{s^2}, \quad "
            r"r = \sigma(u + \operatorname{logit} w), \; \rho = \sigma(u + \operatorname{logit} \omega)",
            "Two Gaussians of equal variance have a log-ratio that is linear in z.",
        ),
        Step(
            r"\tfrac{s^3}{m} e^{m^2/2s^2} D_F \to \tfrac{1}{\sqrt{2 \pi}} \int ( w e^{u/2} + (1 - w) "
            r"e^{-u/2} ) "
            r"(r - \rho)^2 du",
            "The density is e^(-(m^2 + z^2)/2s^2) times the bracket; with dz = s^2 du/(2 m) the factor "
            "e^(-z^2/2s^2) = e^(-s^2 u^2/8m^2) tends to 1.",
            _in_u,
            tolerance=1e-5,
        ),
        Step(
            r"( w e^{u/2} + (1 - w) e^{-u/2} ) (r - \rho)^2 = \sqrt{w (1 - w)}\, \frac{\sinh^2 \tfrac\delta2}"
            r"{2 \cosh \tfrac{v}{2} \cosh^2 \tfrac{v + \delta}{2}}, \quad v = u + \operatorname{logit} w, "
            r"\; \delta = \log \kappa",
            "The bracket is 2 sqrt(w (1 - w)) cosh(v/2), and the difference of two logistic functions is "
            "sinh(delta/2)/(2 cosh(v/2) cosh((v + delta)/2)) up to its sign.",
            _integrands,
            kind="closed form",
        ),
        Step(
            r"\int \frac{dt}{\cosh t \cosh^2 (t + c)} = \frac{\pi}{1 + \cosh c}",
            "Because 1/(cosh t cosh(t + c)) = (tanh(t + c) - tanh t)/sinh c. The first term over "
            "cosh(t + c) is odd about -c; the integral I of the second, tanh t/cosh(t + c), satisfies "
            "I = -I cosh c - pi sinh c, by sinh t = sinh(t + c) cosh c - cosh(t + c) sinh c.",
            _integral,
        ),
        Step(
            r"\tfrac{s^3}{m} e^{m^2/2s^2} D_F \to \tfrac{1}{\sqrt{2 \pi}} \sqrt{w (1 - w)}\, "
            r"\frac{\pi \sinh^2 c}{1 + \cosh c} = \sqrt{\tfrac{\pi}{2} w (1 - w)} \bigl( \cosh ( \tfrac12 "
            r"\log \kappa ) - 1 \bigr), \quad c = \tfrac\delta2",
            "With v = 2 t; sinh^2 c = (cosh c - 1)(cosh c + 1).",
            lambda: (separated(_SD, _W, _OMEGA), _limit()),
            tolerance=1e-5,
        ),
        Step(
            r"D_{KL}[q \| p] \to w \log \tfrac{w}{\omega} + (1 - w) \log \tfrac{1 - w}{1 - \omega}",
            "The log-ratio q/p tends to log w/omega on the first mode, which has the mass w, and to log (1 - "
            "w)/(1 - omega) on the second.",
            _divergence_of_kl,
        ),
    ),
}
