r"""Two estimators of :math:`|E_q v|^2` from S samples.

Each is given as coefficients of :math:`\overline{|v|^2}` and :math:`|\bar v|^2`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from ..errors import ConfigError

SquaredMean: TypeAlias = Literal["u-statistic", "biased"]


def squared_mean(estimator: SquaredMean, samples: int) -> tuple[float, float]:
    r"""``(c_each, c_mean)``.

    The biased estimator is :math:`|\bar v|^2`; the u-statistic is
    :math:`(|\sum v_i|^2 - \sum |v_i|^2) / (S (S-1)) = (S |\bar v|^2 - \overline{|v|^2}) / (S-1)`.

    Raises
    ------
    ConfigError
        If the u-statistic is asked for with one sample.
    """
    if estimator == "biased":
        return 0.0, 1.0
    if samples < 2:
        raise ConfigError(
            "The u-statistic needs at least 2 posterior samples: raise --samples or use biased."
        )
    return -1.0 / (samples - 1), samples / (samples - 1)
