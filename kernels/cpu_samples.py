"""From the data of a tile to its posterior samples and residuals.

Rows past the end of a batch are carried along: their inputs and the cotangents of their outputs are zero.
Noise is drawn from its counter tile by tile and never stored.
"""

from __future__ import annotations

from typing import Any

from vsmnp.arrays import Array

from .cpu_elementary import formula, log
from .cpu_layout import (
    D_X,
    D_Z,
    DECODE,
    DS,
    ENCODE,
    EPS,
    MU,
    PLACE,
    PLANE,
    RESIDUAL,
    SAMPLES,
    SCALE,
    WIDTH,
    WORK,
    S,
)
from .cpu_leaves import DRAW, NORMALS, PHILOX, SLOPE, VALUE
from .cpu_network import forward, leaf_of, outputs
from .cpu_stages import stage
from .cpu_sums import total, total_squares
from .cpu_vectors import invoke


@formula
def blank(tile: Any, first: int, n: int, rows: int, samples: int) -> None:
    """Zeros in the columns past the end of the batch."""
    width = tile.at[WIDTH]
    if rows < width:
        for p in range(first, first + n):
            for j in range(samples):
                tile.planes[p, j * width + rows : (j + 1) * width] = 0


@formula
def scaled(tile: Any, source: int, n: int, factor: Any, target: int) -> None:
    """``target = factor source``, n planes of all samples."""
    cols = tile.at[SAMPLES] * tile.at[WIDTH]
    for p in range(n):
        x, y = tile.planes[source + p], tile.planes[target + p]
        for i in range(cols):
            y[i] = factor * x[i]


@formula
def draw(
    tile: Any, noise: Any, row: int, rows: int, batch: int, width: int, signs: bool, first: int, samples: int
) -> None:
    """The numbers of rows ``row ..`` of some samples, ``width`` a row, into planes from ``first`` on."""
    out, stride = tile.planes[first], tile.planes.shape[1]
    place = noise.seed, noise.stream, noise.step, row, batch
    ends = out, tile.at[WIDTH], stride, tile.leaves[PHILOX], tile.leaves[NORMALS]
    invoke(tile.leaves[DRAW], (*place, samples, rows, width, signs, *ends))


@stage(ENCODE, "vector data word word")
def encode(tile: Any, phi: Array, x: Array, low: int, rows: int) -> None:
    """``mu``, ``s = S(rho)`` and ``S'(rho)`` of rows ``low ..`` of ``x (N, D)``."""
    at, planes = tile.at, tile.planes
    width, d_z, stride = at[WIDTH], at[D_Z], planes.shape[1]
    first = tile.encoder[0, PLANE]
    for d in range(x.shape[1]):
        plane = planes[first + d]
        for i in range(rows):
            plane[i] = x[low + i, d]
    blank(tile, first, x.shape[1], rows, 1)
    forward(tile, tile.encoder, phi, width)
    features = outputs(tile.encoder)
    for z in range(d_z):
        mu, source, one = planes[at[MU] + z], planes[features + z], planes[at[DS] + z]
        for i in range(width):
            mu[i] = source[i]
            one[i] = 1
    s, ds = planes[at[S]], planes[at[DS]]
    invoke(leaf_of(tile, at[SCALE], VALUE), (planes[features + d_z], s, d_z, width, stride))
    invoke(leaf_of(tile, at[SCALE], SLOPE), (s, ds, ds, d_z, width, stride))


@stage(PLACE, "noise word word word")
def place(tile: Any, noise: Any, batch: int, low: int, rows: int) -> None:
    """Draw the noise of the tile, and put ``z = mu + s eps`` into the decoder's input."""
    at, planes = tile.at, tile.planes
    width, d_z = at[WIDTH], at[D_Z]
    draw(tile, noise, low, rows, batch, d_z, False, at[EPS], at[SAMPLES])
    blank(tile, at[EPS], d_z, rows, at[SAMPLES])
    for z in range(d_z):
        mu, s, eps, to = (
            planes[at[MU] + z], planes[at[S] + z], planes[at[EPS] + z], planes[tile.decoder[0, PLANE] + z],
        )  # fmt: skip
        for j in range(at[SAMPLES]):
            eps_j, to_j = eps[j * width : (j + 1) * width], to[j * width : (j + 1) * width]
            for i in range(width):
                to_j[i] = mu[i] + s[i] * eps_j[i]


@formula
def kl_sum(tile: Any, rows: int) -> float:
    """The sum of ``(mu^2 + s^2 - 1)/2 - log s`` over the tile."""
    at, planes = tile.at, tile.planes
    work = planes[at[WORK], :rows]
    result = 0.0
    half, one = work.dtype.type(0.5), work.dtype.type(1)
    for z in range(at[D_Z]):
        mu, s = planes[at[MU] + z], planes[at[S] + z]
        for i in range(rows):
            work[i] = half * (mu[i] * mu[i] + s[i] * s[i] - one) - log(s[i])
        result += total(work)
    return result


@stage(DECODE, "vector word")
def decode(tile: Any, theta: Array, rows: int) -> None:
    """Decode all samples; ``g - x`` goes into its planes; the sum of its squares is found."""
    at, planes = tile.at, tile.planes
    width = at[WIDTH]
    forward(tile, tile.decoder, theta, at[SAMPLES] * width)
    out = outputs(tile.decoder)
    for d in range(at[D_X]):
        x = planes[tile.encoder[0, PLANE] + d]
        for j in range(at[SAMPLES]):
            columns = slice(j * width, j * width + rows)
            g, e = planes[out + d, columns], planes[at[RESIDUAL] + d, columns]
            for i in range(rows):
                e[i] = g[i] - x[i]
    blank(tile, at[RESIDUAL], at[D_X], rows, at[SAMPLES])
    result = 0.0
    for d in range(at[D_X]):
        result += total_squares(planes[at[RESIDUAL] + d, : at[SAMPLES] * width])
    tile.found[0] = result
