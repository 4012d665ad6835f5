"""Gradients on a tile of the learning objectives that are one quadratic form."""

from __future__ import annotations

import math
from typing import Any

from vsmnp.arrays import Array

from .cpu_compile import compiled
from .cpu_network import backward
from .cpu_parts import begin, noise_of
from .cpu_sums import total
from .cpu_tiles import (
    COTANGENT,
    D_X,
    D_Z,
    DS,
    EPS,
    FEATURES,
    HERE,
    RESIDUAL,
    S_Q,
    SAMPLES,
    THERE,
    WIDTH,
    WORK,
    S,
    blank,
    decode,
    encode,
    kl_sum,
    place,
)


@compiled
def scores(tile: Any, phi: Array, g: Array) -> None:
    """``s^q`` of all samples: one backward sweep of the encoder a sample."""
    at, planes = tile.at, tile.planes
    width, d_z = at[WIDTH], at[D_Z]
    one = planes.dtype.type(1)
    for j in range(at[SAMPLES]):
        columns = slice(j * width, (j + 1) * width)
        for z in range(d_z):
            amu, arho = planes[at[FEATURES] + z], planes[at[FEATURES] + d_z + z]
            s, ds, eps = planes[at[S] + z], planes[at[DS] + z], planes[at[EPS] + z, columns]
            for i in range(width):
                inverse = one / s[i]
                amu[i] = eps[i] * inverse
                arho[i] = (eps[i] * eps[i] - one) * inverse * ds[i]
        score = backward(tile, tile.encoder, phi, at[FEATURES], at[HERE], at[THERE], g, False, True, width)
        for d in range(at[D_X]):
            source, target = planes[score + d], planes[at[S_Q] + d, columns]
            for i in range(width):
                target[i] = source[i]


@compiled
def quadratic(
    tile: Any, phi: Array, theta: Array, x: Array, source: Any, l: float, tiles: int, low: int, high: int,
    room: Any, form: Array, elbo: bool, wanted: bool,
) -> None:  # fmt: skip
    """Parts of the ELBO, M1, M2 or M3, by their form ``(c_each, c_mean, d_each, d_mean)``.

    Sums of ``a``, ``h`` and KL[q || p] over the samples; the gradient in theta only if it is ``wanted``.
    """
    at, planes, batch, real = tile.at, tile.planes, x.shape[0], x.dtype.type
    width, samples = at[WIDTH], at[SAMPLES]
    c_each, c_mean, d_each, d_mean = real(form[0]), real(form[1]), real(form[2]), real(form[3])
    crosses = form[2] != 0.0 or form[3] != 0.0
    tau = math.exp(-2 * l)
    w_square, w_cross = (tau, 0.0) if elbo else (tau * tau, tau)
    noise = noise_of(source)
    for p in range(low, high):
        g, sums = room.parts[p], room.sums[p]
        for first in begin(room, tile, tiles, p, batch):
            rows = min(tile.at[WIDTH], batch - first)
            encode(tile, phi, x, first, rows)
            place(tile, noise, batch, first, rows)
            sums[2] += kl_sum(tile, rows)
            if crosses:
                scores(tile, phi, g)
            decode(tile, theta, rows)
            per_sample = real(1.0 / samples)
            to_square, to_cross = real(w_square / (batch * samples)), real(w_cross / (batch * samples))
            e_mean, square = planes[at[WORK], :width], planes[at[WORK] + 1, :width]
            q_mean, cross = planes[at[WORK] + 2, :width], planes[at[WORK] + 3, :width]
            for d in range(at[D_X]):
                for i in range(width):
                    e_mean[i], square[i], q_mean[i], cross[i] = 0, 0, 0, 0
                for j in range(samples):
                    columns = slice(j * width, (j + 1) * width)
                    e, q = planes[at[RESIDUAL] + d, columns], planes[at[S_Q] + d, columns]
                    for i in range(width):
                        e_mean[i] += e[i]
                        square[i] += e[i] * e[i]
                    if crosses:
                        for i in range(width):
                            q_mean[i] += q[i]
                            cross[i] += q[i] * e[i]
                for i in range(width):
                    e_mean[i] *= per_sample
                    square[i] = c_each * per_sample * square[i] + c_mean * e_mean[i] * e_mean[i]
                sums[0] += total(square[:rows])
                if crosses:
                    for i in range(width):
                        q_mean[i] *= per_sample
                        cross[i] = d_each * per_sample * cross[i] + d_mean * q_mean[i] * e_mean[i]
                    sums[1] += total(cross[:rows])
                for j in range(samples):
                    columns = slice(j * width, (j + 1) * width)
                    e, q = planes[at[RESIDUAL] + d, columns], planes[at[S_Q] + d, columns]
                    gy = planes[at[COTANGENT] + d, columns]
                    for i in range(width):
                        gy[i] = to_square * (c_each * e[i] + c_mean * e_mean[i])
                    if crosses:
                        for i in range(width):
                            gy[i] += to_cross * (d_each * q[i] + d_mean * q_mean[i])
            if wanted:
                blank(tile, at[COTANGENT], at[D_X], rows, samples)
                backward(
                    tile,
                    tile.decoder,
                    theta,
                    at[COTANGENT],
                    at[HERE],
                    at[THERE],
                    g,
                    True,
                    False,
                    samples * width,
                )
