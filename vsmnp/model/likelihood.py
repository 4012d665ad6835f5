r"""Gaussian densities, their scores and divergences: equations (18) to (22) of the paper.

With :math:`\gamma = e^{2l}`, precision :math:`\tau = 1/\gamma` and residual :math:`e = g(z) - x`:

.. math::
    s^p(x|z) = \nabla_x \log N(x; g, \gamma I) = \tau e                                   \quad (18)

    |E_q s^p|^2 = \tau^2 |E_q e|^2, \quad E_q |s^p|^2 = \tau^2 E_q |e|^2            \quad (19, 20)

    \nabla_x \cdot s^p = -\tau d_x                                                        \quad (21)

    \min_{\tau > 0} \tau^2 a / 2 - \tau b = -b^2 / (2 a), \quad b > 0                    \quad (22)
"""

from __future__ import annotations

import numpy as np

from ..types import Array

LOG_2PI = float(np.log(2 * np.pi))


def precision(log_sd: Array) -> Array:
    """Compute the precision ``1 / gamma = exp(-2 l)``."""
    tau: Array = np.exp(-2 * log_sd)
    return tau


def log_likelihood(square: Array, log_sd: Array, d_x: int) -> Array:
    """Compute ``log N(x; g, gamma I)`` from ``|x - g|^2``, in nats."""
    value: Array = -0.5 * precision(log_sd) * square - d_x * (log_sd + 0.5 * LOG_2PI)
    return value


def log_normal(z: Array) -> Array:
    """Compute ``log N(z; 0, I)`` over the last axis, in nats."""
    value: Array = -0.5 * (z * z).sum(-1) - 0.5 * z.shape[-1] * LOG_2PI
    return value


def kl_to_normal(mu: Array, s: Array) -> Array:
    """Compute ``KL[N(mu, s^2) || N(0, I)]`` over the last axis, in nats: the second term of equation (1)."""
    value: Array = 0.5 * (mu * mu + s * s - 1).sum(-1) - np.log(s).sum(-1)
    return value


def score_matching_terms(a: Array, h: Array, tau: Array, d_x: int) -> dict[str, Array]:
    """Compute the terms of all score-matching objectives: ``tau^2 a/2``, ``tau h`` and ``-tau d_x``."""
    return {"score_square": 0.5 * tau**2 * a, "cross": tau * h, "divergence": -tau * d_x}
