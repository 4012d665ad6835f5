r"""Update q on a toy problem in one compiled loop over steps and starts, one posterior sample a step.

With :math:`z = \mu + s \epsilon`, :math:`s = e^l`, the mean :math:`u = f_1(z_1) f_2(z_2)` of the likelihood,
:math:`\tau = 1/\mathrm{sd}^2` and the residual :math:`r = \tau (x - u)`,

.. math:: b = r \nabla u, \qquad H = r \nabla^2 u - \tau \nabla u \nabla u^T, \qquad d = z - \epsilon/s - b,

the gradients in :math:`(\mu, l)` of one sample are

==================== ======================================== =============================================
method, loss         in the mean                              in the logarithm of the standard deviation
==================== ======================================== =============================================
KL, by definition    :math:`\mu - b`                          :math:`s^2 - 1 - s b \epsilon`
KL, as published     :math:`z - b`                            :math:`s (z - b) \epsilon - 1`
FD, reparametrised   :math:`c = d - H d`                      :math:`s c \epsilon + d \epsilon / s`
FD, z held fixed     :math:`d / s^2`                          :math:`2 d \epsilon / s`
==================== ======================================== =============================================

and those of the published Fisher divergence, which lacks the 1/2 of equation (5), are twice as large. The
objectives of the engine have the same gradients (``tests/test_fig2.py``); the loop takes a millionth of a
second for what they do in a call.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ....kernels.cpu.compilation import compiled
from ....kernels.cpu.optimizers import adam_row, sgd_row
from ....kernels.formulas.activations import ACTIVATIONS
from ....kernels.formulas.elementary import Formula, exp, formula
from ....layers.activations import Relu
from ....layers.compose import IDENTITY
from ....types import Array, Layer
from ...toy_layers import SharpSoftplus

_LINEAR, _RELU, _SOFTPLUS = range(3)
_KL, _MOVING, _FIXED = range(3)
#: Codes of the methods in the loop.
CODES = {"kl": _KL, "fisher-reparam": _MOVING, "fisher": _FIXED}
_softplus = ACTIVATIONS["softplus"]
_value, _slope, _curve = _softplus.value, _softplus.slope, cast(Formula, _softplus.curve)


def code(factor: Layer) -> tuple[int, float]:
    """Return the code and the sharpness by which the loop knows a factor of the mean.

    Raises
    ------
    TypeError
        If the loop does not know the layer.
    """
    if isinstance(factor, SharpSoftplus):
        return _SOFTPLUS, factor.sharpness
    if isinstance(factor, Relu):
        return _RELU, 1.0
    if factor is IDENTITY:
        return _LINEAR, 1.0
    raise TypeError(f"The loop of Figure 2 has no formula for {factor}: add it to its table of factors.")


@formula
def _factor(kind: int, a: float, z: float) -> Any:
    """Compute f, f' and f'' of a factor at z."""
    if kind == _SOFTPLUS:
        y = _value(a * z)
        slope = _slope(y)
        return y / a, slope, a * _curve(y) * slope
    if kind == _RELU and not z > 0:
        return 0.0 * z, 0.0, 0.0
    return z, 1.0, 0.0


@compiled
def advance(
    q: Array, m: Array, v: Array, eps: Array, corrections: Array, rates: Array, lr: float, adam: bool,
    method: int, published: bool, one: tuple[int, float], two: tuple[int, float], x: float, tau: float,
) -> None:  # fmt: skip
    """Update ``q (R, 4) = (mu_1, mu_2, l_1, l_2)`` once for each row of noise ``eps (T, R, 2)``, in place.

    ``m, v (R, 4)`` are Adam's moments, ``corrections (2, T)`` its ``1 - beta^t`` and ``rates (3,)`` its
    ``1 - beta1``, ``1 - beta2`` and epsilon.
    """
    g = np.empty(4)
    weight = 2.0 if published else 1.0
    for t in range(eps.shape[0]):
        for i in range(q.shape[0]):
            e1, e2 = eps[t, i, 0], eps[t, i, 1]
            s1, s2 = exp(q[i, 2]), exp(q[i, 3])
            z1, z2 = q[i, 0] + s1 * e1, q[i, 1] + s2 * e2
            f1, df1, ddf1 = _factor(one[0], one[1], z1)
            f2, df2, ddf2 = _factor(two[0], two[1], z2)
            u1, u2 = df1 * f2, f1 * df2
            r = tau * (x - f1 * f2)
            b1, b2 = r * u1, r * u2
            if method == _KL:
                if published:
                    g[0], g[1] = z1 - b1, z2 - b2
                    g[2], g[3] = s1 * g[0] * e1 - 1.0, s2 * g[1] * e2 - 1.0
                else:
                    g[0], g[1] = q[i, 0] - b1, q[i, 1] - b2
                    g[2], g[3] = s1 * s1 - 1.0 - s1 * b1 * e1, s2 * s2 - 1.0 - s2 * b2 * e2
            else:
                d1, d2 = z1 - e1 / s1 - b1, z2 - e2 / s2 - b2
                if method == _MOVING:
                    along = tau * (u1 * d1 + u2 * d2)
                    mixed = r * df1 * df2
                    c1 = d1 - (r * ddf1 * f2 * d1 + mixed * d2 - along * u1)
                    c2 = d2 - (mixed * d1 + r * f1 * ddf2 * d2 - along * u2)
                    g[0], g[1] = weight * c1, weight * c2
                    g[2] = weight * (s1 * c1 + d1 / s1) * e1
                    g[3] = weight * (s2 * c2 + d2 / s2) * e2
                else:
                    g[0], g[1] = weight * d1 / (s1 * s1), weight * d2 / (s2 * s2)
                    g[2], g[3] = weight * 2.0 * d1 * e1 / s1, weight * 2.0 * d2 * e2 / s2
            if adam:
                adam_row(
                    q[i],
                    g,
                    m[i],
                    v[i],
                    lr,
                    corrections[0, t],
                    corrections[1, t],
                    rates[0],
                    rates[1],
                    rates[2],
                )
            else:
                sgd_row(q[i], g, lr)
