"""Count what the matrix products of a fused step take: multiply-adds and wavefronts of shared memory.

The lanes of a warp, and what each reads and writes, are those of ``step_products.cuh`` and
``step_gather.cuh`` in ``kernels/cuda/cu``. Counts are of instructions of a warp, for one tile of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ...kernels.cuda.step_shape import padded_inputs
from ...types.step_spec import NetworkSpec
from .wavefronts import WARP, wavefronts


class TileProduct(NamedTuple):
    """One product of a layer.

    Attributes
    ----------
    name : str
        What is computed: ``forward 30>4``.
    multiply_adds : int
        Multiply-adds of all warps.
    wavefronts : int
        Wavefronts of shared memory, with one for each exchange between lanes.
    steps : int
        Dependent steps of a thread, each of which loads and then multiplies.
    """

    name: str
    multiply_adds: int
    wavefronts: int
    steps: int


class ProductShape(NamedTuple):
    """The rows of a product, the numbers from a feature to the next one, and the threads of a block."""

    rows: int
    stride: int
    threads: int

    @property
    def groups(self) -> int:
        """The number of groups of four rows."""
        return self.rows // 4


def _fours(width: int) -> int:
    return -(-width // 4)


def _power_up_to(n: int, most: int) -> int:
    return next(power for power in (8, 4, 2, 1) if power <= most and (power <= n or power == 1))


def _warps(items: int) -> Iterator[Sequence[int | None]]:
    """Yield the items of the lanes of each warp; None where a lane has none."""
    for first in range(0, items, WARP):
        yield [t if t < items else None for t in range(first, first + WARP)]


def _placed(tile: ProductShape, tiles: int) -> Iterator[list[tuple[int, int] | None]]:
    """Yield the group and the tile of features of each lane, warp by warp, as ``Place`` does."""
    low = min(tile.groups, 8)
    high = -(-tile.groups // low)
    for lanes in _warps(-(-tiles // 4) * 4 * low * high):
        found: list[tuple[int, int] | None] = []
        for t in lanes:
            rest = (t or 0) // (2 * low)
            group = (t or 0) // 2 % low + rest // 2 % high * low
            feature = rest // 2 // high * 4 + (t or 0) % 2 + rest % 2 * 2
            found.append(None if t is None or group >= tile.groups or feature >= tiles else (group, feature))
        if any(place is not None for place in found):
            yield found


def _fours_at(places: Sequence[tuple[int, int] | None], address: Callable[[int, int], int]) -> int:
    """Count the wavefronts of an access of four numbers at the address of a group and a tile of features."""
    return wavefronts([None if place is None else address(*place) for place in places], 4)


def forward(tile: ProductShape, n_in: int, n_out: int) -> TileProduct:
    """Count the forward product of a layer."""
    name, row, stride = f"forward {n_in}>{n_out}", padded_inputs(n_in), tile.stride
    ways = _power_up_to(tile.threads // tile.groups, 8) if n_out <= 4 and n_in >= 8 else 1
    if ways > 1:
        return _narrow(name, tile, _Sum(n_in, n_out, weight=1, loads=n_out, words=1), ways)
    adds = waves = 0
    for places in _placed(tile, _fours(n_out)):
        waves += n_in * _fours_at(places, lambda g, _: 4 * g)
        for j in range(4):
            outputs = [None if p is None else (p[0], 4 * p[1] + j) for p in places]
            waves += _fours(n_in) * _fours_at(outputs, lambda _, o: min(o, n_out - 1) * row)
            stored = [p if p is None or p[1] < n_out else None for p in outputs]
            waves += _fours_at(stored, lambda g, o: o * stride + 4 * g)
        adds += 16 * n_in
    return TileProduct(name, adds, waves, -(-n_in // 8))


def backward(tile: ProductShape, n_in: int, n_out: int, masked: bool) -> TileProduct:
    """Count the backward product of a layer; ``masked`` if it reads the layer's input for its slope."""
    name, row, stride = f"backward {n_in}<{n_out}", padded_inputs(n_in), tile.stride
    ways = _power_up_to(tile.threads // tile.groups, 8) if n_in <= 4 and n_out >= 8 else 1
    if ways > 1:
        return _narrow(name, tile, _Sum(n_out, n_in, weight=row, loads=1, words=4), ways)
    adds = waves = 0
    for places in _placed(tile, _fours(n_in)):
        waves += n_out * (_fours_at(places, lambda _, i: 4 * i) + _fours_at(places, lambda g, _: 4 * g))
        for j in range(4):
            stored = [None if p is None or 4 * p[1] + j >= n_in else (p[0], 4 * p[1] + j) for p in places]
            waves += (1 + masked) * _fours_at(stored, lambda g, i: i * stride + 4 * g)
        adds += 16 * n_out
    return TileProduct(name, adds, waves, -(-n_out // 6))


class _Sum(NamedTuple):
    """The sum of a product with few outputs: its terms, and the loads of weights in each of them."""

    terms: int
    outputs: int
    #: Numbers from the weights of a term to those of the next.
    weight: int
    loads: int
    #: Numbers of each load.
    words: int


def _narrow(name: str, tile: ProductShape, of: _Sum, ways: int) -> TileProduct:
    """Count a product with few outputs: ``ways`` threads share the sum."""
    adds = waves = 0
    steps = -(-of.terms // ways)
    for lanes in _warps(tile.groups * ways):
        x = wavefronts([None if t is None else t % ways * tile.stride + t // ways * 4 for t in lanes], 4)
        w = wavefronts([None if t is None else t % ways * of.weight for t in lanes], of.words)
        waves += steps * (x + of.loads * w)
        exchanges, kept = _scattered(4 * (2 if of.outputs < 3 else 4), ways)
        stored = [None if t is None else t % ways * kept // 4 * tile.stride + t // ways * 4 for t in lanes]
        waves += exchanges + kept * wavefronts(stored)
        adds += 4 * of.outputs * steps
    return TileProduct(name, adds, waves, 1)


def _scattered(sums: int, ways: int) -> tuple[int, int]:
    """Return the exchanges by which ``ways`` lanes add up their sums, and the sums that each receives."""
    exchanges = 0
    while ways > 1:
        sums, ways = sums // 2, ways // 2
        exchanges += sums
    return exchanges, sums


def gather(tile: ProductShape, n_in: int, n_out: int) -> TileProduct:
    """Count the product of a layer's weight gradient, whose biases are the weights of an input that is 1."""
    outs, ins, row = _fours(n_out), _fours(n_in + 1), padded_inputs(n_in)
    low_o, low_i = min(outs, 2), min(ins, 2)
    high_o, high_i = -(-outs // low_o), -(-ins // low_i)
    tiles, step = low_o * high_o * low_i * high_i, low_o * low_i
    share = _power_up_to(tile.threads // tiles, 8)
    wanted = 8 // share if share < 4 else 2
    run = wanted if tile.groups % (wanted * share) == 0 else 1
    steps, loads = -(-tile.groups // share), -(-(n_in + 1) // ins)
    exchanges, kept = _scattered(16, share)
    adds = waves = 0
    for lanes in _warps(tiles * share):
        here: list[tuple[int, int, int] | None] = []  # the part of the rows, the outputs and the inputs
        for t in lanes:
            part, rest = (t or 0) // step % share, (t or 0) // (step * share)
            o = (t or 0) % low_o + rest % high_o * low_o
            i = (t or 0) // low_o % low_i + rest // high_o * low_i
            here.append((part, o, i) if t is not None and o < outs and i < ins else None)
        if all(place is None for place in here):
            continue
        for n in range(4):
            features = [
                [p and (p[1] + n * outs) % n_out * tile.stride + 4 * run * p[0] for p in here],
                [p and (p[2] + n * ins) % n_in * tile.stride + 4 * run * p[0] for p in here],
            ][: 2 if n < loads else 1]
            waves += steps * sum(wavefronts(lanes, 4) for lanes in features)
        for n in range(kept):
            to = [
                p and (p[1] + (p[0] * kept + n) // 4 * outs, p[2] + (p[0] * kept + n) % 4 * ins) for p in here
            ]
            stored = [None if p is None or p[0] >= n_out or p[1] > n_in else p[0] * row + p[1] for p in to]
            waves += 2 * wavefronts(stored)  # read, and written
        waves += exchanges
        adds += 16 * loads * steps
    return TileProduct(f"gather {n_out}x{n_in}", adds, waves, -(-steps // 2))


def network_forward(tile: ProductShape, network: NetworkSpec) -> list[TileProduct]:
    """Count the evaluation of a network."""
    return [forward(tile, *widths) for widths in pairwise(network.widths)]


def network_backward(
    tile: ProductShape, network: NetworkSpec, gathers: bool, to_input: bool
) -> list[TileProduct]:
    """Count the propagation of a cotangent, with the gradients of the weights, or to the input, if wanted."""
    layers = list(enumerate(pairwise(network.widths)))
    found = [gather(tile, *widths) for _, widths in layers] if gathers else []
    return found + [backward(tile, *widths, layer > 0) for layer, widths in layers if layer or to_input]
