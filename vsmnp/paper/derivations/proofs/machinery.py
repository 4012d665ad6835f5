"""Derive the discrepancy of Gaussians, the step of Adam and normal draws from uniform ones."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....kernels import load
from ....training.optimizers import Adam
from ....types import Array
from ..evidence import gradient
from ..proof import Proofs, Step
from ..quadrature import normal_rule

# --- the cubic discrepancy: moments of t = z . z' in three dimensions ---

_D, _A, _MU = 3, 1.6, np.array([0.3, -0.4, 0.5])
_M = float(_MU @ _MU)


def _moments(z: Array, other: Array) -> Array:
    """Compute ``E t, E t^2, E t^3`` over independent nodes of both sides, exact for the cube."""
    _, w = normal_rule(2, _D)
    t = z @ other.T
    return np.array([w @ t**n @ w for n in (1, 2, 3)])


def _sides(which: str) -> Array:
    """Return the nodes of N(0, I), of N(0, a I) or of N(mu, I), ``(Q, D)``."""
    eps = normal_rule(2, _D)[0]
    return np.asarray({"standard": eps, "scaled": np.sqrt(_A) * eps, "shifted": eps + _MU}[which])


def _discrepancy(which: str) -> float:
    """Compute the squared discrepancy from N(0, I) by its definition."""
    z, y, w = _sides(which), _sides("standard"), normal_rule(2, _D)[1]
    pairs = ((z, z, 1), (y, y, 1), (z, y, -2))
    return float(sum(sign * (w @ (one @ other.T + 1) ** 3 @ w) for one, other, sign in pairs))


def _cubes() -> tuple[float, float]:
    z, w = _sides("shifted"), normal_rule(2, _D)[1]
    return float(w @ (z @ z.T + 1) ** 3 @ w), float(np.array([3, 3, 1]) @ _moments(z, z) + 1)


# --- Adam ---

_BETA1, _BETA2, _EPS, _LR = 0.8, 0.95, 1e-3, 0.02
_GRADIENTS = np.random.default_rng(17).standard_normal((6, 4)) + 0.3


def _recursion(beta: float, power: int) -> Array:
    memory = np.zeros(4)
    for g in _GRADIENTS:
        memory = beta * memory + (1 - beta) * g**power
    return memory


def _sum(beta: float, power: int) -> Array:
    ages = np.arange(len(_GRADIENTS))[::-1, None]
    return np.asarray(((1 - beta) * beta**ages * _GRADIENTS**power).sum(0))


@cache
def _last_step(constant: bool = False) -> Array:
    """Compute the last step of the engine's Adam along the gradients, or along one that is constant."""
    k, adam, p = load("reference"), Adam(_BETA1, _BETA2, _EPS), np.zeros((1, 4))
    memory, before = adam.remember(k, p), p.copy()
    for g in _GRADIENTS:
        before = p.copy()
        used = np.abs(_GRADIENTS[0]) if constant else g
        adam.update(k, p, used[None].copy(), memory, np.array([_LR]), np.array([True]))
    return np.asarray((before - p)[0])


def _formula() -> Array:
    t = len(_GRADIENTS)
    m, v = _sum(_BETA1, 1) / (1 - _BETA1**t), _sum(_BETA2, 2) / (1 - _BETA2**t)
    return np.asarray(_LR * m / (np.sqrt(v) + _EPS))


# --- normals from uniforms ---

_U = np.array([[0.15, 0.4], [0.62, 0.87], [0.93, 0.08]])


def _polar(u: Array) -> Array:
    """Compute the pair of normals of ``u (..., 2)``."""
    radius = np.sqrt(-2 * np.log1p(-u[..., 0]))
    return np.stack([radius * np.cos(2 * np.pi * u[..., 1]), radius * np.sin(2 * np.pi * u[..., 1])], -1)


def _volume() -> Array:
    """Compute the Jacobian determinant of the map at three points by differences."""
    return np.array([np.linalg.det(gradient(_polar, u, 1e-4)) for u in _U])


