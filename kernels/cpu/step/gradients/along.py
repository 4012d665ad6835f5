"""The derivatives of the inference gradients along a direction of phi, on a tile: KL, and posterior Fisher.

They are those of ``gradient_along`` in ``vsmnp/objectives/kl.py`` and ``posterior_fisher.py``. The derivative
of the gradient in theta is added to ``g``, that of the gradient in phi, if it is wanted, to ``other``; the
arguments are explained in ``stages.py``. What the update has computed is read where its tile is kept, and is
computed again where it is not: the values and the cotangents of all layers. Results of products of few
inputs are always computed again.

The cotangents of the decoder's layers are those of the loss times a constant. The direction of z is divided
by that constant, so that the tangents of these cotangents are those of the loss itself.
"""

from __future__ import annotations

from typing import Any

from vsmnp.types.arrays import Array

from ....formulas.kl_weight import weight_at
from ...llvm import call_with_pointers
from ...sums import total
from ...views import row_of, run_of
from ..inner_loops import CURVE
from ..perceptron import (
    backward,
    forward_again,
    forward_along,
    input_cotangent,
    input_cotangent_along,
    loop_of,
    outputs_along,
)
from ..sample import clear_padding, residuals, scale
from ..stages import stage
from ..tile import TANGENT
from ..weight_tangents import forward_along_weights, tangent_of_backward
from .inference import gap_cotangents, kl_cotangents


@stage
def q_along(tile: Any, phi: Array, dphi: Array) -> None:
    """Compute the tangents of mu and s along ``dphi`` in the planes of the encoder's output tangent."""
    at, planes = tile.at[0], tile.planes
    forward_along_weights(tile, tile.encoder, phi, dphi, at.width)
    for z in range(at.d_z):  # ds = S' drho
        slope = row_of(planes, at.ds + z)
        ds = row_of(planes, outputs_along(tile.encoder) + at.d_z + z)
        for i in range(at.width):
            ds[i] *= slope[i]


@stage
def encoder_along(tile: Any, phi: Array, dphi: Array, rows: int, g: Array) -> None:
    """Add the tangent of the encoder's gradient along ``dphi``.

    The work planes hold the cotangent of s, and the planes of the cotangent the tangent of that of
    ``(mu, s)``, which is mapped to ``(mu, rho)`` here: ``S' dgs + S'' drho gs``.
    """
    at, planes, d_z = tile.at[0], tile.planes, tile.at[0].d_z
    ends = row_of(planes, at.s), row_of(planes, outputs_along(tile.encoder) + d_z)
    both = row_of(planes, at.work), row_of(planes, at.cotangent + d_z)
    call_with_pointers(loop_of(tile, at.scale, CURVE), (*ends, *both, d_z, at.width, planes.shape[1]))
    clear_padding(tile, at.cotangent, 2 * d_z, rows, 1)
    tangent_of_backward(tile, tile.encoder, phi, dphi, True, at.features, at.cotangent, g, False, at.width)


@stage
def kl_along(
    tile: Any, phi: Array, theta: Array, x: Array, noise: Any, tau: float, row: int, rows: int, plan: Any,
    pass_index: int, want_phi: int, dphi: Array, means: Array, g: Array, other: Array, sums: Array,
) -> None:  # fmt: skip
    """Add the derivatives of the gradients of KL along ``dphi``, and of ``tau |g - x|^2/2`` in the mean."""
    at, planes, batch, real = tile.at[0], tile.planes, x.shape[0], x.dtype.type
    width, d_z, samples = at.width, at.d_z, at.samples
    cols, share = samples * width, real(tau / (batch * samples))
    if at.kept:
        forward_again(tile, tile.encoder, phi, width)
        forward_again(tile, tile.decoder, theta, cols)
    else:
        kl_cotangents(tile, phi, theta, x, noise, tau, row, rows, plan)
        if want_phi:
            backward(tile, tile.encoder, phi, at.features, phi, False, False, width)
    residuals(tile, rows)
    q_along(tile, phi, dphi)
    q_dot, z_dot = outputs_along(tile.encoder), tile.decoder[0, TANGENT]
    for z in range(d_z):
        dmu, ds = row_of(planes, q_dot + z), row_of(planes, q_dot + d_z + z)
        for j in range(samples):
            eps, dz = (
                run_of(planes, at.eps + z, j * width, width),
                run_of(planes, z_dot + z, j * width, width),
            )
            for i in range(width):
                dz[i] = share * (dmu[i] + ds[i] * eps[i])
    clear_padding(tile, z_dot, d_z, rows, samples)
    forward_along(tile, tile.decoder, theta, cols)
    g_dot, work = outputs_along(tile.decoder), run_of(planes, at.work, 0, cols)
    for d in range(at.d_x):
        e, dg = row_of(planes, at.residual + d), row_of(planes, g_dot + d)
        for i in range(cols):
            work[i] = e[i] * dg[i]
        sums[0] += total(work)
    tangent_of_backward(tile, tile.decoder, theta, theta, False, at.residual, g_dot, g, want_phi, cols)
    if not want_phi:
        return

    gz, dgz = input_cotangent(tile.decoder), input_cotangent_along(tile, tile.decoder)
    one, prior = real(1), real(weight_at(plan.kl_weight, plan.kl_warmup, noise.step) / batch)
    for z in range(d_z):
        gs, dgmu, dgs = (
            row_of(planes, at.work + z), row_of(planes, at.cotangent + z),
            row_of(planes, at.cotangent + d_z + z),
        )  # fmt: skip
        s, dmu, ds = row_of(planes, at.s + z), row_of(planes, q_dot + z), row_of(planes, q_dot + d_z + z)
        for i in range(width):
            inverse = one / s[i]
            gs[i], dgmu[i] = prior * (s[i] - inverse), prior * dmu[i]
            dgs[i] = prior * (ds[i] + ds[i] * (inverse * inverse))
        for j in range(samples):
            eps = run_of(planes, at.eps + z, j * width, width)
            gz_j, dgz_j = run_of(planes, gz + z, j * width, width), run_of(planes, dgz + z, j * width, width)
            for i in range(width):
                gs[i] += share * gz_j[i] * eps[i]
                dgmu[i] += dgz_j[i]
                dgs[i] += dgz_j[i] * eps[i]
    encoder_along(tile, phi, dphi, rows, other)


