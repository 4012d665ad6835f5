"""Gradients of the inference objectives on a tile: KL, and the posterior Fisher divergence.

Each adds the tile's share of the gradient of the batch mean to ``g (P,)`` and the tile's loss sums to
``sums``; see ``stages.py`` for the arguments.
"""

from __future__ import annotations

from typing import Any

from vsmnp.types.arrays import Array

from ....formulas.kl_weight import weight_at
from ...sums import total
from ...views import row_of, run_of
from ..perceptron import (
    backward,
    backward_along,
    forward_along,
    input_cotangent,
    input_cotangent_along,
    outputs_along,
)
from ..sample import clear_padding, decode, encode, kl_sum, sample_z, scale
from ..stages import stage
from ..tile import PLANE, TANGENT


@stage
def pathwise(tile: Any, gz: int, to_sample: float, kl_weight: float, rows: int) -> None:
    """Write the cotangent of the encoder's output of ``<to_sample gz, z> + kl_weight KL[q || p]``."""
    at, planes, real = tile.at[0], tile.planes, tile.planes.dtype.type
    width, d_z = at.width, at.d_z
    one, weight, prior = real(1), real(to_sample), real(kl_weight)
    for z in range(d_z):
        gmu, grho = row_of(planes, at.features + z), row_of(planes, at.features + d_z + z)
        mu, s, ds = row_of(planes, at.mu + z), row_of(planes, at.s + z), row_of(planes, at.ds + z)
        for i in range(width):
            gmu[i] = prior * mu[i]
            grho[i] = prior * (s[i] - one / s[i])
        for j in range(at.samples):
            gz_j = run_of(planes, gz + z, j * width, width)
            eps = run_of(planes, at.eps + z, j * width, width)
            for i in range(width):
                each = weight * gz_j[i]
                gmu[i] += each
                grho[i] += each * eps[i]
        for i in range(width):
            grho[i] *= ds[i]
    clear_padding(tile, at.features, 2 * d_z, rows, 1)


@stage
def kl_cotangents(
    tile: Any, phi: Array, theta: Array, x: Array, noise: Any, tau: float, row: int, rows: int, plan: Any
) -> None:
    """Compute the cotangent of ``(mu, rho)`` of the loss of :func:`kl`, and the sum of ``|g - x|^2``.

    The cotangents of the decoder's layers are those of the loss times gamma and the number of samples.
    """
    at, batch, samples = tile.at[0], x.shape[0], tile.at[0].samples
    encode(tile, phi, x, row, rows)
    sample_z(tile, noise, row, rows)
    decode(tile, theta, rows)
    backward(tile, tile.decoder, theta, at.residual, theta, False, True, samples * at.width)
    weight = weight_at(plan.kl_weight, plan.kl_warmup, noise.step)
    pathwise(tile, input_cotangent(tile.decoder), tau / (batch * samples), weight / batch, rows)


@stage
def kl(
    tile: Any, phi: Array, theta: Array, x: Array, noise: Any, tau: float, row: int, rows: int, plan: Any,
    pass_index: int, want_phi: int, dphi: Array, means: Array, g: Array, other: Array, sums: Array,
) -> None:  # fmt: skip
    """Add the gradient of ``tau A/2 + weight KL[q || p]``, and sums of ``|g - x|^2`` and of KL."""
    at = tile.at[0]
    kl_cotangents(tile, phi, theta, x, noise, tau, row, rows, plan)
    sums[0] += tile.found[0]
    kl_sum(tile, rows)
    sums[1] += tile.found[0]
    backward(tile, tile.encoder, phi, at.features, g, True, False, at.width)


@stage
def gaps(tile: Any, theta: Array, rows: int, tau: float, covariance: int) -> None:
    """Compute ``b = J'(x - g)/gamma``, ``d = z - eps/s - b`` and the sum of ``|d|^2`` (to ``found``).

    With the weight by the ``covariance`` of q, the sum is that of ``|s d|^2``.
    """
    at, planes = tile.at[0], tile.planes
    width, d_z, samples = at.width, at.d_z, at.samples
    work = run_of(planes, at.work, 0, rows)
    real = work.dtype.type
    scale(tile, at.residual, at.d_x, -tau, at.cotangent)
    backward(tile, tile.decoder, theta, at.cotangent, theta, False, True, samples * width)
    scale(tile, input_cotangent(tile.decoder), d_z, 1.0, at.score)
    result, one = 0.0, real(1)
    for z in range(d_z):
        s = row_of(planes, at.s + z)
        for j in range(samples):
            place_j = run_of(planes, tile.decoder[0, PLANE] + z, j * width, rows)
            eps = run_of(planes, at.eps + z, j * width, rows)
            b, d = (
                run_of(planes, at.score + z, j * width, rows),
                run_of(planes, at.gap + z, j * width, rows),
            )
            for i in range(rows):
                d[i] = place_j[i] - eps[i] * (one / s[i]) - b[i]
                work[i] = d[i] * d[i]
            if covariance:
                for i in range(rows):
                    work[i] *= s[i] * s[i]
            result += total(work)
    clear_padding(tile, at.gap, d_z, rows, samples)
    tile.found[0] = result


