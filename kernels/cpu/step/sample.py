"""Encode the data of a tile, draw posterior samples and decode them to residuals.

Rows past the end of a batch are computed as well: their inputs and the cotangents of their outputs are zero.
Noise is drawn from its counter tile by tile and is not stored beyond the tile.
"""

from __future__ import annotations

from typing import Any

from vsmnp.types.arrays import Array

from ...formulas.elementary import formula, log
from ..llvm import call_with_pointers
from ..sums import total, total_squares
from ..views import row_of, run_of
from .inner_loops import DRAW, NORMALS, SLOPE, VALUE, WORDS
from .perceptron import forward, loop_of, outputs
from .stages import stage
from .tile import PLANE


@stage
def clear_padding(tile: Any, first: int, n: int, rows: int, samples: int) -> None:
    """Set the columns past the end of the batch to zero."""
    width = tile.at[0].width
    if rows < width:
        for p in range(first, first + n):
            for j in range(samples):
                past = run_of(tile.planes, p, j * width + rows, width - rows)
                for i in range(past.size):
                    past[i] = 0


@stage
def scale(tile: Any, source: int, n: int, factor: float, target: int) -> None:
    """Set ``target = factor source`` for n planes of all samples."""
    cols, weight = tile.at[0].samples * tile.at[0].width, tile.planes.dtype.type(factor)
    for p in range(n):
        x, y = row_of(tile.planes, source + p), row_of(tile.planes, target + p)
        for i in range(cols):
            y[i] = weight * x[i]


@formula
def draw(
    tile: Any, noise: Any, row: int, rows: int, width: int, signs: bool, first: int, samples: int
) -> None:
    """Draw the numbers of rows ``row ..`` of some samples, ``width`` a row, into planes ``first ..``."""
    out, stride = row_of(tile.planes, first), tile.planes.shape[1]
    place = noise.seed, noise.stream, noise.step, noise.first + row, noise.batch
    buffers = row_of(tile.planes, tile.at[0].words), row_of(tile.planes, tile.at[0].numbers)
    ends = row_of(tile.planes, tile.at[0].ordered), tile.inner_loops[WORDS], tile.inner_loops[NORMALS]
    call_with_pointers(
        tile.inner_loops[DRAW],
        (*place, samples, rows, width, signs, out, tile.at[0].width, stride, *buffers, *ends),
    )


@stage
def encode(tile: Any, phi: Array, x: Array, low: int, rows: int) -> None:
    """Compute ``mu``, ``s = S(rho)`` and ``S'(rho)`` of rows ``low ..`` of ``x (N, D)``."""
    at, planes = tile.at[0], tile.planes
    width, d_z, stride = at.width, at.d_z, planes.shape[1]
    first = tile.encoder[0, PLANE]
    for d in range(x.shape[1]):
        plane = row_of(planes, first + d)
        for i in range(rows):
            plane[i] = x[low + i, d]
    clear_padding(tile, first, x.shape[1], rows, 1)
    forward(tile, tile.encoder, phi, width)
    features = outputs(tile.encoder)
    for z in range(d_z):
        mu, source, one = row_of(planes, at.mu + z), row_of(planes, features + z), row_of(planes, at.ds + z)
        for i in range(width):
            mu[i] = source[i]
            one[i] = 1
    s, ds = row_of(planes, at.s), row_of(planes, at.ds)
    call_with_pointers(
        loop_of(tile, at.scale, VALUE), (row_of(planes, features + d_z), s, d_z, width, stride)
    )
    call_with_pointers(loop_of(tile, at.scale, SLOPE), (s, ds, ds, d_z, width, stride))


@stage
def sample_z(tile: Any, noise: Any, low: int, rows: int) -> None:
    """Draw the noise of the tile, and write ``z = mu + s eps`` to the decoder's input."""
    at, planes = tile.at[0], tile.planes
    width, d_z = at.width, at.d_z
    draw(tile, noise, low, rows, d_z, False, at.eps, at.samples)
    clear_padding(tile, at.eps, d_z, rows, at.samples)
    for z in range(d_z):
        mu, s = row_of(planes, at.mu + z), row_of(planes, at.s + z)
        for j in range(at.samples):
            eps = run_of(planes, at.eps + z, j * width, width)
            to = run_of(planes, tile.decoder[0, PLANE] + z, j * width, width)
            for i in range(width):
                to[i] = mu[i] + s[i] * eps[i]


@stage
def kl_sum(tile: Any, rows: int) -> None:
    """Compute the sum of ``(mu^2 + s^2 - 1)/2 - log s`` over the tile, and store it in ``found``."""
    at, planes = tile.at[0], tile.planes
    work = run_of(planes, at.work, 0, rows)
    result = 0.0
    half, one = work.dtype.type(0.5), work.dtype.type(1)
    for z in range(at.d_z):
        mu, s = row_of(planes, at.mu + z), row_of(planes, at.s + z)
        for i in range(rows):
            work[i] = half * (mu[i] * mu[i] + s[i] * s[i] - one) - log(s[i])
        result += total(work)
    tile.found[0] = result


@stage
def residuals(tile: Any, rows: int) -> None:
    """Write ``g - x`` of all samples to its planes, from the output of the decoder."""
    at, planes = tile.at[0], tile.planes
    width, out = at.width, outputs(tile.decoder)
    for d in range(at.d_x):
        x = row_of(planes, tile.encoder[0, PLANE] + d)
        for j in range(at.samples):
            g, e = run_of(planes, out + d, j * width, rows), run_of(planes, at.residual + d, j * width, rows)
            for i in range(rows):
                e[i] = g[i] - x[i]
    clear_padding(tile, at.residual, at.d_x, rows, at.samples)


@stage
def decode(tile: Any, theta: Array, rows: int) -> None:
    """Decode all samples; write ``g - x`` to its planes and the sum of its squares to ``found``."""
    at = tile.at[0]
    forward(tile, tile.decoder, theta, at.samples * at.width)
    residuals(tile, rows)
    result = 0.0
    for d in range(at.d_x):
        result += total_squares(run_of(tile.planes, at.residual + d, 0, at.samples * at.width))
    tile.found[0] = result
