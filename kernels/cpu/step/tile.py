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

from ...formulas.elementary import formula
from ...reference.activations import CODES
from ..allocator import empty_at
from ..philox_llvm import BLOCKS
from .affine_llvm import FEW_INPUTS, ROW_BYTES
from .inner_loops import INNER_LOOPS, NONE, addresses
from .stages import STAGES

#: Approximate number of columns of the decoder's planes in a tile.
COLUMNS = 256

#: Numbers of a tile: columns of one sample, samples, latent and data dimensions, the code of S, and whether
#: the tile is kept.
_NUMBERS = "width", "samples", "d_z", "d_x", "scale", "kept"
#: First planes of the variables of a tile that the derivative of an update reads: mu, S(rho), S'(rho); a
#: cotangent of (mu, rho); of all samples eps, d, b.
_READ = "mu", "s", "ds", "features", "eps", "gap", "score"
#: First planes of the other variables: of all samples g - x, s^q, a cotangent of g (or of the encoder's
#: output); work rows; two pairs of buffers for cotangents and their tangents, each pair alternating by layer;
#: and buffers for random words, for the numbers computed from them, and for these numbers in order.
_OTHERS = (
    "residual", "s_q", "cotangent", "work", "even", "odd", "d_even", "d_odd", "words", "numbers", "ordered",
)  # fmt: skip
_PLACES = np.dtype([(name, np.int64) for name in (*_NUMBERS, *_READ, *_OTHERS)])
#: Columns of a network's table, with one row per layer and one for the output: widths, offsets of weights and
#: bias in the flat vector, first planes of the input, of its tangent, of the cotangent of the input, and of
#: the cotangent times the slope of the activation before the input. Instead of widths, the last row holds the
#: codes of the activations between the layers and after the last one.
IN, OUT, W, B, PLANE, TANGENT, COTANGENT, SLOPED = range(8)


