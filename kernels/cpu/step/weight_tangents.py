"""The tangents of a perceptron on a tile along a direction of its weights, with the input held fixed.

The direction is a flat vector of the layout of the weights. Along it a layer ``y = W x + b`` has the tangent
``dW x + db + W dx``, and its cotangents ``gx = W' gy`` have ``W' dgy + dW' gy``: two products each. The
tangent of a backward sweep whose cotangents are known is that along a direction of the input as well.
"""

from __future__ import annotations

from typing import Any

from vsmnp.types.arrays import Array

from ...formulas.elementary import formula
from ..llvm import call_with_pointers
from ..views import beyond, row_of
from .affine_llvm import FEW_INPUTS, MASKED, PLAIN
from .inner_loops import AFFINE_SUM, CURVE, NONE, OUTER_SUM, SLOPE
from .perceptron import RELU_CODE, code_after, input_vjp, loop_of, product, weight_vjp
from .stages import stage
from .tile import COTANGENT, IN, OUT, PLANE, TANGENT, B, W


@formula
def _product_sum(
    tile: Any, w: Any, dw: Any, w_o: int, w_i: int, b: Any, biased: int, dx: int, x: int, y: int, mask: int,
    mode: int, n_out: int, n_in: int, cols: int,
) -> None:  # fmt: skip
    """Compute ``y = w dx + dw x``, plus b if ``biased``, of planes, as ``product`` does."""
    planes = tile.planes
    ends = row_of(planes, dx), row_of(planes, x), row_of(planes, y), row_of(planes, mask)
    sizes = n_out, n_in, cols, planes.shape[1]
    call_with_pointers(tile.inner_loops[AFFINE_SUM], (w, dw, w_o, w_i, b, biased, *ends, mode, *sizes))


@formula
def _weight_vjp_along(
    tile: Any, table: Any, layer: int, dgy: int, x: int, gy: int, dx: int, dg: Any, cols: int
) -> None:
    """Add to the tangent of a layer's gradient: ``dw += dgy x' + gy dx'``, and ``db += sum dgy``."""
    planes = tile.planes
    ends = row_of(planes, dgy), row_of(planes, x), row_of(planes, gy), row_of(planes, dx)
    to = beyond(dg, table[layer, W]), beyond(dg, table[layer, B])
    sizes = table[layer, OUT], table[layer, IN], cols, planes.shape[1]
    call_with_pointers(tile.inner_loops[OUTER_SUM], (*ends, *to, True, *sizes))


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
        if layer == 0:
            product(tile, dw, n_in, 1, db, 1, x, to, y, mode, n_out, n_in, cols)
        else:
            w = beyond(vector, table[layer, W])
            _product_sum(tile, w, dw, n_in, 1, db, 1, dx, x, to, y, mode, n_out, n_in, cols)
        if not direct:
            ends = row_of(planes, y), row_of(planes, to), row_of(planes, dy)
            call_with_pointers(loop_of(tile, code, SLOPE), (*ends, n_out, cols, planes.shape[1]))


@stage
def tangent_of_backward(
    tile: Any, table: Array, vector: Array, dvector: Array, moves: int, gy: int, dgy: int, dg: Array,
    want_x: int, cols: int,
) -> None:  # fmt: skip
    """Add the tangents of the weights' gradients to ``dg``, where ``backward`` computed all cotangents.

    Those that a kept tile lacks, of layers with few outputs, are computed again. The tangents are those of
    ``forward_along``, or of ``forward_along_weights`` if the weights move along ``dvector``. ``want_x``
    computes the tangent of the input's cotangent. The cotangents before an activation are replaced by those
    after it, and ``gy`` and ``dgy`` where the output has one.
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
        if layer > 0 or not moves:
            _weight_vjp_along(tile, table, layer, dgy, x, gy, dx, dg, cols)
        else:
            weight_vjp(tile, table, layer, dgy, x, dg, True, cols)
        if layer > 0 or want_x:
            dgx = tile.at[0].d_even if step % 2 == 0 else tile.at[0].d_odd
            if moves:
                w, dw = beyond(vector, table[layer, W]), beyond(dvector, table[layer, W])
                mode = MASKED if layer > 0 and code_after(table, layer - 1) == RELU_CODE else PLAIN
                sizes = table[layer, OUT], cols
                _product_sum(tile, w, dw, 1, n_in, vector, 0, dgy, gy, dgx, x, mode, n_in, *sizes)
            else:
                input_vjp(tile, table, layer, vector, dgy, dgx, cols)
            gx = table[layer, COTANGENT]
            if tile.at[0].kept and layer > 0 and table[layer, OUT] <= FEW_INPUTS:
                input_vjp(tile, table, layer, vector, gy, gx, cols)
            gy, dgy = gx, dgx
            if layer > 0 and table[layers, IN] != RELU_CODE:
                ends = row_of(planes, x), row_of(planes, dx)
                both = row_of(planes, gy), row_of(planes, dgy)
                call_with_pointers(
                    loop_of(tile, table[layers, IN], CURVE), (*ends, *both, n_in, cols, stride)
                )
