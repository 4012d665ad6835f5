"""Gradients of the objectives, fused: encoder, sampling, decoder, terms and the sweeps back, tile by tile.

Nothing of a minibatch but its noise is ever stored as a whole. The results are those of the composed
objectives up to rounding; the tiles, and so the order of every sum, depend on the shapes alone.
"""

from __future__ import annotations

from typing import Any

from vsmnp.types import Array

from .cpu_compile import compiled
from .cpu_elementary import exp, formula, log
from .cpu_network import Network, backward, forward, pack, rows_of, unpack
from .scalar import softplus, softplus_slope


@formula
def _load(net: Network, x: Array, low: int, rows: int) -> None:
    """Rows ``low ...`` of ``x (N, D)`` and a column of ones."""
    to = rows_of(net, 0, rows)
    for i in range(rows):
        for d in range(x.shape[1]):
            to[i, d] = x[low + i, d]
        to[i, x.shape[1]] = 1


@formula
def _moments(features: Array, d_z: int, by_exp: bool, mu: Array, s: Array, ds: Array) -> None:
    """mu, s = S(rho) and S'(rho), ``(rows Z,)`` each, from the encoder's output."""
    rows = features.shape[0]
    for i in range(rows):
        for z in range(d_z):
            mu[i * d_z + z] = features[i, z]
            s[i * d_z + z] = features[i, d_z + z]
    if by_exp:
        for i in range(rows * d_z):
            s[i] = exp(s[i])
            ds[i] = s[i]
    else:
        for i in range(rows * d_z):
            s[i] = softplus(s[i])
            ds[i] = softplus_slope(s[i])


@formula
def _place(net: Network, mu: Array, s: Array, eps: Array, low: int, rows: int) -> None:
    """``z = mu + s eps`` of all samples, sample after sample, and a column of ones; ``eps (S, N, Z)``."""
    samples, _, d_z = eps.shape
    to = rows_of(net, 0, samples * rows)
    for j in range(samples):
        for i in range(rows):
            for z in range(d_z):
                to[j * rows + i, z] = mu[i * d_z + z] + s[i * d_z + z] * eps[j, low + i, z]
            to[j * rows + i, d_z] = 1


@formula
def _kl(mu: Array, s: Array, work: Array, size: int) -> Any:
    """The sum of ``(mu^2 + s^2 - 1)/2 - log s``."""
    for i in range(size):
        work[i] = mu.dtype.type(0.5) * (mu[i] * mu[i] + s[i] * s[i] - mu.dtype.type(1)) - log(s[i])
    total = 0.0
    for i in range(size):
        total += work[i]
    return total


@formula
def _pull(net: Network, gmu: Array, grho: Array, d_z: int, rows: int) -> None:
    """Put the cotangent of the encoder's output into place."""
    width = net.table[-1, 3]
    to = net.here[: rows * width].reshape(rows, width)
    for i in range(rows):
        for z in range(d_z):
            to[i, z] = gmu[i * d_z + z]
            to[i, d_z + z] = grho[i * d_z + z]
        for z in range(2 * d_z, width):
            to[i, z] = 0


@compiled
def kl_gradient(
    enc: Network, dec: Network, phi: Array, theta: Array, x: Array, eps: Array, tau: float, by_exp: bool,
    tile: int, work: Array, g_phi: Array,
) -> tuple[float, float]:  # fmt: skip
    """Gradient of ``tau A/2 + KL[q || p]`` in phi ``(P,)``, of the mean over ``x (N, D)``; A and KL."""
    samples, batch, d_z = eps.shape
    d_x = x.shape[1]
    pack(enc, phi)
    pack(dec, theta)
    square, divergence = 0.0, 0.0
    mu, s, ds, gmu, grho = work[0], work[1], work[2], work[3], work[4]
    per_datum = x.dtype.type(1.0 / batch)
    weight = x.dtype.type(tau / (batch * samples))
    for low in range(0, batch, tile):
        rows = min(tile, batch - low)
        _load(enc, x, low, rows)
        _moments(forward(enc, rows), d_z, by_exp, mu, s, ds)
        _place(dec, mu, s, eps, low, rows)
        g = forward(dec, samples * rows)
        width = g.shape[1]
        gy = dec.here[: samples * rows * width].reshape(samples * rows, width)
        for j in range(samples):
            for i in range(rows):
                row = j * rows + i
                for d in range(d_x):
                    e = g[row, d] - x[low + i, d]
                    square += e * e
                    gy[row, d] = weight * e
                for d in range(d_x, width):
                    gy[row, d] = 0
        gz = backward(dec, samples * rows, False, True)
        divergence += _kl(mu, s, work[5], rows * d_z)
        for i in range(rows):
            for z in range(d_z):
                at = i * d_z + z
                to_mu, to_s = gz[i, z], gz[i, z] * eps[0, low + i, z]
                for j in range(1, samples):
                    to_mu += gz[j * rows + i, z]
                    to_s += gz[j * rows + i, z] * eps[j, low + i, z]
                gmu[at] = to_mu + per_datum * mu[at]
                grho[at] = (to_s + per_datum * (s[at] - x.dtype.type(1) / s[at])) * ds[at]
        _pull(enc, gmu, grho, d_z, rows)
        backward(enc, rows, True, False)
    unpack(enc, g_phi)
    return square / (batch * samples), divergence / batch


