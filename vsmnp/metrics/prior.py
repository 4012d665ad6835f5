r"""The likelihood and the score of a model, estimated from draws of its prior.

With :math:`z_i \sim p(z)` and :math:`w_i \propto p(x|z_i)`, :math:`\sum w_i = 1`,

.. math::
    \log p(x) = \log \tfrac1n \sum_i p(x|z_i), \qquad \nabla_x \log p(x) = \sum_i w_i s^p_i,

    \text{score-matching loss} = \tfrac12 |\nabla_x \log p|^2 + \nabla_x^2 \log p
        = \sum_i w_i |s^p_i|^2 - d_x / \gamma - \tfrac12 \Big| \sum_i w_i s^p_i \Big|^2 .

Both are consistent, not unbiased; they fail where no draw is close to x, as for images, which the
effective sample size shows. Section 5.1 of the paper evaluates in this way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.likelihood import LOG_2PI, precision
from ..rng import Stream
from ..settings.draws import PRIOR_DRAWS
from ..types import Array
from ..types.progress import Progress
from .batches import Subject, check_count, spans
from .importance import Weighted, WeightedSums


@dataclass(frozen=True)
class PriorEstimate:
    """Estimates for R models from prior draws, each ``(R,)``, float64.

    Attributes
    ----------
    nll, nll_se : Array
        Mean negative log-likelihood in nats, and its standard error over the test points.
    ess : Array
        Effective sample size, mean over the test points; estimates with less than about 100 are unreliable.
    sm_loss, sm_loss_se : Array
        Mean score-matching loss, and its standard error over the test points.
    """

    nll: Array
    nll_se: Array
    ess: Array
    sm_loss: Array
    sm_loss_se: Array


def prior_estimate(
    subject: Subject, draws: int = PRIOR_DRAWS, progress: Progress | None = None
) -> PriorEstimate:
    """Estimate the negative log-likelihood and the score-matching loss on a test set.

    Parameters
    ----------
    subject : Subject
        The models and the test set; ``phi`` is not used.
    draws : int
        Number of draws from the prior, the same for all x; they are streamed, so that memory does not grow
        with them.
    progress : callable, optional
        Called with the number of draws done and their total.

    Raises
    ------
    ConfigError
        If there is no draw.
    """
    sums, tau = _weighted(subject, draws, progress)
    score = tau[..., None] * sums.residual
    loss = tau**2 * sums.square - tau * subject.model.d_x - 0.5 * (score * score).sum(-1)
    nll, nll_se = _mean_and_error(-_log_p(sums, subject))
    sm_loss, sm_loss_se = _mean_and_error(loss)
    return PriorEstimate(nll, nll_se, sums.ess.mean(1), sm_loss, sm_loss_se)


def log_prob_and_score(subject: Subject, draws: int = PRIOR_DRAWS) -> tuple[Array, Array]:
    """Estimate ``log p(x)`` in nats ``(R, N)`` and ``grad_x log p(x)`` ``(R, N, D)``, both float64.

    Parameters, errors and draws are those of :func:`prior_estimate`.
    """
    sums, tau = _weighted(subject, draws, None)
    return _log_p(sums, subject), tau[..., None] * sums.residual


def _weighted(subject: Subject, draws: int, progress: Progress | None) -> tuple[Weighted, Array]:
    """Return the sums over all draws and each model's precision ``(R, 1)``."""
    check_count("prior draws", draws)
    k, model, theta, tau = subject.k, subject.model, subject.theta, precision(subject.log_sd)
    sums = WeightedSums(k, subject.x, tau)
    for chunk in spans(draws, subject.rows_per_pass):
        shape, first = (1, chunk.stop - chunk.start, model.d_z), chunk.start * model.d_z
        z = model.posterior.prior(k, subject.key.on(Stream.PRIOR), shape, theta.dtype, first)
        sums.add(model.decode(k, theta, z)[0][:, 0])
        if progress is not None:
            progress(chunk.stop, draws)
    return sums.result(), tau[:, None]


def _log_p(sums: Weighted, subject: Subject) -> Array:
    return np.asarray(sums.log_mean - subject.model.d_x * (subject.log_sd[:, None] + 0.5 * LOG_2PI))


def _mean_and_error(values: Array) -> tuple[Array, Array]:
    """Compute the mean over the test points of ``(R, N)``, and its standard error; NaN for a single point."""
    n = values.shape[1]
    if n == 1:
        return values[:, 0], np.full(len(values), np.nan)
    return values.mean(1), values.std(1, ddof=1) / np.sqrt(n)
