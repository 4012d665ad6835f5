r"""Compare models that share a seed: paired intervals corrected for their number, and medians with intervals.

The differences :math:`\Delta_r` of a loss between two models of seed r can span five orders of magnitude, so
their mean and variance are taken on the scale

.. math:: y_r = \operatorname{asinh}(\Delta_r / m),

which is linear below the margin m and logarithmic above it. A Student t interval of :math:`E\,y`, with R - 1
degrees of freedom, is mapped back to the unit of the loss. A family of comparisons with the hypotheses
:math:`E\,y = \operatorname{asinh}(1)`, a difference of m, is corrected by Holm's step-down method, and each
interval has the level at which its hypothesis was tested: it excludes m if and only if the hypothesis is
rejected.

References
----------
Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ...types import Array

#: Probability that any hypothesis of a family is rejected wrongly, at most.
LEVEL = 0.05
#: Difference that stands for a model without a finite loss.
LARGEST = 1e6


@dataclass(frozen=True)
class Median:
    """The median of independent values with an interval between two order statistics."""

    value: float
    low: float
    high: float
    #: Probability that the interval of a continuous distribution covers its median.
    coverage: float


@dataclass(frozen=True)
class Interval:
    """The centre of paired differences on the scale of the module, with its corrected interval."""

    centre: float
    low: float
    high: float
    #: Probability of a t at least as large if the true difference is the margin; not corrected.
    p: float
    #: The level of the interval is 1 minus this.
    alpha: float


def median(values: Sequence[float], level: float = 1 - LEVEL) -> Median:
    r"""Compute the median and the narrowest symmetric order-statistic interval of at least that level.

    The interval :math:`[x_{(k)}, x_{(n + 1 - k)}]` covers the median with probability
    :math:`1 - 2 P(B < k)`, B binomial(n, 1/2). With few values even the range has less than ``level``;
    ``coverage`` says how much. Values that are not a number are left out.
    """
    from scipy.stats import binom

    x = np.sort(np.asarray(values, float))
    x = x[~np.isnan(x)]
    n = len(x)
    if n == 0:
        return Median(np.nan, np.nan, np.nan, 0.0)
    missed = [2 * float(binom.cdf(k - 1, n, 0.5)) for k in range(1, (n + 1) // 2 + 1)]
    k = max((k for k, out in enumerate(missed, 1) if 1 - out >= level), default=1)
    return Median(float(np.median(x)), float(x[k - 1]), float(x[n - k]), 1 - missed[k - 1])


def differences(of: Sequence[float], reference: Sequence[float]) -> Array:
    """Subtract the losses of the reference, seed by seed; a loss that is not finite counts as ``LARGEST``."""
    first, second = (np.asarray(each, float) for each in (of, reference))
    return _finite(first) - _finite(second)


def intervals(families: Sequence[Array], margin: float, level: float = LEVEL) -> list[Interval]:
    """Compute the corrected interval of each array of differences, which together are one family.

    With fewer than two differences an interval is unbounded. If all differences are equal it is that value.

    Parameters
    ----------
    families : sequence of Array
        Paired differences of each comparison, ``(R,)``.
    margin : float
        The difference that the hypotheses name, and the scale.
    level : float
        Probability of any wrong rejection, at most.
    """
    if not families:
        return []
    scaled = [np.arcsinh(np.asarray(each, float) / margin) for each in families]
    p = [_p_value(y, float(np.arcsinh(1.0))) for y in scaled]
    alphas = _holm_levels(p, level)
    return [_interval(y, each, alpha, margin) for y, each, alpha in zip(scaled, p, alphas, strict=True)]


@cache
def student_quantile(freedom: float, alpha: float = LEVEL) -> float:
    """Return the half width, in standard errors, of the two-sided interval of level ``1 - alpha``.

    ``freedom`` are the degrees of freedom of the standard error, one less than the number of values.
    """
    from scipy.stats import t

    return float(t.isf(alpha / 2, freedom))


def _holm_levels(p: Sequence[float], level: float) -> list[float]:
    """Return the level of each test: ``level / (m - rank)`` until one is not rejected, then that of this."""
    alphas, alpha = [0.0] * len(p), 0.0
    rejecting = True
    for rank, index in enumerate(np.argsort(p, kind="stable")):
        if rejecting:
            alpha = level / (len(p) - rank)
            rejecting = p[index] < alpha
        alphas[index] = alpha
    return alphas


def _p_value(y: Array, hypothesis: float) -> float:
    from scipy.stats import t

    if len(y) < 2:
        return 1.0
    centre, error = _moments(y)
    if error == 0:
        return 0.0 if centre != hypothesis else 1.0
    return float(2 * t.sf(abs(centre - hypothesis) / error, len(y) - 1))


def _interval(y: Array, p: float, alpha: float, margin: float) -> Interval:
    if len(y) < 2:
        centre = margin * float(np.sinh(y[0])) if len(y) else np.nan
        return Interval(centre, -np.inf, np.inf, p, alpha)
    centre, error = _moments(y)
    half = student_quantile(len(y) - 1, alpha) * error
    ends = margin * np.sinh(np.clip([centre, centre - half, centre + half], -50, 50))
    return Interval(float(ends[0]), float(ends[1]), float(ends[2]), p, alpha)


def _moments(y: Array) -> tuple[float, float]:
    """Return the mean and its standard error."""
    return float(y.mean()), float(y.std(ddof=1) / np.sqrt(len(y)))


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), LARGEST)
