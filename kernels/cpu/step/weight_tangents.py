"""The tangents of a perceptron on a tile along a direction of its weights, with the input held fixed.

The direction is a flat vector of the layout of the weights. Along it a layer ``y = W x + b`` has the tangent
``dW x + db + W dx``, and its cotangents ``gx = W' gy`` have ``W' dgy + dW' gy``: two products each. The
tangent of a backward sweep whose cotangents are known is that along a direction of the input as well.
"""

from __future__ import annotations

from typing import Any

from vsmnp.types.arrays import Array

from ..llvm import call_with_pointers
from ..views import beyond, row_of
from .affine_llvm import MASKED, PLAIN
from .inner_loops import CURVE, NONE, SLOPE
from .perceptron import RELU_CODE, code_after, input_vjp, loop_of, product, weight_vjp
from .stages import stage
from .tile import COTANGENT, IN, OUT, PLANE, TANGENT, B, W


@stage
def add_planes(tile: Any, source: int, n: int, cols: int, target: int) -> None:
    """Compute ``target += source`` for n planes."""
    for p in range(n):
        x, y = row_of(tile.planes, source + p), row_of(tile.planes, target + p)
        for i in range(cols):
            y[i] += x[i]


@stage
def forward_along_weights(tile: Any, table: Array, vector: Array, dvector: Array, cols: int) -> None:
    """Compute the tangents of all layers along the direction ``dvector`` of the weights."""
    planes, at = tile.planes, tile.at[0]
    for layer in range(table.shape[0] - 1):
        n_in, n_out, x, dx = table[layer, IN], table[layer, OUT], table[layer, PLANE], table[layer, TANGENT]
        dw, db = beyond(dvector, table[layer, W]), beyond(dvector, table[layer, B])
        y, dy, code = table[layer + 1, PLANE], table[layer + 1, TANGENT], code_after(table, layer)
        direct = code in (RELU_CODE, NONE)
        mode = MASKED if code == RELU_CODE else PLAIN
        to = dy if direct else at.even
        product(tile, dw, n_in, 1, db, 1, x, to, y, mode, n_out, n_in, cols)
        if layer > 0:
            w = beyond(vector, table[layer, W])
            product(tile, w, n_in, 1, vector, 0, dx, at.odd, y, mode, n_out, n_in, cols)
            add_planes(tile, at.odd, n_out, cols, to)
        if not direct:
            ends = row_of(planes, y), row_of(planes, to), row_of(planes, dy)
            call_with_pointers(loop_of(tile, code, SLOPE), (*ends, n_out, cols, planes.shape[1]))


@stage
def tangent_of_backward(
    tile: Any, table: Array, vector: Array, dvector: Array, moves: int, gy: int, dgy: int, dg: Array,
    want_x: int, cols: int,
) -> None:  # fmt: skip
    """Add the tangents of the weights' gradients to ``dg``, where ``backward`` computed all cotangents.

    The tangents are those of ``forward_along``, or of ``forward_along_weights`` if the weights move along
    ``dvector``. ``want_x`` computes the tangent of the input's cotangent. The cotangents before an activation
    are replaced by those after it, and ``gy`` and ``dgy`` where the output has one.
    """
    planes, layers, stride = tile.planes, table.shape[0] - 1, tile.planes.shape[1]
    if table[layers, OUT] != NONE:
        ends = row_of(planes, table[layers, PLANE]), row_of(planes, table[layers, TANGENT])
        both = row_of(planes, gy), row_of(planes, dgy)
        call_with_pointers(
            loop_of(tile, table[layers, OUT], CURVE), (*ends, *both, table[layers - 1, OUT], cols, stride)
        )
    for step in range(layers):
        layer = layers - 1 - step
        x, dx, n_in = table[layer, PLANE], table[layer, TANGENT], table[layer, IN]
        weight_vjp(tile, table, layer, dgy, x, dg, True, cols)
        if layer > 0 or not moves:
            weight_vjp(tile, table, layer, gy, dx, dg, False, cols)
        if layer > 0 or want_x:
            dgx = tile.at[0].d_even if step % 2 == 0 else tile.at[0].d_odd
            input_vjp(tile, table, layer, vector, dgy, dgx, cols)
            if moves:
                input_vjp(tile, table, layer, dvector, gy, tile.at[0].even, cols)
                add_planes(tile, tile.at[0].even, n_in, cols, dgx)
            gy, dgy = table[layer, COTANGENT], dgx
            if layer > 0 and table[layers, IN] != RELU_CODE:
                ends = row_of(planes, x), row_of(planes, dx)
                both = row_of(planes, gy), row_of(planes, dgy)
                call_with_pointers(
                    loop_of(tile, table[layers, IN], CURVE), (*ends, *both, n_in, cols, stride)
                )