@stage
def curvature(tile: Any, theta: Array, tau: float) -> None:
    """Compute ``H d``, H the Hessian of ``log p(x|z)`` in z, by the decoder's tangent sweeps for ``d``."""
    at = tile.at[0]
    cols = at.samples * at.width
    scale(tile, at.gap, at.d_z, 1.0, tile.decoder[0, TANGENT])
    forward_along(tile, tile.decoder, theta, cols)
    scale(tile, at.residual, at.d_x, -tau, at.cotangent)
    scale(tile, outputs_along(tile.decoder), at.d_x, -tau, at.s_q)
    backward_along(tile, tile.decoder, theta, at.cotangent, at.s_q, theta, theta, False, False, True, cols)


@stage
def gap_cotangent(
    tile: Any, rows: int, share: float, score_weight: float, follows: int, covariance: int
) -> None:
    """Write the cotangent of ``(mu, rho)`` of ``share |d|^2/2``: z held fixed, or with ``H d`` if z follows.

    If z follows phi, ``score_weight b`` is subtracted from the cotangent of z, the contribution of M1 to the
    joint divergence. With the weight by the ``covariance`` of q, z and the weight are held fixed.
    """
    at, planes, real = tile.at[0], tile.planes, tile.planes.dtype.type
    width, d_z = at.width, at.d_z
    one, two, weight, to_score = real(1), real(2), real(share), real(score_weight)
    hessian_d = input_cotangent_along(tile, tile.decoder)  # if z follows
    for z in range(d_z):
        gmu, grho = row_of(planes, at.features + z), row_of(planes, at.features + d_z + z)
        s, ds = row_of(planes, at.s + z), row_of(planes, at.ds + z)
        for i in range(width):
            gmu[i] = 0
            grho[i] = 0
        for j in range(at.samples):
            eps, d = (
                run_of(planes, at.eps + z, j * width, width),
                run_of(planes, at.gap + z, j * width, width),
            )
            b = run_of(planes, at.score + z, j * width, width)
            if follows:
                hd = run_of(planes, hessian_d + z, j * width, width)
                for i in range(width):
                    c = d[i] - hd[i] - to_score * b[i]
                    gmu[i] += c
                    grho[i] += (c + d[i] * (one / (s[i] * s[i]))) * eps[i]
            else:
                for i in range(width):
                    information = one if covariance else one / (s[i] * s[i])
                    gmu[i] += d[i] * information
                    grho[i] += two * d[i] * eps[i] * information
        for i in range(width):
            gmu[i] *= weight
            grho[i] *= weight * ds[i]
    clear_padding(tile, at.features, 2 * d_z, rows, 1)


@stage
def gap_cotangents(
    tile: Any, phi: Array, theta: Array, x: Array, noise: Any, tau: float, row: int, rows: int, plan: Any
) -> None:
    """Compute the cotangent of ``(mu, rho)`` of the loss of :func:`fisher`, and the sum of its squares."""
    batch = x.shape[0]
    encode(tile, phi, x, row, rows)
    sample_z(tile, noise, row, rows)
    decode(tile, theta, rows)
    gaps(tile, theta, rows, tau, plan.covariance)
    if plan.follows:
        curvature(tile, theta, tau)
    share = plan.weight / (batch * tile.at[0].samples)
    gap_cotangent(tile, rows, share, 0.0, plan.follows, plan.covariance)


@stage
def fisher(
    tile: Any, phi: Array, theta: Array, x: Array, noise: Any, tau: float, row: int, rows: int, plan: Any,
    pass_index: int, want_phi: int, dphi: Array, means: Array, g: Array, other: Array, sums: Array,
) -> None:  # fmt: skip
    """Add the gradient of ``weight |d|^2/2``, z fixed or following phi, and its sum (see :func:`gaps`)."""
    gap_cotangents(tile, phi, theta, x, noise, tau, row, rows, plan)
    sums[0] += tile.found[0]
    backward(tile, tile.encoder, phi, tile.at[0].features, g, True, False, tile.at[0].width)
