"""Both gradients of the Fisher autoencoder on a tile: a plain and a tangent sweep through each network.

Equations (6) and (8): ``|d|^2/2 + tau^2 |e|^2/2 - tau d_x + |s^q|^2/2``. The sweeps are those of
``vsmnp/objectives/joint_fisher.py`` and ``score_norm.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vsmnp.types.arrays import Array

from ....formulas.elementary import formula
from ...sums import total
from ...views import row_of, run_of
from ..perceptron import backward, backward_along, forward_along, input_cotangent, outputs_along
from ..records import NoiseKey
from ..sample import clear_padding, decode, draw, encode, sample_z, scale
from ..stages import stage
from ..tile import TANGENT
from .inference import curvature, gap_cotangent, gaps
from .score_gradient import score_features, score_gradient


@formula
def _directions(
    tile: Any, probe: Any, by_probe: bool, low: int, rows: int, j: int, u: Array, w: Array
) -> None:
    """Write ``(u, w)`` of sample j, ``(Z, .)``: ``(eps, eps^2 - 1)``, or signs ``(eta_1, sqrt(2) eta_2)``."""
    at, planes = tile.at[0], tile.planes
    width, d_z, real = at.width, at.d_z, planes.dtype.type
    if by_probe:
        draw(tile, probe, j * probe.batch + low, rows, 2 * d_z, True, at.even, 1)
        clear_padding(tile, at.even, 2 * d_z, rows, 1)
        root = real(math.sqrt(2.0))
        for z in range(d_z):
            for i in range(width):
                u[z, i] = planes[at.even + z, i]
                w[z, i] = root * planes[at.even + d_z + z, i]
        return
    for z in range(d_z):
        eps = run_of(planes, at.eps + z, j * width, width)
        for i in range(width):
            u[z, i] = eps[i]
            w[z, i] = eps[i] * eps[i] - real(1)


@stage
def score_norm(
    tile: Any, phi: Array, probe: Any, by_probe: int, follows: int, low: int, rows: int, batch: int,
    wanted: int, g: Array,
) -> None:  # fmt: skip
    """Compute the sum of ``|s^q|^2`` over the tile's samples, and the gradient of half its mean if wanted."""
    at, planes = tile.at[0], tile.planes
    width, d_z, d_x = at.width, at.d_z, at.d_x
    share = 1.0 / (batch * at.samples)
    u, w = np.empty((d_z, width), planes.dtype), np.empty((d_z, width), planes.dtype)
    work = run_of(planes, at.work, 0, rows)
    result = 0.0
    for j in range(at.samples):
        _directions(tile, probe, by_probe, low, rows, j, u, w)
        score_features(tile, u, w, rows)
        backward(tile, tile.encoder, phi, at.features, g, False, True, width)
        s_q = input_cotangent(tile.encoder)
        for d in range(d_x):
            score = row_of(planes, s_q + d)
            for i in range(rows):
                work[i] = score[i] * score[i]
            result += total(work)
        if wanted:
            scale(tile, s_q, d_x, 1.0, tile.encoder[0, TANGENT])
            score_gradient(tile, phi, u, w, rows, not (by_probe or follows), share, g)
    tile.found[0] = result


@stage
def joint_inference(
    tile: Any, phi: Array, theta: Array, x: Array, noise: Any, tau: float, row: int, rows: int, plan: Any,
    pass_index: int, want_phi: int, dphi: Array, means: Array, g: Array, other: Array, sums: Array,
) -> None:  # fmt: skip
    """Add the gradient in phi, and sums of ``|d|^2``, ``|e|^2`` and ``|s^q|^2`` over the samples."""
    batch = x.shape[0]
    encode(tile, phi, x, row, rows)
    sample_z(tile, noise, row, rows)
    decode(tile, theta, rows)
    sums[1] += tile.found[0]
    gaps(tile, theta, rows, tau, False)
    sums[0] += tile.found[0]
    if plan.follows:
        curvature(tile, theta, tau)
    gap_cotangent(tile, rows, 1.0 / (batch * tile.at[0].samples), tau, plan.follows, False)
    backward(tile, tile.encoder, phi, tile.at[0].features, g, True, False, tile.at[0].width)
    probe = NoiseKey(noise.seed, plan.probe, noise.step, noise.first, noise.batch)
    score_norm(tile, phi, probe, plan.by_probe, plan.follows, row, rows, batch, True, g)
    sums[2] += tile.found[0]


@stage
def joint_learning(
    tile: Any, phi: Array, theta: Array, x: Array, noise: Any, tau: float, row: int, rows: int, plan: Any,
    pass_index: int, want_phi: int, dphi: Array, means: Array, g: Array, other: Array, sums: Array,
) -> None:  # fmt: skip
    """Add the gradient in theta except l, in two parts ``tau other + g``, and the sums.

    The sums over the samples are those of :func:`joint_inference`, and that of ``d . b``.
    """
    at, planes, batch = tile.at[0], tile.planes, x.shape[0]
    width, samples = at.width, at.samples
    encode(tile, phi, x, row, rows)
    sample_z(tile, noise, row, rows)
    decode(tile, theta, rows)
    sums[1] += tile.found[0]
    gaps(tile, theta, rows, tau, False)
    sums[0] += tile.found[0]
    work = run_of(planes, at.work, 0, rows)
    for z in range(at.d_z):
        for j in range(samples):
            d, b = (
                run_of(planes, at.gap + z, j * width, rows),
                run_of(planes, at.score + z, j * width, rows),
            )
            for i in range(rows):
                work[i] = d[i] * b[i]
            sums[3] += total(work)
    scale(tile, at.gap, at.d_z, 1.0, tile.decoder[0, TANGENT])
    forward_along(tile, tile.decoder, theta, samples * width)
    share = tau / (batch * samples)
    scale(tile, at.residual, at.d_x, share, at.cotangent)
    scale(tile, outputs_along(tile.decoder), at.d_x, share, at.s_q)
    backward_along(
        tile, tile.decoder, theta, at.cotangent, at.s_q, other, g, True, True, False, samples * width
    )
    probe = NoiseKey(noise.seed, plan.probe, noise.step, noise.first, noise.batch)
    score_norm(tile, phi, probe, plan.by_probe, False, row, rows, batch, False, phi)
    sums[2] += tile.found[0]