@stage
def fisher_along(
    tile: Any, phi: Array, theta: Array, x: Array, noise: Any, tau: float, row: int, rows: int, plan: Any,
    pass_index: int, want_phi: int, dphi: Array, means: Array, g: Array, other: Array, sums: Array,
) -> None:  # fmt: skip
    """Add the derivatives of the gradients of ``weight |d|^2/2`` along ``dphi``, and that of its slope in l.

    z and the weight W are held fixed. The tangent of z in the decoder's tangent sweep is ``-share W dd``, and
    the decoder's cotangents are those of the score b, of the output ``-tau (g - x)``.
    """
    at, planes, batch, real = tile.at[0], tile.planes, x.shape[0], x.dtype.type
    width, d_z, samples = at.width, at.d_z, at.samples
    cols, share = samples * width, real(plan.weight / (batch * samples))
    if at.kept:
        forward_again(tile, tile.encoder, phi, width)
        forward_again(tile, tile.decoder, theta, cols)
    else:
        gap_cotangents(tile, phi, theta, x, noise, tau, row, rows, plan)
        if want_phi:
            backward(tile, tile.encoder, phi, at.features, phi, False, False, width)
    residuals(tile, rows)
    q_along(tile, phi, dphi)
    q_dot, z_dot = outputs_along(tile.encoder), tile.decoder[0, TANGENT]
    work = run_of(planes, at.work, 0, rows)
    one, two, three = real(1), real(2), real(3)
    for z in range(d_z):
        s, dmu, ds = row_of(planes, at.s + z), row_of(planes, q_dot + z), row_of(planes, q_dot + d_z + z)
        for j in range(samples):
            eps, b = (
                run_of(planes, at.eps + z, j * width, width),
                run_of(planes, at.score + z, j * width, width),
            )
            dz = run_of(planes, z_dot + z, j * width, width)
            for i in range(width):
                information = one if plan.covariance else one / (s[i] * s[i])
                dz[i] = -share * (dmu[i] + two * eps[i] * ds[i]) * information
            for i in range(rows):
                work[i] = b[i] * dz[i]
            sums[0] += total(work)
    clear_padding(tile, z_dot, d_z, rows, samples)
    forward_along(tile, tile.decoder, theta, cols)
    scale(tile, at.residual, at.d_x, -tau, at.cotangent)
    scale(tile, outputs_along(tile.decoder), at.d_x, -tau, at.s_q)
    tangent_of_backward(tile, tile.decoder, theta, theta, False, at.cotangent, at.s_q, g, False, cols)
    if not want_phi:
        return

    for z in range(d_z):
        gs, dgmu, dgs = (
            row_of(planes, at.work + z), row_of(planes, at.cotangent + z),
            row_of(planes, at.cotangent + d_z + z),
        )  # fmt: skip
        s, dmu, ds = row_of(planes, at.s + z), row_of(planes, q_dot + z), row_of(planes, q_dot + d_z + z)
        for i in range(width):
            gs[i], dgmu[i], dgs[i] = 0, 0, 0
        for j in range(samples):
            eps, d = (
                run_of(planes, at.eps + z, j * width, width),
                run_of(planes, at.gap + z, j * width, width),
            )
            dz = run_of(planes, z_dot + z, j * width, width)
            for i in range(width):
                inverse = one / s[i]
                information = one if plan.covariance else inverse * inverse
                gap = share * d[i] * information
                change = -dz[i] * inverse * inverse
                gs[i] += two * gap * eps[i]
                dgmu[i] += change - two * gap * ds[i] * inverse
                dgs[i] += two * eps[i] * change - two * gap * (dmu[i] + three * eps[i] * ds[i]) * inverse
    encoder_along(tile, phi, dphi, rows, other)
