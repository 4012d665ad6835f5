r"""The weight :math:`\beta` of the divergence in the negative ELBO, constant or raised linearly from 0.

.. math:: L_\beta = -E_q \log p(x|z) + \beta_u KL[q(z|x) || p(z)], \qquad \beta_u = \beta \min(1, u / W),

where u counts the updates and W is the length of the warm-up. Its gradient in theta does not contain the
weight, because neither q nor the prior depends on theta; with bi-level updates
(:mod:`vsmnp.objectives.bilevel`) q does, and the weight of the ELBO is in its gradient.
"""

from __future__ import annotations

from collections.abc import Mapping

from .arrays import Array

#: Name of the term ``(weight - 1) KL``.
WEIGHTING = "kl_weighting"


def is_weighted(kl_weight: float, kl_warmup: float) -> bool:
    """Return whether any update has another weight than 1."""
    return kl_weight != 1 or kl_warmup > 0


def weight_at(kl_weight: float, kl_warmup: float, update: int) -> float:
    """Compute the weight of update ``0, 1, ...`` for a warm-up of ``kl_warmup`` updates; 0: none."""
    return kl_weight * min(1.0, update / kl_warmup) if kl_warmup else kl_weight


def weighted(terms: Mapping[str, Array], weight: float) -> dict[str, Array]:
    """Append the term ``kl_weighting``, ``(weight - 1) KL``, to the terms of the true negative ELBO."""
    return {**terms, WEIGHTING: (weight - 1) * terms["kl"]}
