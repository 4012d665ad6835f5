"""Gradients of the inference objectives on a tile: KL, and the posterior Fisher divergence.

Each adds its share of the gradient of the mean over the batch to ``g (P,)`` and its sums to ``sums``.
"""

from __future__ import annotations

import math
from typing import Any

from vsmnp.arrays import Array

from .cpu_compile import compiled
from .cpu_network import PLANE, TANGENT, backward, backward_along, push
from .cpu_parts import begin, noise_of
from .cpu_sums import total
from .cpu_tiles import (
    COTANGENT,
    D_X,
    D_Z,
    DS,
    EPS,
    FEATURES,
    GAP,
    HERE,
    MU,
    RESIDUAL,
    S_Q,
    SAMPLES,
    SCORE,
    THERE,
    WIDTH,
    WORK,
    S,
    blank,
    decode,
    encode,
    kl_sum,
    place,
    scaled,
)


@compiled
def kl(
    tile: Any, phi: Array, theta: Array, x: Array, source: Any, l: float, tiles: int, low: int, high: int,
    room: Any,
) -> None:  # fmt: skip
    """Parts of ``tau A/2 + KL[q || p]``; sums of ``|g - x|^2`` over the samples and of KL."""
    at, planes, batch, real = tile.at, tile.planes, x.shape[0], x.dtype.type
    width, d_z, samples = at[WIDTH], at[D_Z], at[SAMPLES]
    tau = math.exp(-2 * l)
    noise = noise_of(source)
    for p in range(low, high):
        g, sums = room.parts[p], room.sums[p]
        for first in begin(room, tile, tiles, p, batch):
            rows = min(tile.at[WIDTH], batch - first)
            encode(tile, phi, x, first, rows)
            place(tile, noise, batch, first, rows)
            sums[0] += decode(tile, theta, rows)
            sums[1] += kl_sum(tile, rows)
            scaled(tile, at[RESIDUAL], at[D_X], real(tau / (batch * samples)), at[COTANGENT])
            gz = backward(
                tile, tile.decoder, theta, at[COTANGENT], at[HERE], at[THERE], g, False, True, samples * width
            )
            share, one = real(1.0 / batch), real(1)
            for z in range(d_z):
                gmu, grho = planes[at[FEATURES] + z], planes[at[FEATURES] + d_z + z]
                mu, s, ds = planes[at[MU] + z], planes[at[S] + z], planes[at[DS] + z]
                for i in range(width):
                    gmu[i] = share * mu[i]
                    grho[i] = share * (s[i] - one / s[i])
                for j in range(samples):
                    gz_j = planes[gz + z, j * width : (j + 1) * width]
                    eps = planes[at[EPS] + z, j * width : (j + 1) * width]
                    for i in range(width):
                        gmu[i] += gz_j[i]
                        grho[i] += gz_j[i] * eps[i]
                for i in range(width):
                    grho[i] *= ds[i]
            blank(tile, at[FEATURES], 2 * d_z, rows, 1)
            backward(tile, tile.encoder, phi, at[FEATURES], at[HERE], at[THERE], g, True, False, width)


@compiled
def gaps(tile: Any, theta: Array, rows: int, tau: float, g: Array) -> float:
    """``b = J'(x - g)/gamma`` and ``d = z - eps/s - b`` into their planes, and the sum of ``|d|^2``."""
    at, planes = tile.at, tile.planes
    width, d_z, samples = at[WIDTH], at[D_Z], at[SAMPLES]
    work = planes[at[WORK], :rows]
    real = work.dtype.type
    scaled(tile, at[RESIDUAL], at[D_X], real(-tau), at[COTANGENT])
    score = backward(
        tile, tile.decoder, theta, at[COTANGENT], at[HERE], at[THERE], g, False, True, samples * width
    )
    scaled(tile, score, d_z, real(1), at[SCORE])
    result, one = 0.0, real(1)
    for z in range(d_z):
        s = planes[at[S] + z]
        for j in range(samples):
            columns = slice(j * width, j * width + rows)
            place_j, eps = planes[tile.decoder[0, PLANE] + z, columns], planes[at[EPS] + z, columns]
            b, d = planes[at[SCORE] + z, columns], planes[at[GAP] + z, columns]
            for i in range(rows):
                d[i] = place_j[i] - eps[i] * (one / s[i]) - b[i]
                work[i] = d[i] * d[i]
            result += total(work)
    blank(tile, at[GAP], d_z, rows, samples)
    return result