PROOFS: Proofs = {
    "engine-mmd": (
        Step(
            r"\text{MMD}^2 = E\, k(z, z') + E\, k(y, y') - 2 E\, k(z, y), \quad E (t + 1)^3 = E t^3 + 3 E "
            r"t^2 "
            r"+ 3 E t + 1",
            "The definition, with z, z' of one law and y, y' of N(0, I), and the binomial formula for t = "
            "z.z'.",
            _cubes,
        ),
        Step(
            r"z, z' \sim N(0, a I): \quad E t = E t^3 = 0, \; E t^2 = a^2 d; \quad t = z \cdot y: \; E t^2 "
            r"= a d",
            "Odd powers change their sign with z; E (z.z')^2 is the trace of the product of both "
            "covariances.",
            lambda: (
                [_moments(_sides("scaled"), _sides(other))[1] for other in ("scaled", "standard")],
                [_A**2 * _D, _A * _D],
            ),
        ),
        Step(
            r"\text{MMD}^2[N(0, a I), N(0, I)] = 3 ( a^2 d + d - 2 a d ) = 3 d (a - 1)^2",
            "Three times the combination of the second moments; the ones cancel.",
            lambda: (_discrepancy("scaled"), 3 * _D * (_A - 1) ** 2),
        ),
        Step(
            r"z = \mu + e, \; z' = \mu + e': \quad E t = m, \quad E t^2 = m^2 + 2 m + d, \quad E t^3 = m^3 "
            r"+ 6 m^2 "
            r"+ 3 d m + 6 m",
            "With t = m + l + p, l = mu.(e + e'), p = e.e': E l^2 = 2 m, E p^2 = d, E l^2 p = 2 m, and the "
            "other "
            "products of up to three factors have the mean 0.",
            lambda: (
                _moments(_sides("shifted"), _sides("shifted")),
                [_M, _M**2 + 2 * _M + _D, _M**3 + 6 * _M**2 + 3 * _D * _M + 6 * _M],
            ),
        ),
        Step(
            r"t = z \cdot y: \quad E t = E t^3 = 0, \quad E t^2 = m + d",
            "Odd powers change their sign with y; given z, t has the variance |z|^2.",
            lambda: (_moments(_sides("shifted"), _sides("standard"))[1], _M + _D),
        ),
        Step(
            r"\text{MMD}^2[N(\mu, I), N(0, I)] = m^3 + 6 m^2 + 3 d m + 6 m + 3 (m^2 + 2 m + d) + 3 m + 3 d "
            r"- 6 (m + d) = m^3 + 9 m^2 + (9 + 3 d) m",
            "The moments are inserted into the first line; y.y' has the second moment d.",
            lambda: (_discrepancy("shifted"), _M**3 + 9 * _M**2 + (9 + 3 * _D) * _M),
        ),
    ),
    "engine-adam": (
        Step(
            r"m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \; m_0 = 0 \implies m_t = (1 - \beta_1) \sum_i "
            r"\beta_1^{t - i} g_i",
            "By induction: every gradient is multiplied by beta_1 once in each later step.",
            lambda: (_recursion(_BETA1, 1), _sum(_BETA1, 1)),
            kind="closed form",
        ),
        Step(
            r"v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 \implies v_t = (1 - \beta_2) \sum_i \beta_2^{t - "
            r"i} g_i^2",
            "The same recursion for the squares of the gradients.",
            lambda: (_recursion(_BETA2, 2), _sum(_BETA2, 2)),
            kind="closed form",
        ),
        Step(
            r"(1 - \beta) \sum_{i=1}^t \beta^{t - i} = 1 - \beta^t \implies \hat m_t = \frac{m_t}{1 - "
            r"\beta_1^t}, "
            r"\quad \hat v_t = \frac{v_t}{1 - \beta_2^t}",
            "The weights of a geometric series sum to less than 1; divided by their sum they are a mean.",
            lambda: (
                [(1 - beta) * sum(beta**i for i in range(6)) for beta in (_BETA1, _BETA2)],
                [1 - _BETA1**6, 1 - _BETA2**6],
            ),
            kind="closed form",
        ),
        Step(
            r"\Delta_t = \eta \frac{\hat m_t}{\sqrt{\hat v_t} + \varepsilon}, \quad "
            r"\hat m_t = \frac{1 - \beta_1}{1 - \beta_1^t} \sum_i \beta_1^{t - i} g_i, \quad "
            r"\hat v_t = \frac{1 - \beta_2}{1 - \beta_2^t} \sum_i \beta_2^{t - i} g_i^2",
            "The definition of the step, with both means inserted.",
            lambda: (_last_step(), _formula()),
            kind="closed form",
        ),
        Step(
            r"g_1 = \dots = g_t = g \implies \hat m_t = g, \; \hat v_t = g^2, \; \Delta_t = \frac{\eta "
            r"g}{|g| + "
            r"\varepsilon}",
            "A mean of equal numbers is that number, in the first step too.",
            lambda: (_last_step(constant=True), _LR * np.abs(_GRADIENTS[0]) / (np.abs(_GRADIENTS[0]) + _EPS)),
            kind="closed form",
        ),
    ),
    "engine-philox-normal": (
        Step(
            r"r = \sqrt{-2 \log (1 - u_1)}, \; \vartheta = 2 \pi u_2: \quad P(r \le \rho) = P(u_1 \le 1 - "
            r"e^{-\rho^2/2}) = 1 - e^{-\rho^2/2}",
            "The radius increases with u_1, which is uniform; u_1 < 1 keeps the logarithm finite.",
            lambda: (1 - np.exp(-0.5 * (_polar(_U) ** 2).sum(-1)), _U[:, 0]),
            kind="closed form",
        ),
        Step(
            r"\text{density of } (r, \vartheta) = \tfrac{1}{2 \pi}\, r\, e^{-r^2/2}",
            "The derivative of that probability; the angle is independent and uniform on [0, 2 pi).",
        ),
        Step(
            r"(n_1, n_2) = r (\cos \vartheta, \sin \vartheta): \quad \text{density} = \tfrac{1}{2 \pi} "
            r"e^{-(n_1^2 + n_2^2)/2} = \Bigl| \frac{\partial n}{\partial u} \Bigr|^{-1}",
            "The area element of polar coordinates is r; from the unit square, the density is the inverse "
            "of the "
            "Jacobian determinant.",
            lambda: (1 / _volume(), np.exp(-0.5 * (_polar(_U) ** 2).sum(-1)) / (2 * np.pi)),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"(n_1, n_2) = \sqrt{-2 \log(1 - u_1)} \, (\cos 2 \pi u_2, \ \sin 2 \pi u_2)",
            "This density is the product of two standard normal ones, so the two are independent.",
        ),
    ),
}