class Tile(NamedTuple):
    """The memory of one tile, with the tables and addresses that its stages use.

    Attributes
    ----------
    planes : Array
        ``(planes, stride)``, one feature a plane.
    encoder, decoder : Array
        Tables of the networks, with the columns ``IN .. SLOPED``.
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


class Slots(NamedTuple):
    """The memory of the tiles of an update: slot 0 for all tiles in turn, the others for kept tiles.

    The attributes are those of :class:`Tile`, where ``encoder``, ``decoder`` and ``at`` have one more axis
    in front, the slots. What the derivative of an update reads has planes of its own in every slot, except
    the results of products of few inputs, which are computed again in those of slot 0.
    """

    planes: Array
    encoder: Array
    decoder: Array
    at: Array
    inner_loops: Array
    found: Array


@formula
def tile_in(slots: Any, slot: int) -> Any:
    """Return the tile of a slot."""
    tables = slots.encoder[slot], slots.decoder[slot], slots.at[slot]
    return Tile(slots.planes, *tables, slots.inner_loops, slots.found)


def blocks(count: int, size: int) -> int:
    """Return the number of blocks of ``size`` that cover ``count``."""
    return -(-count // size)


def tile_width(batch: int, samples: int, dtype: Any) -> int:
    """Choose the columns of a sample: whole blocks, near ``COLUMNS`` in all, the last tile nearly full."""
    lanes = ROW_BYTES // np.dtype(dtype).itemsize
    tiles = max(1, round(batch * samples / COLUMNS))
    width: int = blocks(blocks(batch, tiles), lanes) * lanes
    return width


class Needs(NamedTuple):
    """The parts that the memory of the tiles needs besides values.

    Attributes
    ----------
    tangents : bool
        Whether the networks have tangents, for a gradient of second order.
    cotangents : bool
        Whether the cotangents of all layers are read after the sweep that computes them.
    kept : int
        Number of kept tiles.
    """

    tangents: bool
    cotangents: bool = False
    kept: int = 0


def _network(spec: NetworkSpec, places: Array, tangents: Array, cotangents: Array, sloped: Array) -> Array:
    """Build the tables of a network for some slots, from the first planes ``(slots, .)`` of each layer."""
    table = np.zeros((len(places), len(spec.widths), 8), np.int64)
    table[:, :-1, IN], table[:, :-1, OUT], table[:, :-1, W], table[:, :-1, B] = (
        spec.widths[:-1], spec.widths[1:], spec.weights, spec.biases,
    )  # fmt: skip
    table[:, -1, IN] = CODES[spec.activation]
    table[:, -1, OUT] = NONE if spec.output is None else CODES[spec.output]
    table[:, :, PLANE], table[:, :, TANGENT] = places, tangents
    table[:, :, COTANGENT], table[:, :, SLOPED] = cotangents, sloped
    return table


def _alternating(even: int, odd: int, spec: NetworkSpec) -> Array:
    """Return the first planes of each layer in two buffers; a sweep back begins with the even one."""
    layers = len(spec.widths) - 1
    return np.array([odd if (layers - layer) % 2 == 0 else even for layer in range(layers + 1)])


def _in_order(sizes: dict[str, Array], start: int) -> dict[str, Array]:
    """Return the first planes of variables that follow one another, each some planes for every layer."""
    found = {}
    for name, each in sizes.items():
        found[name], start = start + np.cumsum(each) - each, start + int(each.sum())
    return found


def _networks(spec: StepSpec) -> tuple[tuple[str, NetworkSpec], ...]:
    """Return the networks with their names."""
    return ("encoder", spec.encoder), ("decoder", spec.decoder)


def _sizes_read(spec: StepSpec, cotangents: bool) -> dict[str, Array]:
    """Return the numbers of planes of what the derivative of an update reads, for every layer."""
    sizes = {name: np.array(network.widths) for name, network in _networks(spec)}
    back = {f"g_{name}": widths * cotangents for name, widths in sizes.items()}
    one = np.array([spec.d_z])
    return {**sizes, **back, **dict.fromkeys(_READ, one), "features": 2 * one}


def _sizes_kept(spec: StepSpec) -> dict[str, Array]:
    """Return those numbers for a kept tile.

    Products of few inputs take less time than their results from memory: they are made again.
    """
    sizes = {name: each.copy() for name, each in _sizes_read(spec, cotangents=True).items()}
    for name, network in _networks(spec):
        few = np.array(network.widths) <= FEW_INPUTS
        sizes[name][1:-1][few[:-2]] = 0
        sizes[f"g_{name}"][1:-1][few[2:]] = 0
        sizes[f"g_{name}"][-1] = 0  # that of the output is given
    return sizes


def _places(spec: StepSpec, needs: Needs, start: int) -> tuple[dict[str, Array], int]:
    """Return the first planes ``(slots, .)`` of what the derivative of an update reads, and their end."""
    read, kept = _sizes_read(spec, needs.cotangents), _sizes_kept(spec)
    first, size = _in_order(read, start), sum(int(each.sum()) for each in kept.values())
    start += sum(int(each.sum()) for each in read.values())
    others = [_in_order(kept, start + size * slot) for slot in range(needs.kept)]
    places = {
        name: np.stack([own, *(np.where(kept[name] > 0, each[name], own) for each in others)])
        for name, own in first.items()
    }
    return places, start + size * needs.kept


def _stride(spec: StepSpec, samples: int, batch: int) -> int:
    """Return the distance of planes: an odd number of cache lines spreads a column over the cache's sets."""
    lanes = ROW_BYTES // np.dtype(spec.dtype).itemsize
    return (tile_width(batch, samples, spec.dtype) * samples // lanes | 1) * lanes


def kept_bytes(spec: StepSpec, samples: int, batch: int) -> int:
    """Return the memory of a kept tile."""
    planes = sum(int(each.sum()) for each in _sizes_kept(spec).values())
    return planes * _stride(spec, samples, batch) * np.dtype(spec.dtype).itemsize


def slots(spec: StepSpec, samples: int, batch: int, adam: bool, needs: Needs) -> Slots:
    """Allocate the memory of the tiles of a batch."""
    dtype, width = np.dtype(spec.dtype), tile_width(batch, samples, spec.dtype)
    d_x, d_z, count, tangents = spec.encoder.widths[0], spec.d_z, 1 + needs.kept, int(needs.tangents)
    widest = max(*spec.encoder.widths, *spec.decoder.widths)
    # for each sample at most 2 d_z numbers a row (probes), rounded up to blocks of the generator
    random = blocks(samples * (width * 2 * d_z + 4 * (BLOCKS + 1)), width * samples)
    sizes: dict[str, Array] = {
        f"d_{name}": tangents * np.array(network.widths) for name, network in _networks(spec)
    }
    buffers = {
        "residual": d_x, "s_q": d_x, "cotangent": max(d_x, 2 * d_z), "work": max(3, d_z), "even": widest,
        "odd": widest, "d_even": tangents * widest, "d_odd": tangents * widest, "words": random,
        "numbers": random, "ordered": random,
    }  # fmt: skip
    sizes |= {name: np.array([size]) for name, size in buffers.items()}
    shared = _in_order(sizes, 0)
    read, end = _places(spec, needs, sum(int(size.sum()) for size in sizes.values()))

    at = np.zeros((count, 1), _PLACES)
    numbers = width, samples, d_z, d_x, CODES[spec.scale], np.arange(count) > 0
    for name, value in zip(_NUMBERS, numbers, strict=True):
        at[name][:, 0] = value
    for name in (*_READ, *_OTHERS):
        at[name] = read[name] if name in read else shared[name]

    def table(name: str, network: NetworkSpec) -> Array:
        sloped = _alternating(int(shared["even"][0]), int(shared["odd"][0]), network)
        back = read[f"g_{name}"] if needs.cotangents else sloped
        return _network(network, read[name], shared[f"d_{name}"], back, sloped)

    used = {spec.scale, spec.decoder.output or spec.scale}
    used |= {spec.encoder.activation, spec.decoder.activation} - {"relu"}  # computed within the products
    loops = np.zeros(INNER_LOOPS + len(STAGES), np.int64)
    loops[:INNER_LOOPS] = addresses(dtype, used, needs.tangents, adam)
    # aligned to a block, so that no vector straddles two cache lines
    planes = empty_at(ROW_BYTES, (end, _stride(spec, samples, batch)), dtype)
    planes.fill(0)
    tables = table("encoder", spec.encoder), table("decoder", spec.decoder)
    return Slots(planes, tables[0], tables[1], at, loops, np.zeros(1))
