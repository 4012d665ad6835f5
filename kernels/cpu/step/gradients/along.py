"""The derivatives of the inference gradients along a direction of phi, on a tile: KL, and posterior Fisher.

They are those of ``gradient_along`` in ``vsmnp/objectives/kl.py`` and ``posterior_fisher.py``. The derivative
of the gradient in theta is added to ``g``, that of the gradient in phi, if it is wanted, to ``other``; the
arguments are explained in ``stages.py``.
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
    backward_along,
    forward_along,
    input_cotangent,
    input_cotangent_along,
    loop_of,
    outputs_along,
)
from ..sample import clear_padding, decode, encode, sample_z, scale
from ..stages import stage
from ..tile import TANGENT
from ..weight_tangents import backward_along_weights, forward_along_weights
from .inference import gaps


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
def decoder_along(tile: Any, theta: Array, share: float, want_x: int, g: Array) -> None:
    """Add the tangent of the decoder's gradient for the loss ``share |g - x|^2/2``, along the tangent of z.

    The tangent of g stays in the planes of the tangent of the decoder's output.
    """
    at = tile.at[0]
    cols = at.samples * at.width
    forward_along(tile, tile.decoder, theta, cols)
    scale(tile, at.residual, at.d_x, share, at.cotangent)
    scale(tile, outputs_along(tile.decoder), at.d_x, share, at.s_q)
    backward_along(tile, tile.decoder, theta, at.cotangent, at.s_q, g, g, False, True, want_x, cols)


@stage
def encoder_along(tile: Any, phi: Array, dphi: Array, rows: int, g: Array) -> None:
    """Add the tangent of the encoder's gradient along ``dphi``.

    The planes of the features hold the cotangents of ``(mu, s)``, and those of the cotangent their tangents,
    which are mapped to ``(mu, rho)`` here: ``S' dgs + S'' drho gs``.
    """
    at, planes, d_z = tile.at[0], tile.planes, tile.at[0].d_z
    ends = row_of(planes, at.s), row_of(planes, outputs_along(tile.encoder) + d_z)
    both = row_of(planes, at.features + d_z), row_of(planes, at.cotangent + d_z)
    sizes = d_z, at.width, planes.shape[1]
    call_with_pointers(loop_of(tile, at.scale, CURVE), (*ends, *both, *sizes))
    clear_padding(tile, at.features, 2 * d_z, rows, 1)
    clear_padding(tile, at.cotangent, 2 * d_z, rows, 1)
    backward_along_weights(tile, tile.encoder, phi, dphi, at.features, at.cotangent, g, at.width)


@stage
def kl_along(
    tile: Any, phi: Array, theta: Array, x: Array, noise: Any, tau: float, row: int, rows: int, plan: Any,
    pass_index: int, want_phi: int, dphi: Array, means: Array, g: Array, other: Array, sums: Array,
) -> None:  # fmt: skip
    """Add the derivatives of the gradients of KL along ``dphi``, and the sum of ``(g - x) . dg``."""
    at, planes, batch, real = tile.at[0], tile.planes, x.shape[0], x.dtype.type
    width, d_z, samples = at.width, at.d_z, at.samples
    encode(tile, phi, x, row, rows)
    sample_z(tile, noise, row, rows)
    decode(tile, theta, rows)
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
                dz[i] = dmu[i] + ds[i] * eps[i]
    clear_padding(tile, z_dot, d_z, rows, samples)
    decoder_along(tile, theta, tau / (batch * samples), 2 if want_phi else 0, g)
    work = run_of(planes, at.work, 0, samples * width)
    for d in range(at.d_x):
        e, dg = row_of(planes, at.residual + d), row_of(planes, outputs_along(tile.decoder) + d)
        for i in range(work.size):
            work[i] = e[i] * dg[i]
        sums[0] += total(work)
    if not want_phi:
        return

    gz, dgz = input_cotangent(tile, tile.decoder), input_cotangent_along(tile, tile.decoder)
    one, prior = real(1), real(weight_at(plan.kl_weight, plan.kl_warmup, noise.step) / batch)
    for z in range(d_z):
        gmu, gs = row_of(planes, at.features + z), row_of(planes, at.features + d_z + z)
        dgmu, dgs = row_of(planes, at.cotangent + z), row_of(planes, at.cotangent + d_z + z)
        mu, s = row_of(planes, at.mu + z), row_of(planes, at.s + z)
        dmu, ds = row_of(planes, q_dot + z), row_of(planes, q_dot + d_z + z)
        for i in range(width):
            gmu[i], dgmu[i] = prior * mu[i], prior * dmu[i]
            gs[i] = prior * (s[i] - one / s[i])
            dgs[i] = prior * (ds[i] + ds[i] / (s[i] * s[i]))
        for j in range(samples):
            eps = run_of(planes, at.eps + z, j * width, width)
            gz_j, dgz_j = run_of(planes, gz + z, j * width, width), run_of(planes, dgz + z, j * width, width)
            for i in range(width):
                gmu[i] += gz_j[i]
                gs[i] += gz_j[i] * eps[i]
                dgmu[i] += dgz_j[i]
                dgs[i] += dgz_j[i] * eps[i]
    encoder_along(tile, phi, dphi, rows, other)


@stage
def fisher_along(
    tile: Any, phi: Array, theta: Array, x: Array, noise: Any, tau: float, row: int, rows: int, plan: Any,
    pass_index: int, want_phi: int, dphi: Array, means: Array, g: Array, other: Array, sums: Array,
) -> None:  # fmt: skip
    """Add the derivatives of the gradients of ``weight |d|^2/2`` along ``dphi``, and the sum of ``b . W dd``.

    z and the weight W are held fixed; ``W dd`` is the tangent of z in the decoder's tangent sweep.
    """
    at, planes, batch, real = tile.at[0], tile.planes, x.shape[0], x.dtype.type
    width, d_z, samples = at.width, at.d_z, at.samples
    encode(tile, phi, x, row, rows)
    sample_z(tile, noise, row, rows)
    decode(tile, theta, rows)
    gaps(tile, theta, rows, tau, False)
    q_along(tile, phi, dphi)
    q_dot, z_dot = outputs_along(tile.encoder), tile.decoder[0, TANGENT]
    share = plan.weight / (batch * samples)
    work = run_of(planes, at.work, 0, rows)
    one, two, three, weight = real(1), real(2), real(3), real(share)
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
                dz[i] = (dmu[i] + two * eps[i] * ds[i]) * information
            for i in range(rows):
                work[i] = b[i] * dz[i]
            sums[0] += total(work)
    clear_padding(tile, z_dot, d_z, rows, samples)
    decoder_along(tile, theta, share * tau, 0, g)
    if not want_phi:
        return

    for z in range(d_z):
        gmu, gs = row_of(planes, at.features + z), row_of(planes, at.features + d_z + z)
        dgmu, dgs = row_of(planes, at.cotangent + z), row_of(planes, at.cotangent + d_z + z)
        s, dmu, ds = row_of(planes, at.s + z), row_of(planes, q_dot + z), row_of(planes, q_dot + d_z + z)
        for i in range(width):
            gmu[i], gs[i], dgmu[i], dgs[i] = 0, 0, 0, 0
        for j in range(samples):
            eps, d = (
                run_of(planes, at.eps + z, j * width, width),
                run_of(planes, at.gap + z, j * width, width),
            )
            dz = run_of(planes, z_dot + z, j * width, width)
            for i in range(width):
                inverse = one / s[i]
                information = one if plan.covariance else inverse * inverse
                gap = weight * d[i] * information
                change = weight * dz[i] * inverse * inverse
                gmu[i] += gap
                gs[i] += two * gap * eps[i]
                dgmu[i] += change - two * gap * ds[i] * inverse
                dgs[i] += two * eps[i] * change - two * gap * (dmu[i] + three * eps[i] * ds[i]) * inverse
    encoder_along(tile, phi, dphi, rows, other)
