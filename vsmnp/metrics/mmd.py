r"""Maximum mean discrepancy between the aggregate posterior and the prior, with a cubic kernel.

The kernel :math:`(z \cdot z' + 1)^3` is the inner product of third tensor powers of
:math:`u = (z, 1)`, so with :math:`T = \sum_n u_n \otimes u_n \otimes u_n`

.. math:: \sum_{n,m} (z_n \cdot z'_m + 1)^3 = \langle T, T' \rangle ,

exactly, in a time linear in the number of samples, without a Gram matrix.

References
----------
Gretton, Borgwardt, Rasch, Schoelkopf, Smola, "A kernel two-sample test", JMLR 2012, equation (3).
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from ..types import Array
from .batches import Subject, host

#: Steps of the evaluation stream.
POSTERIOR_NOISE, PRIOR_NOISE = 4, 5


def cubic_mmd(a: Array, b: Array) -> float:
    r"""Compute the squared MMD of samples ``a (N, Z)`` and ``b (M, Z)``, excluding self-pairs.

    .. math:: \frac{\sum_{n \ne m} k(a_n, a_m)}{N(N-1)} + \frac{\sum_{n \ne m} k(b_n, b_m)}{M(M-1)}
              - \frac{2 \sum k(a_n, b_m)}{N M} .

    It is unbiased, so it can be negative.

    Raises
    ------
    DataError
        If a set has fewer than two samples.
    """
    if min(len(a), len(b)) < 2:
        raise DataError(f"An MMD needs at least 2 samples on either side, got {len(a)} and {len(b)}.")
    u, v = (np.column_stack([z, np.ones(len(z))]) for z in (a, b))
    uu = vv = uv = 0.0
    for u_axis, v_axis in zip(u.T, v.T, strict=True):  # one slice of T at a time: Z^2 numbers instead of Z^3
        t_u, t_v = (u * u_axis[:, None]).T @ u, (v * v_axis[:, None]).T @ v
        uu += float(np.vdot(t_u, t_u))
        vv += float(np.vdot(t_v, t_v))
        uv += float(np.vdot(t_u, t_v))
    return _unpaired(uu, u) + _unpaired(vv, v) - 2 * uv / (len(u) * len(v))


def _unpaired(total: float, u: Array) -> float:
    """Convert the sum of the kernel over all pairs to its mean over pairs of different samples."""
    itself = float(((u * u).sum(1) ** 3).sum())
    return (total - itself) / (len(u) * (len(u) - 1))


def latent_mmd(subject: Subject) -> Array:
    """Compute the squared MMD of one posterior sample per datum and as many prior draws, ``(R,)``.

    Raises
    ------
    DataError
        If there is a single datum.
    """
    k, model = subject.k, subject.model
    parts = [host(k, subject.draws(POSTERIOR_NOISE, batch, 1))[:, 0] for batch in subject.batches()]
    shape = (len(subject.x), model.d_z)
    drawn = host(k, model.posterior.prior(k, subject.noise(PRIOR_NOISE), shape, subject.phi.dtype))
    return np.array([cubic_mmd(a, b) for a, b in zip(np.concatenate(parts, axis=1), drawn, strict=True)])
