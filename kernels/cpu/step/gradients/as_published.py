"""Gradients on a tile of M2 and M3 as published, whose inner mean runs over the minibatch.

They are those of ``vsmnp/objectives/as_published.py``. A first pass computes the means of g - x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vsmnp.types.arrays import Array

from ....formulas.elementary import formula
from ...sums import total
from ...views import row_of, run_of
from ..perceptron import backward, input_cotangent
from ..records import OPTIMAL, SUMS, TRAINING
from ..sample import clear_padding, decode, encode, sample_z, scale
from ..stages import stage
from ..tile import TANGENT
from .inference import pathwise
from .score_gradient import score_features, score_gradient


@formula
def _fill(v: Array, value: float) -> None:
    for p in range(v.shape[0]):
        for i in range(v.shape[1]):
            v[p, i] = value


@stage
def published_score(tile: Any, phi: Array, rows: int) -> None:
    """Compute ``-grad_x sum log s(x)``, equal for all samples, in the planes of s^q of the first sample."""
    at, planes = tile.at[0], tile.planes
    u, w = np.empty((at.d_z, at.width), planes.dtype), np.empty((at.d_z, at.width), planes.dtype)
    _fill(u, 0.0)
    _fill(w, -1.0)
    score_features(tile, u, w, rows)
    backward(tile, tile.encoder, phi, at.features, phi, False, True, at.width)
    score = input_cotangent(tile.encoder)
    for d in range(at.d_x):
        source, target = row_of(planes, score + d), row_of(planes, at.s_q + d)
        for i in range(at.width):
            target[i] = source[i]


@stage
def through_published_score(tile: Any, phi: Array, rows: int, each: float, g: Array) -> None:
    """Add the gradient in phi of ``y . s^q``, ``y = each sum_j (g - x)_j``."""
    at, planes, width = tile.at[0], tile.planes, tile.at[0].width
    weight = planes.dtype.type(each)
    for d in range(at.d_x):
        y = row_of(planes, tile.encoder[0, TANGENT] + d)
        for i in range(width):
            y[i] = 0
        for j in range(at.samples):
            e = run_of(planes, at.residual + d, j * width, width)
            for i in range(width):
                y[i] += weight * e[i]
    u, w = np.empty((at.d_z, width), planes.dtype), np.empty((at.d_z, width), planes.dtype)
    _fill(u, 0.0)
    _fill(w, -1.0)
    score_features(tile, u, w, rows)
    score_gradient(tile, phi, u, w, rows, False, 1.0, g)


@stage
def as_published(
    tile: Any, phi: Array, theta: Array, x: Array, noise: Any, tau: float, row: int, rows: int, plan: Any,
    pass_index: int, want_phi: int, dphi: Array, means: Array, g: Array, other: Array, sums: Array,
) -> None:  # fmt: skip
    """Add sums of a and h, and in the first pass sums of g - x, in the second the gradient by their means.

    That in phi is added to ``other`` if it is wanted.
    """
    at, planes, batch, real = tile.at[0], tile.planes, x.shape[0], x.dtype.type
    width, samples, d_x, form = at.width, at.samples, at.d_x, row_of(plan.forms, pass_index)
    trains = pass_index == TRAINING
    crosses = form[2] != 0.0 and (trains or plan.gamma == OPTIMAL)
    encode(tile, phi, x, row, rows)
    sample_z(tile, noise, row, rows)
    if crosses:
        published_score(tile, phi, rows)
    decode(tile, theta, rows)
    sums[0] += form[0] * tile.found[0] / samples
    if crosses:
        work = run_of(planes, at.work, 0, rows)
        for d in range(d_x):
            q = row_of(planes, at.s_q + d)
            for j in range(samples):
                e = run_of(planes, at.residual + d, j * width, rows)
                for i in range(rows):
                    work[i] = q[i] * e[i]
                sums[1] += form[2] * total(work) / samples
    if not trains:
        for j in range(samples):
            for d in range(d_x):
                sums[SUMS + j * d_x + d] += total(run_of(planes, at.residual + d, j * width, rows))
        return

    to_square, to_cross = tau * tau / (batch * samples), tau / (batch * samples)
    scale(tile, at.residual, d_x, to_square * form[0], at.cotangent)
    across = real(to_cross * form[2])
    for j in range(samples):
        for d in range(d_x):
            mean = means[j * d_x + d]
            sums[0] += form[1] * rows * mean * mean / samples
            gy, shift = run_of(planes, at.cotangent + d, j * width, width), real(to_square * form[1] * mean)
            for i in range(width):
                gy[i] += shift
            if crosses:
                q = row_of(planes, at.s_q + d)
                for i in range(width):
                    gy[i] += across * q[i]
    clear_padding(tile, at.cotangent, d_x, rows, samples)
    backward(tile, tile.decoder, theta, at.cotangent, g, True, want_phi, samples * width)
    if want_phi:
        pathwise(tile, input_cotangent(tile.decoder), 1.0, 0.0, rows)
        backward(tile, tile.encoder, phi, at.features, other, True, False, width)
        if crosses:
            through_published_score(tile, phi, rows, to_cross * form[2], other)