@compiled
def fisher_gradient(
    enc: Network, dec: Network, phi: Array, theta: Array, x: Array, eps: Array, tau: float, by_exp: bool,
    tile: int, work: Array, g_phi: Array,
) -> float:  # fmt: skip
    """Gradient of ``mean |d|^2/2`` in phi with z held fixed, ``d = z - eps/s - b``; and its value."""
    samples, batch, d_z = eps.shape
    d_x = x.shape[1]
    pack(enc, phi)
    pack(dec, theta)
    loss = 0.0
    mu, s, ds, gmu, grho = work[0], work[1], work[2], work[3], work[4]
    per_row = x.dtype.type(1.0 / (batch * samples))
    minus_tau = x.dtype.type(-tau)
    for low in range(0, batch, tile):
        rows = min(tile, batch - low)
        _load(enc, x, low, rows)
        _moments(forward(enc, rows), d_z, by_exp, mu, s, ds)
        _place(dec, mu, s, eps, low, rows)
        z_rows = rows_of(dec, 0, samples * rows)
        g = forward(dec, samples * rows)
        width = g.shape[1]
        gy = dec.here[: samples * rows * width].reshape(samples * rows, width)
        for j in range(samples):
            for i in range(rows):
                row = j * rows + i
                for d in range(d_x):
                    gy[row, d] = minus_tau * (g[row, d] - x[low + i, d])
                for d in range(d_x, width):
                    gy[row, d] = 0
        b = backward(dec, samples * rows, False, True)
        for i in range(rows):
            for z in range(d_z):
                at = i * d_z + z
                scale = x.dtype.type(1) / s[at]
                to_mu, to_s = x.dtype.type(0), x.dtype.type(0)
                for j in range(samples):
                    row = j * rows + i
                    noise = eps[j, low + i, z]
                    d_here = z_rows[row, z] - noise * scale - b[row, z]
                    loss += d_here * d_here
                    to_mu += d_here
                    to_s += d_here * noise
                to_mu *= scale * scale * per_row
                to_s *= x.dtype.type(2) * scale * scale * per_row
                gmu[at] = to_mu
                grho[at] = to_s * ds[at]
        _pull(enc, gmu, grho, d_z, rows)
        backward(enc, rows, True, False)
    unpack(enc, g_phi)
    value: float = 0.5 * loss / (batch * samples)
    return value


@compiled
def _scores(
    enc: Network, eps: Array, s: Array, ds: Array, low: int, rows: int, work: Array, s_q: Array
) -> None:
    """``s^q`` of a tile, ``(S, rows, D)``: one sweep of the encoder a sample."""
    samples, _, d_z = eps.shape
    amu, arho = work[3], work[4]
    one = s.dtype.type(1)
    for j in range(samples):
        for i in range(rows):
            for z in range(d_z):
                at = i * d_z + z
                noise, scale = eps[j, low + i, z], one / s[at]
                amu[at] = noise * scale
                arho[at] = (noise * noise - one) * scale * ds[at]
        _pull(enc, amu, arho, d_z, rows)
        score = backward(enc, rows, False, True)
        for i in range(rows):
            for d in range(s_q.shape[2]):
                s_q[j, i, d] = score[i, d]


@compiled
def learning_gradient(
    enc: Network, dec: Network, phi: Array, theta: Array, x: Array, eps: Array, form: Array, w_square: float,
    w_cross: float, by_exp: bool, crosses: bool, tile: int, work: Array, s_q: Array, g_theta: Array,
) -> tuple[float, float, float]:  # fmt: skip
    """Gradient of ``w_square a/2 + w_cross h`` in theta, of the mean over the batch; a, h and KL[q || p]."""
    samples, batch, d_z = eps.shape
    d_x = x.shape[1]
    pack(enc, phi)
    pack(dec, theta)
    a, h, divergence = 0.0, 0.0, 0.0
    mu, s, ds = work[0], work[1], work[2]
    real = x.dtype.type
    c_each, c_mean, d_each, d_mean = form[0], form[1], form[2], form[3]
    per_sample = real(1.0 / samples)
    to_square, to_cross = real(w_square / (batch * samples)), real(w_cross / (batch * samples))
    for low in range(0, batch, tile):
        rows = min(tile, batch - low)
        _load(enc, x, low, rows)
        _moments(forward(enc, rows), d_z, by_exp, mu, s, ds)
        divergence += _kl(mu, s, work[5], rows * d_z)
        if crosses:
            _scores(enc, eps, s, ds, low, rows, work, s_q)
        _place(dec, mu, s, eps, low, rows)
        g = forward(dec, samples * rows)
        width = g.shape[1]
        gy = dec.here[: samples * rows * width].reshape(samples * rows, width)
        for i in range(rows):
            for d in range(d_x):
                datum = x[low + i, d]
                mean, each, q_mean, cross = real(0), real(0), real(0), real(0)
                for j in range(samples):
                    e = g[j * rows + i, d] - datum
                    mean += e
                    each += e * e
                    if crosses:
                        q_mean += s_q[j, i, d]
                        cross += s_q[j, i, d] * e
                mean *= per_sample
                q_mean *= per_sample
                a += c_each * per_sample * each + c_mean * mean * mean
                h += d_each * per_sample * cross + d_mean * q_mean * mean
                for j in range(samples):
                    row = j * rows + i
                    slope = to_square * (c_each * (g[row, d] - datum) + c_mean * mean)
                    if crosses:
                        slope += to_cross * (d_each * s_q[j, i, d] + d_mean * q_mean)
                    gy[row, d] = slope
        for row in range(samples * rows):
            for d in range(d_x, width):
                gy[row, d] = 0
        backward(dec, samples * rows, True, False)
    unpack(dec, g_theta)
    return a / batch, h / batch, divergence / batch
