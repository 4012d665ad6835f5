"""The memory layout of a tile of the fused step: indices of its planes, numbers and stages.

Every feature of the tile is a plane, contiguous along the rows (see ``affine_llvm.py``). Columns of the
encoder's planes are the data of the tile; columns of the decoder's are its samples, one after the other,
``width`` columns each.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vsmnp.types.arrays import Array
from vsmnp.types.step_spec import NetworkSpec, StepSpec

from ...reference.activations import CODES
from ..allocator import empty_at
from ..philox_llvm import BLOCKS
from .affine_llvm import ROW_BYTES
from .inner_loops import INNER_LOOPS, NONE, addresses
from .stages import STAGES

#: Approximate number of columns of the decoder's planes in a tile.
COLUMNS = 256

#: Numbers of a tile: columns of one sample, samples, latent and data dimensions, the code of S.
_NUMBERS = "width", "samples", "d_z", "d_x", "scale"
#: First planes of the variables of a tile: mu, S(rho), S'(rho); a cotangent of (mu, rho); of all samples eps,
#: d, b, g - x, s^q, a cotangent of g (or of the encoder's output); three work rows; two pairs of buffers for
#: cotangents and their tangents, each pair alternating by layer; and buffers for random words, for the
#: numbers computed from them, and for these numbers in order.
_VARIABLES = (
    "mu", "s", "ds", "features", "eps", "gap", "score", "residual", "s_q", "cotangent", "work", "even",
    "odd", "d_even", "d_odd", "words", "numbers", "ordered",
)  # fmt: skip
_PLACES = np.dtype([(name, np.int64) for name in (*_NUMBERS, *_VARIABLES)])
#: Columns of a network's table, with one row per layer and one for the output: widths, offsets of weights and
#: bias in the flat vector, first planes of the input and of its tangent. Instead of widths, the last row
#: holds the codes of the activations between the layers and after the last one.
IN, OUT, W, B, PLANE, TANGENT = range(6)


class Tile(NamedTuple):
    """The memory of one tile, with the tables and addresses that its stages use.

    Attributes
    ----------
    planes : Array
        ``(planes, stride)``, one feature a plane.
    encoder, decoder : Array
        Tables of the networks, with the columns ``IN .. TANGENT``.
    at : Array
        ``(1,)``, a record of numbers and first planes, ``width .. ordered``.
    inner_loops : Array
        Addresses of the inner loops and of the stages.
    found : Array
        ``(1,)``, the sum that a stage computes.
    """

    planes: Array
    encoder: Array
    decoder: Array
    at: Array
    inner_loops: Array
    found: Array


def blocks(count: int, size: int) -> int:
    """Return the number of blocks of ``size`` that cover ``count``."""
    return -(-count // size)


def tile_width(batch: int, samples: int, dtype: Any) -> int:
    """Choose the columns of a sample: whole blocks, near ``COLUMNS`` in all, the last tile nearly full."""
    lanes = ROW_BYTES // np.dtype(dtype).itemsize
    tiles = max(1, round(batch * samples / COLUMNS))
    width: int = blocks(blocks(batch, tiles), lanes) * lanes
    return width


def _table(spec: NetworkSpec, planes: int, tangents: int) -> Array:
    """Build the table of a network: a row per layer, and one for the output with the activations' codes."""
    starts = np.concatenate([[0], np.cumsum(spec.widths)])[:-1]
    table = np.zeros((len(spec.widths), 6), np.int64)
    table[:-1, IN], table[:-1, OUT], table[:-1, W], table[:-1, B] = (
        spec.widths[:-1], spec.widths[1:], spec.weights, spec.biases,
    )  # fmt: skip
    table[-1, IN] = CODES[spec.activation]
    table[-1, OUT] = NONE if spec.output is None else CODES[spec.output]
    table[:, PLANE], table[:, TANGENT] = planes + starts, tangents + starts
    return table


def _planes(count: int, stride: int, dtype: np.dtype[Any]) -> Array:
    """Allocate planes of zeros aligned to a block, so that no vector straddles two cache lines."""
    planes = empty_at(ROW_BYTES, (count, stride), dtype)
    planes.fill(0)
    return planes


def tile(spec: StepSpec, samples: int, batch: int, second_order: bool, adam: bool) -> Tile:
    """Allocate the memory of a tile for a batch size, with tangents only if a gradient is of second order."""
    dtype, width = np.dtype(spec.dtype), tile_width(batch, samples, spec.dtype)
    d_x, d_z = spec.encoder.widths[0], spec.d_z
    widest = max(*spec.encoder.widths, *spec.decoder.widths)
    encoder, decoder = sum(spec.encoder.widths), sum(spec.decoder.widths)
    buffers = 4 if second_order else 2
    # for each sample at most 2 d_z numbers a row (probes), rounded up to blocks of the generator
    random = blocks(samples * (width * 2 * d_z + 4 * (BLOCKS + 1)), width * samples)
    sizes = [
        encoder, decoder, *((encoder, decoder) if second_order else (0, 0)),
        d_z, d_z, d_z, 2 * d_z, d_z, d_z, d_z, d_x, d_x, max(d_x, 2 * d_z), 3,
        *[widest] * buffers, *[0] * (4 - buffers), *[random] * 3,
    ]  # fmt: skip
    used = {spec.scale, spec.decoder.output or spec.scale}
    used |= {spec.encoder.activation, spec.decoder.activation} - {"relu"}  # computed within the products
    starts = np.concatenate([[0], np.cumsum(sizes)])
    at = np.array([(width, samples, d_z, d_x, CODES[spec.scale], *starts[4:-1])], _PLACES)
    places = np.zeros(INNER_LOOPS + len(STAGES), np.int64)
    places[:INNER_LOOPS] = addresses(dtype, used, second_order, adam)
    # an odd number of cache lines, so that the elements of a column are spread over the sets of the cache
    lanes = ROW_BYTES // dtype.itemsize
    stride = (width * samples // lanes | 1) * lanes
    return Tile(
        _planes(int(starts[-1]), stride, dtype), _table(spec.encoder, starts[0], starts[2]),
        _table(spec.decoder, starts[1], starts[3]), at, places, np.zeros(1),
    )  # fmt: skip
