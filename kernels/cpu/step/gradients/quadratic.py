"""Gradients on a tile of the learning objectives that are a quadratic form of the residuals."""

from __future__ import annotations

from typing import Any

from vsmnp.types.arrays import Array

from ....formulas.kl_weight import weight_at
from ...sums import total, total_squares
from ...views import row_of, run_of
from ..perceptron import backward, input_cotangent
from ..records import ELBO, TRAINING
from ..sample import clear_padding, decode, encode, kl_sum, sample_z, scale
from ..stages import stage
from .through_q import through_q


@stage
def scores(tile: Any, phi: Array) -> None:
    """Compute ``s^q`` of all samples, one backward sweep of the encoder per sample."""
    at, planes = tile.at[0], tile.planes
    width, d_z = at.width, at.d_z
    one = planes.dtype.type(1)
    for j in range(at.samples):
        for z in range(d_z):
            amu, arho = row_of(planes, at.features + z), row_of(planes, at.features + d_z + z)
            s, ds, eps = (
                row_of(planes, at.s + z),
                row_of(planes, at.ds + z),
                run_of(planes, at.eps + z, j * width, width),
            )
            for i in range(width):
                inverse = one / s[i]
                amu[i] = eps[i] * inverse
                arho[i] = (eps[i] * eps[i] - one) * inverse * ds[i]
        backward(tile, tile.encoder, phi, at.features, phi, False, True, width)
        score = input_cotangent(tile.encoder)
        for d in range(at.d_x):
            source, target = row_of(planes, score + d), run_of(planes, at.s_q + d, j * width, width)
            for i in range(width):
                target[i] = source[i]


@stage
def mix(
    tile: Any, form: Array, crosses: int, to_square: float, to_cross: float, rows: int, sums: Array
) -> None:
    """Compute the cotangent of g, and add the terms of the sample means and of ``s^q`` to the sums."""
    at, planes, real = tile.at[0], tile.planes, tile.planes.dtype.type
    width, samples = at.width, at.samples
    c_each, c_mean, d_each, d_mean = real(form[0]), real(form[1]), real(form[2]), real(form[3])
    per_sample, square_weight, cross_weight = real(1.0 / samples), real(to_square), real(to_cross)
    e_mean, q_mean = run_of(planes, at.work, 0, width), run_of(planes, at.work + 1, 0, width)
    cross = run_of(planes, at.work + 2, 0, width)
    for d in range(at.d_x):
        for i in range(width):
            e_mean[i], q_mean[i], cross[i] = 0, 0, 0
        for j in range(samples):
            e, q = (
                run_of(planes, at.residual + d, j * width, width),
                run_of(planes, at.s_q + d, j * width, width),
            )
            for i in range(width):
                e_mean[i] += per_sample * e[i]
            if crosses:
                for i in range(width):
                    q_mean[i] += per_sample * q[i]
                    cross[i] += per_sample * q[i] * e[i]
        sums[0] += form[1] * total_squares(e_mean)
        if crosses:
            for i in range(width):
                cross[i] = d_each * cross[i] + d_mean * q_mean[i] * e_mean[i]
            sums[1] += total(run_of(planes, at.work + 2, 0, rows))
        for j in range(samples):
            e, q = (
                run_of(planes, at.residual + d, j * width, width),
                run_of(planes, at.s_q + d, j * width, width),
            )
            gy = run_of(planes, at.cotangent + d, j * width, width)
            for i in range(width):
                gy[i] = square_weight * (c_each * e[i] + c_mean * e_mean[i])
            if crosses:
                for i in range(width):
                    gy[i] += cross_weight * (d_each * q[i] + d_mean * q_mean[i])
    clear_padding(tile, at.cotangent, at.d_x, rows, samples)


@stage
def quadratic(
    tile: Any, phi: Array, theta: Array, x: Array, noise: Any, tau: float, row: int, rows: int, plan: Any,
    pass_index: int, want_phi: int, dphi: Array, means: Array, g: Array, other: Array, sums: Array,
) -> None:  # fmt: skip
    """Add the gradient of the ELBO, M1, M2 or M3 by the pass's form, and sums of a, h and KL[q || p].

    That in phi is added to ``other`` if it is wanted.
    """
    at, batch = tile.at[0], x.shape[0]
    width, samples, form = at.width, at.samples, row_of(plan.forms, pass_index)
    crosses = form[2] != 0.0 or form[3] != 0.0
    w_square, w_cross = (tau, 0.0) if plan.kind == ELBO else (tau * tau, tau)
    encode(tile, phi, x, row, rows)
    sample_z(tile, noise, row, rows)
    if plan.kind == ELBO:
        kl_sum(tile, rows)
        sums[2] += tile.found[0]
    if crosses:
        scores(tile, phi)
    decode(tile, theta, rows)
    sums[0] += form[0] * tile.found[0] / samples
    if crosses or form[1] != 0.0:
        mix(tile, form, crosses, w_square / (batch * samples), w_cross / (batch * samples), rows, sums)
    else:
        scale(tile, at.residual, at.d_x, w_square * form[0] / (batch * samples), at.cotangent)
    if pass_index == TRAINING:
        backward(tile, tile.decoder, theta, at.cotangent, g, True, want_phi, samples * width)
        if want_phi:
            prior = plan.has_prior * weight_at(plan.kl_weight, plan.kl_warmup, noise.step) / batch
            through_q(tile, phi, rows, prior, form, w_cross / (batch * samples), other)
