"""A tile of the fused step: its memory, and the way from data to posterior samples and residuals.

Every feature of the tile is a plane, contiguous along the rows (``cpu_affine``). Columns of the encoder's
planes are the data of the tile; columns of the decoder's are its samples, one after the other, ``WIDTH``
columns each. Rows past the end of a batch are carried along: their inputs and the cotangents of their
outputs are zero. Noise is drawn from its counter tile by tile and never stored.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vsmnp.arrays import Array
from vsmnp.steps import NetworkSpec, StepSpec

from .cpu_affine import ROW_BYTES
from .cpu_compile import compiled
from .cpu_elementary import formula, log
from .cpu_leaves import CODES, DRAW, NONE, SLOPE, VALUE, addresses
from .cpu_network import IN, OUT, PLANE, TANGENT, B, W, forward, leaf_of
from .cpu_sums import total
from .cpu_vectors import invoke

#: Columns of the decoder's planes that a tile aims at.
COLUMNS = 256

#: Numbers of a tile: columns of one sample, samples, latent and data dimensions, the code of S.
WIDTH, SAMPLES, D_Z, D_X, SCALE = range(5)
#: First planes of a tile's parts: mu, S(rho), S'(rho); a cotangent of (mu, rho); of all samples eps, d, b,
#: g - x, s^q, a cotangent of g (or of the encoder's output); four work rows; and four rooms in which
#: cotangents and their tangents take turns.
MU, S, DS, FEATURES, EPS, GAP, SCORE, RESIDUAL, S_Q, COTANGENT, WORK, HERE, THERE, D_HERE, D_THERE = range(
    5, 20
)


class Tile(NamedTuple):
    """Memory of a tile.

    Attributes
    ----------
    planes : Array
        ``(planes, stride)``.
    encoder, decoder : Array
        Tables of the networks, see ``cpu_network``.
    at : Array
        Numbers and first planes, under the names above.
    leaves : Array
        Addresses of the inner loops.
    """

    planes: Array
    encoder: Array
    decoder: Array
    at: Array
    leaves: Array


class Noise(NamedTuple):
    """Where in the randomness an update is."""

    seed: int
    stream: int
    step: int


def blocks(count: int, size: int) -> int:
    """How many blocks of ``size`` cover ``count``."""
    return -(-count // size)


def tile_width(batch: int, samples: int, dtype: Any) -> int:
    """Columns of one sample: near ``COLUMNS`` in all, whole blocks, and the last tile nearly full."""
    lanes = ROW_BYTES // np.dtype(dtype).itemsize
    tiles = max(1, round(batch * samples / COLUMNS))
    width: int = blocks(blocks(batch, tiles), lanes) * lanes
    return width


def _table(spec: NetworkSpec, planes: int, tangents: int) -> Array:
    """One row a layer, and one for the output, which holds the codes of the activations instead of widths."""
    starts = np.concatenate([[0], np.cumsum(spec.widths)])[:-1]
    table = np.zeros((len(spec.widths), 6), np.int64)
    table[:-1, IN], table[:-1, OUT], table[:-1, W], table[:-1, B] = (
        spec.widths[:-1], spec.widths[1:], spec.weights, spec.biases,
    )  # fmt: skip
    table[-1, IN], table[-1, OUT] = (
        CODES[spec.activation],
        NONE if spec.output is None else CODES[spec.output],
    )
    table[:, PLANE], table[:, TANGENT] = planes + starts, tangents + starts
    return table


def _aligned(shape: tuple[int, int], dtype: np.dtype[Any]) -> Array:
    """Zeros that begin at a cache line, as then no vector of a plane lies across two."""
    size = shape[0] * shape[1] * dtype.itemsize
    memory = np.zeros(size + ROW_BYTES, np.uint8)
    start = -memory.ctypes.data % ROW_BYTES
    return memory[start : start + size].view(dtype).reshape(shape)


def tile(spec: StepSpec, samples: int, batch: int, second_order: bool) -> Tile:
    """Memory for tiles of a batch of that size; tangents only where a gradient is of second order."""
    dtype, width = np.dtype(spec.dtype), tile_width(batch, samples, spec.dtype)
    d_x, d_z = spec.encoder.widths[0], spec.d_z
    widest = max(*spec.encoder.widths, *spec.decoder.widths)
    encoder, decoder = sum(spec.encoder.widths), sum(spec.decoder.widths)
    rooms = 4 if second_order else 2
    sizes = [
        encoder, decoder, *((encoder, decoder) if second_order else (0, 0)),
        d_z, d_z, d_z, 2 * d_z, d_z, d_z, d_z, d_x, d_x, max(d_x, 2 * d_z), 4,
        *[widest] * rooms, *[0] * (4 - rooms),
    ]  # fmt: skip
    used = {spec.scale, spec.encoder.activation, spec.decoder.activation, spec.decoder.output or spec.scale}
    starts = np.concatenate([[0], np.cumsum(sizes)])
    at = np.array([width, samples, d_z, d_x, CODES[spec.scale], *starts[4:-1]], np.int64)
    # an odd number of cache lines, so that a column does not fall into few sets of the cache
    lanes = ROW_BYTES // dtype.itemsize
    stride = (width * samples // lanes | 1) * lanes
    return Tile(
        _aligned((int(starts[-1]), stride), dtype), _table(spec.encoder, starts[0], starts[2]),
        _table(spec.decoder, starts[1], starts[3]), at, addresses(dtype, used, second_order),
    )  # fmt: skip


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
    invoke(tile.leaves[DRAW], (*place, samples, rows, width, signs, out, tile.at[WIDTH], stride))


@compiled
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
    features = forward(tile, tile.encoder, phi, at[HERE], width)
    for z in range(d_z):
        mu, source, one = planes[at[MU] + z], planes[features + z], planes[at[DS] + z]
        for i in range(width):
            mu[i] = source[i]
            one[i] = 1
    s, ds = planes[at[S]], planes[at[DS]]
    invoke(leaf_of(tile, at[SCALE], VALUE), (planes[features + d_z], s, d_z, width, stride))
    invoke(leaf_of(tile, at[SCALE], SLOPE), (s, ds, ds, d_z, width, stride))


@compiled
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


@compiled
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


@compiled
def decode(tile: Any, theta: Array, rows: int) -> float:
    """Decode all samples; ``g - x`` goes into its planes; the sum of its squares is returned."""
    at, planes = tile.at, tile.planes
    width = at[WIDTH]
    out = forward(tile, tile.decoder, theta, at[HERE], at[SAMPLES] * width)
    work = planes[at[WORK], :rows]
    result = 0.0
    for d in range(at[D_X]):
        x = planes[tile.encoder[0, PLANE] + d]
        for j in range(at[SAMPLES]):
            columns = slice(j * width, j * width + rows)
            g, e = planes[out + d, columns], planes[at[RESIDUAL] + d, columns]
            for i in range(rows):
                e[i] = g[i] - x[i]
                work[i] = e[i] * e[i]
            result += total(work)
    blank(tile, at[RESIDUAL], at[D_X], rows, at[SAMPLES])
    return result