@compiled
def curvature(tile: Any, theta: Array, tau: float, g: Array) -> int:
    """``H d``, H the Hessian of ``log p(x|z)`` in z: the decoder's backward sweep along ``dz = d``."""
    at, real = tile.at, tile.planes.dtype.type
    cols = at[SAMPLES] * at[WIDTH]
    scaled(tile, at[GAP], at[D_Z], real(1), tile.decoder[0, TANGENT])
    dg = push(tile, tile.decoder, theta, at[HERE], cols)
    scaled(tile, at[RESIDUAL], at[D_X], real(-tau), at[COTANGENT])
    scaled(tile, dg, at[D_X], real(-tau), at[S_Q])
    turn = at[THERE] - at[HERE]
    return backward_along(
        tile, tile.decoder, theta, at[COTANGENT], at[S_Q], at[HERE], turn, g, g, False, False, True, cols
    )


@compiled
def pull_gap(
    tile: Any,
    phi: Array,
    rows: int,
    share: float,
    hessian_d: int,
    score_weight: float,
    follows: bool,
    g: Array,
) -> None:
    """The encoder's gradient of ``share |d|^2/2``: z held fixed, or with ``H d`` if z follows phi.

    What follows z may also lose ``score_weight b``, the share of M1 in the joint divergence.
    """
    at, planes, real = tile.at, tile.planes, tile.planes.dtype.type
    width, d_z = at[WIDTH], at[D_Z]
    one, two, weight, to_score = real(1), real(2), real(share), real(score_weight)
    for z in range(d_z):
        gmu, grho = planes[at[FEATURES] + z], planes[at[FEATURES] + d_z + z]
        s, ds = planes[at[S] + z], planes[at[DS] + z]
        for i in range(width):
            gmu[i] = 0
            grho[i] = 0
        for j in range(at[SAMPLES]):
            columns = slice(j * width, (j + 1) * width)
            eps, d, b = (
                planes[at[EPS] + z, columns],
                planes[at[GAP] + z, columns],
                planes[at[SCORE] + z, columns],
            )
            if follows:
                hd = planes[hessian_d + z, columns]
                for i in range(width):
                    c = d[i] - hd[i] - to_score * b[i]
                    gmu[i] += c
                    grho[i] += (c + d[i] * (one / (s[i] * s[i]))) * eps[i]
            else:
                for i in range(width):
                    information = one / (s[i] * s[i])
                    gmu[i] += d[i] * information
                    grho[i] += two * d[i] * eps[i] * information
        for i in range(width):
            gmu[i] *= weight
            grho[i] *= weight * ds[i]
    blank(tile, at[FEATURES], 2 * d_z, rows, 1)
    backward(tile, tile.encoder, phi, at[FEATURES], at[HERE], at[THERE], g, True, False, width)


@compiled
def fisher(
    tile: Any, phi: Array, theta: Array, x: Array, source: Any, l: float, tiles: int, low: int, high: int,
    room: Any, weight: float, follows: bool,
) -> None:  # fmt: skip
    """Parts of ``weight |d|^2/2``, z held fixed or following phi; the sum of ``|d|^2`` over the samples."""
    batch = x.shape[0]
    tau = math.exp(-2 * l)
    noise = noise_of(source)
    for p in range(low, high):
        g, sums = room.parts[p], room.sums[p]
        for first in begin(room, tile, tiles, p, batch):
            rows = min(tile.at[WIDTH], batch - first)
            encode(tile, phi, x, first, rows)
            place(tile, noise, batch, first, rows)
            decode(tile, theta, rows)
            sums[0] += gaps(tile, theta, rows, tau, g)
            hessian_d = curvature(tile, theta, tau, g) if follows else 0
            pull_gap(tile, phi, rows, weight / (batch * tile.at[SAMPLES]), hessian_d, 0.0, follows, g)
