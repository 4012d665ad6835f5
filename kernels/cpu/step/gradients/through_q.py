"""The gradient in phi of a learning objective on a tile, through the samples z and the score of q."""

from __future__ import annotations

from typing import Any

import numpy as np

from vsmnp.types.arrays import Array

from ...views import row_of, run_of
from ..perceptron import backward, input_cotangent
from ..stages import stage
from ..tile import TANGENT
from .inference import pathwise
from .score_gradient import score_features, score_gradient


@stage
def through_q(
    tile: Any, phi: Array, rows: int, kl_weight: float, form: Array, to_cross: float, g: Array
) -> None:
    """Add the gradient in phi after the decoder's backward sweep to its input.

    The gradient of the loss in ``s^q_j`` is ``y_j = to_cross (d_each e_j + d_mean mean(e))``, e = g - x.
    """
    at, planes, real = tile.at[0], tile.planes, tile.planes.dtype.type
    width, d_z, d_x, samples = at.width, at.d_z, at.d_x, at.samples
    pathwise(tile, input_cotangent(tile.decoder), 1.0, kl_weight, rows)
    backward(tile, tile.encoder, phi, at.features, g, True, False, width)
    if form[2] == 0.0 and form[3] == 0.0:
        return
    each, mean = real(to_cross * form[2]), real(to_cross * form[3] / samples)
    for d in range(d_x):  # the planes of s^q are used no more: the share of the mean goes to the first sample
        y_mean = run_of(planes, at.s_q + d, 0, width)
        for i in range(width):
            y_mean[i] = 0
        for j in range(samples):
            e = run_of(planes, at.residual + d, j * width, width)
            for i in range(width):
                y_mean[i] += mean * e[i]
    u, w = np.empty((d_z, width), planes.dtype), np.empty((d_z, width), planes.dtype)
    for j in range(samples):
        for z in range(d_z):
            eps = run_of(planes, at.eps + z, j * width, width)
            for i in range(width):
                u[z, i] = eps[i]
                w[z, i] = eps[i] * eps[i] - real(1)
        for d in range(d_x):
            e, y_mean = run_of(planes, at.residual + d, j * width, width), row_of(planes, at.s_q + d)
            y = row_of(planes, tile.encoder[0, TANGENT] + d)
            for i in range(width):
                y[i] = each * e[i] + y_mean[i]
        score_features(tile, u, w, rows)
        score_gradient(tile, phi, u, w, rows, False, 1.0, g)
