"""Compute the metrics of the best constant decoder: what a model that has learned is better than."""

from __future__ import annotations

import math

import numpy as np

from ...types import Array


def one_gaussian(x: Array) -> dict[str, float]:
    """Compute the metrics of ``N(m, v I)`` fitted to ``x (N, D)``: those of the best constant decoder.

    The nll is ``D/2 log(2 pi e v)`` nats, the score-matching loss ``-D / (2 v)``, and the variance of the
    data ``D v``.
    """
    x, d = np.asarray(x, np.float64), x.shape[1]
    v = float(x.var(0).mean())
    return {
        "nll": 0.5 * d * math.log(2 * math.pi * math.e * v),
        "sm_loss": -0.5 * d / v,
        "decoder_variance": d * v,
    }
