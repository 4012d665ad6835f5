"""A perceptron on a tile of rows that stays in the cache: packed weights, forward, backward.

Weights are packed once a step into matrices whose sides are multiples of 8, with the bias as one more
column; activations carry a column of ones to meet it. Products are then all of BLAS's favourite shapes,
the bias costs nothing, its gradient comes with that of the weights, and every loop runs flat over whole
tiles. Padding is met by zeros of the packed weights, so it never has an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from vsmnp.types import Array

from .cpu_compile import compiled
from .cpu_elementary import formula
from .scalar import (
    elu,
    elu_slope,
    relu,
    relu_slope,
    sigmoid,
    sigmoid_slope,
    softplus,
    softplus_slope,
    tanh,
    tanh_slope,
)

#: Sides of packed matrices are multiples of this many numbers.
LANES = 8
#: How activations are told apart in compiled code.
CODES = {"relu": 0, "tanh": 1, "softplus": 2, "elu": 3, "sigmoid": 4}

# columns of a layer table
_IN, _OUT, _IN_PADDED, _OUT_PADDED, _W, _B, _PACKED, _ROWS_AT = range(8)


class Network(NamedTuple):
    """One perceptron's packed weights and the memory of a tile.

    Attributes
    ----------
    table : Array
        ``(layers, 8)``: widths, padded widths, places of weights and bias in the flat vector, place in
        ``packed``, and place of a row's input in a tile (to be multiplied by the rows of the tile).
    packed, gradient : Array
        Weights with their biases, and what is gathered for them.
    tile : Array
        All inputs and outputs of a tile, layer after layer.
    here, there : Array
        Two cotangents that take turns.
    product : Array
        A gradient of one layer from one tile.
    code : int
        Of the activation.
    """

    table: Array
    packed: Array
    gradient: Array
    tile: Array
    here: Array
    there: Array
    product: Array
    code: int


def _padded(width: int) -> int:
    return -(-width // LANES) * LANES


def layer_table(widths: Sequence[int], weights: Sequence[int], biases: Sequence[int]) -> Array:
    """The table of a perceptron of these widths whose arrays start there in the flat vector."""
    rows = []
    packed = at = 0
    last = len(widths) - 2
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        in_padded = _padded(n_in + 1)
        out_padded = _padded(n_out + (i < last))
        rows.append((n_in, n_out, in_padded, out_padded, weights[i], biases[i], packed, at))
        packed += in_padded * out_padded
        at += in_padded
    return np.array(rows, np.int64)


def network(table: Array, activation: str, rows: int, dtype: Any) -> Network:
    """Memory for tiles of up to ``rows`` rows."""
    sizes = table[:, _IN_PADDED] * table[:, _OUT_PADDED]
    widest = int(max(table[:, _IN_PADDED].max(), table[:, _OUT_PADDED].max()))
    across = int(table[:, _IN_PADDED].sum() + table[-1, _OUT_PADDED])
    return Network(
        table,
        np.zeros(int(sizes.sum()), dtype),
        np.zeros(int(sizes.sum()), dtype),
        np.zeros(rows * across, dtype),
        np.zeros(rows * widest, dtype),
        np.zeros(rows * widest, dtype),
        np.zeros(int(sizes.max()), dtype),
        CODES[activation],
    )


@compiled
def pack(net: Network, vector: Array) -> None:
    """Copy weights and biases out of a flat vector ``(P,)``; forget gathered gradients."""
    net.gradient[:] = 0
    for layer in range(net.table.shape[0]):
        n_in, n_out, in_padded, _, w, b, packed, _ = net.table[layer]
        for o in range(n_out):
            row = net.packed[packed + o * in_padded : packed + o * in_padded + n_in + 1]
            source = vector[w + o * n_in : w + (o + 1) * n_in]
            for i in range(n_in):
                row[i] = source[i]
            row[n_in] = vector[b + o]


@compiled
def unpack(net: Network, g: Array) -> None:
    """Write the gathered gradients to a flat vector ``(P,)``."""
    for layer in range(net.table.shape[0]):
        n_in, n_out, in_padded, _, w, b, packed, _ = net.table[layer]
        for o in range(n_out):
            row = net.gradient[packed + o * in_padded : packed + o * in_padded + n_in + 1]
            target = g[w + o * n_in : w + (o + 1) * n_in]
            for i in range(n_in):
                target[i] = row[i]
            g[b + o] = row[n_in]


@formula
def rows_of(net: Network, layer: int, rows: int) -> Any:
    """The input of a layer on the tile, ``(rows, padded width)``; past the last layer, the output."""
    layers = net.table.shape[0]
    if layer < layers:
        width, at = net.table[layer, 2], net.table[layer, 7]
    else:
        width, at = net.table[layers - 1, 3], net.table[layers - 1, 7] + net.table[layers - 1, 2]
    return net.tile[at * rows : (at + width) * rows].reshape(rows, width)


@compiled
def _activate(code: int, x: Array, y: Array) -> None:
    # into another array: a loop that replaces its input does not become vector instructions
    if code == 0:
        for i in range(y.size):
            y[i] = relu(x[i])
    elif code == 1:
        for i in range(y.size):
            y[i] = tanh(x[i])
    elif code == 2:
        for i in range(y.size):
            y[i] = softplus(x[i])
    elif code == 3:
        for i in range(y.size):
            y[i] = elu(x[i])
    else:
        for i in range(y.size):
            y[i] = sigmoid(x[i])


@compiled
def _slope(code: int, y: Array, v: Array) -> None:
    if code == 0:
        for i in range(v.size):
            v[i] *= relu_slope(y[i])
    elif code == 1:
        for i in range(v.size):
            v[i] *= tanh_slope(y[i])
    elif code == 2:
        for i in range(v.size):
            v[i] *= softplus_slope(y[i])
    elif code == 3:
        for i in range(v.size):
            v[i] *= elu_slope(y[i])
    else:
        for i in range(v.size):
            v[i] *= sigmoid_slope(y[i])


@compiled
def forward(net: Network, rows: int) -> Array:
    """From the input of the first layer, ones included, to the output ``(rows, padded width)``."""
    layers = net.table.shape[0]
    for layer in range(layers):
        x, y = rows_of(net, layer, rows), rows_of(net, layer + 1, rows)
        in_padded, out_padded, packed = net.table[layer, 2], net.table[layer, 3], net.table[layer, 6]
        w = net.packed[packed : packed + in_padded * out_padded].reshape(out_padded, in_padded)
        if layer == layers - 1:
            np.dot(x, w.T, y)
        else:
            before = net.there[: rows * out_padded]
            np.dot(x, w.T, before.reshape(rows, out_padded))
            _activate(net.code, before, y.reshape(rows * out_padded))
            ones = net.table[layer, 1]
            for i in range(rows):
                y[i, ones] = 1
    y_last: Array = rows_of(net, layers, rows)
    return y_last


@compiled
def backward(net: Network, rows: int, gather: bool, want_x: bool) -> Array:
    """Carry the cotangent in ``here`` back; the one of the input, if wanted, is returned.

    ``gather`` adds the gradients of the weights to what was gathered before.
    """
    layers = net.table.shape[0]
    gy_memory, gx_memory = net.here, net.there
    for step in range(layers):
        layer = layers - 1 - step
        in_padded, out_padded, packed = net.table[layer, 2], net.table[layer, 3], net.table[layer, 6]
        x = rows_of(net, layer, rows)
        gy = gy_memory[: rows * out_padded].reshape(rows, out_padded)
        size = in_padded * out_padded
        if gather:
            product = net.product[:size]
            np.dot(gy.T, x, product.reshape(out_padded, in_padded))
            total = net.gradient[packed : packed + size]
            for i in range(size):
                total[i] += product[i]
        if layer > 0 or want_x:
            gx = gx_memory[: rows * in_padded]
            w = net.packed[packed : packed + size].reshape(out_padded, in_padded)
            np.dot(gy, w, gx.reshape(rows, in_padded))
            if layer > 0:
                _slope(net.code, x.reshape(rows * in_padded), gx)
            gy_memory, gx_memory = gx_memory, gy_memory
    in_padded = net.table[0, 2]
    gx_rows: Array = gy_memory[: rows * in_padded].reshape(rows, in_padded)
    return gx_rows
