"""A perceptron on a tile: forward and backward, and the tangents of both along a direction.

Weights are read from the flat vector, and their gradients are added to another of the same layout. A network
is a table; see ``tile.py``. The planes of the results are given by the functions ``outputs``,
``outputs_along``, ``input_cotangent`` and ``input_cotangent_along``.
"""

from __future__ import annotations

from typing import Any

from vsmnp.types.arrays import Array

from ...formulas.elementary import formula
from ...reference.activations import CODES
from ..llvm import call_with_pointers
from ..views import beyond, row_of
from .affine_llvm import FEW_INPUTS, MASKED, PLAIN, RELU
from .inner_loops import AFFINE, CURVE, FIRST, NONE, OUTER, SLOPE, VALUE
from .stages import stage
from .tile import COTANGENT, IN, OUT, PLANE, SLOPED, TANGENT, B, W

RELU_CODE = CODES["relu"]


@formula
def code_after(table: Any, layer: int) -> Any:
    """Return the code of the activation that follows a layer."""
    last = table.shape[0] - 1
    return table[last, OUT] if layer == last - 1 else table[last, IN]


@formula
def loop_of(tile: Any, code: int, kind: int) -> Any:
    """Return the address of an activation's loop."""
    return tile.inner_loops[FIRST + 3 * code + kind]


@formula
def product(tile: Any, w: Any, w_o: int, w_i: int, b: Any, biased: int, x: int, y: int, mask: int, mode: int,
             n_out: int, n_in: int, cols: int) -> None:  # fmt: skip
    """Compute ``y = w x``, plus b if ``biased``, of planes; the rest is explained in ``affine_llvm.py``."""
    planes = tile.planes
    ends = row_of(planes, x), row_of(planes, y), row_of(planes, mask)
    sizes = n_out, n_in, cols, planes.shape[1]
    call_with_pointers(tile.inner_loops[AFFINE], (w, w_o, w_i, b, biased, *ends, mode, *sizes))


@formula
def input_vjp(tile: Any, table: Any, layer: int, vector: Any, gy: int, gx: int, cols: int) -> None:
    """Compute ``gx = w' gy``, times the slope of the preceding activation if that is a relu."""
    n_in, n_out, w, x = table[layer, IN], table[layer, OUT], table[layer, W], table[layer, PLANE]
    mode = MASKED if layer > 0 and code_after(table, layer - 1) == RELU_CODE else PLAIN
    product(tile, beyond(vector, w), 1, n_in, vector, 0, gy, gx, x, mode, n_in, n_out, cols)


@formula
def weight_vjp(tile: Any, table: Any, layer: int, gy: int, x: int, g: Any, biased: bool, cols: int) -> None:
    """Add to the gradient of a layer: ``w += gy x'``, and ``b += sum gy`` if biased."""
    planes = tile.planes
    sizes = table[layer, OUT], table[layer, IN], cols, planes.shape[1]
    call_with_pointers(
        tile.inner_loops[OUTER],
        (
            row_of(planes, gy),
            row_of(planes, x),
            beyond(g, table[layer, W]),
            beyond(g, table[layer, B]),
            biased,
            *sizes,
        ),
    )


@formula
def outputs(table: Any) -> Any:
    """Return the first plane of the network's output."""
    return table[table.shape[0] - 1, PLANE]


@formula
def outputs_along(table: Any) -> Any:
    """Return the first plane of the output's tangent."""
    return table[table.shape[0] - 1, TANGENT]


@formula
def input_cotangent(table: Any) -> Any:
    """Return the first plane of the input's cotangent, computed by ``backward``."""
    return table[0, COTANGENT]


@formula
def input_cotangent_along(tile: Any, table: Any) -> Any:
    """Return the first plane of the tangent of the input's cotangent, computed by ``backward_along``."""
    return tile.at[0].d_even if table.shape[0] % 2 == 0 else tile.at[0].d_odd


@formula
def _layer(tile: Any, table: Any, layer: int, vector: Any, cols: int) -> None:
    """Evaluate a layer and the activation after it."""
    planes, buffer = tile.planes, tile.at[0].even
    n_in, n_out, x = table[layer, IN], table[layer, OUT], table[layer, PLANE]
    w, b = beyond(vector, table[layer, W]), beyond(vector, table[layer, B])
    y, code = table[layer + 1, PLANE], code_after(table, layer)
    if code in (RELU_CODE, NONE):
        mode = RELU if code == RELU_CODE else PLAIN
        product(tile, w, n_in, 1, b, 1, x, y, y, mode, n_out, n_in, cols)
    else:
        product(tile, w, n_in, 1, b, 1, x, buffer, buffer, PLAIN, n_out, n_in, cols)
        call_with_pointers(
            loop_of(tile, code, VALUE),
            (row_of(planes, buffer), row_of(planes, y), n_out, cols, planes.shape[1]),
        )


@stage
def forward(tile: Any, table: Array, vector: Array, cols: int) -> None:
    """Evaluate the network from the planes of its input to those of its output."""
    for layer in range(table.shape[0] - 1):
        _layer(tile, table, layer, vector, cols)


@stage
def forward_again(tile: Any, table: Array, vector: Array, cols: int) -> None:
    """Evaluate the hidden layers that a kept tile lacks: those of few inputs."""
    for layer in range(table.shape[0] - 2):
        if table[layer, IN] <= FEW_INPUTS:
            _layer(tile, table, layer, vector, cols)


@stage
def backward(
    tile: Any, table: Array, vector: Array, gy: int, g: Array, want_g: int, want_x: int, cols: int
) -> None:
    """Propagate the cotangent ``gy`` of the output back through the network.

    ``want_g`` adds the gradients of the weights to ``g``, a flat vector. The cotangents of the layers' inputs
    are those after a relu and before any other activation. Where the output has an activation, ``gy`` is
    overwritten.
    """
    layers, planes, stride = table.shape[0] - 1, tile.planes, tile.planes.shape[1]
    if table[layers, OUT] != NONE:
        y, n = row_of(planes, table[layers, PLANE]), table[layers - 1, OUT]
        call_with_pointers(
            loop_of(tile, table[layers, OUT], SLOPE),
            (y, row_of(planes, gy), row_of(planes, gy), n, cols, stride),
        )
    for step in range(layers):
        layer = layers - 1 - step
        if want_g:
            weight_vjp(tile, table, layer, gy, table[layer, PLANE], g, True, cols)
        if layer > 0 or want_x:
            gx = table[layer, COTANGENT]
            input_vjp(tile, table, layer, vector, gy, gx, cols)
            gy = gx
            if layer > 0 and table[layers, IN] != RELU_CODE:
                gy = table[layer, SLOPED]
                x, n = row_of(planes, table[layer, PLANE]), table[layer, IN]
                call_with_pointers(
                    loop_of(tile, table[layers, IN], SLOPE),
                    (x, row_of(planes, gx), row_of(planes, gy), n, cols, stride),
                )


@stage
def forward_along(tile: Any, table: Array, vector: Array, cols: int) -> None:
    """Propagate the tangent of the input to the output, with the weights fixed."""
    planes, buffer = tile.planes, tile.at[0].even
    for layer in range(table.shape[0] - 1):
        n_in, n_out, dx = table[layer, IN], table[layer, OUT], table[layer, TANGENT]
        w = beyond(vector, table[layer, W])
        dy, y, code = table[layer + 1, TANGENT], table[layer + 1, PLANE], code_after(table, layer)
        if code in (RELU_CODE, NONE):
            mode = MASKED if code == RELU_CODE else PLAIN
            product(tile, w, n_in, 1, vector, 0, dx, dy, y, mode, n_out, n_in, cols)
        else:
            product(tile, w, n_in, 1, vector, 0, dx, buffer, buffer, PLAIN, n_out, n_in, cols)
            ends = row_of(planes, y), row_of(planes, buffer), row_of(planes, dy)
            call_with_pointers(loop_of(tile, code, SLOPE), (*ends, n_out, cols, planes.shape[1]))


@stage
def backward_along(
    tile: Any, table: Array, vector: Array, gy: int, dgy: int, g: Array, dg: Array, want_g: int, want_dg: int,
    want_x: int, cols: int,
) -> None:  # fmt: skip
    """Compute the tangent of ``backward`` along the tangents that ``forward_along`` computed.

    ``want_g`` adds the gradients of the weights to ``g``, ``want_dg`` their tangents to ``dg``, ``want_x``
    computes the tangent of the input's cotangent. Where the output has an activation, ``gy`` and ``dgy`` are
    overwritten.
    """
    layers, planes, stride = table.shape[0] - 1, tile.planes, tile.planes.shape[1]
    if table[layers, OUT] != NONE:
        ends = (
            row_of(planes, table[layers, PLANE]),
            row_of(planes, table[layers, TANGENT]),
            row_of(planes, gy),
            row_of(planes, dgy),
        )
        call_with_pointers(
            loop_of(tile, table[layers, OUT], CURVE), (*ends, table[layers - 1, OUT], cols, stride)
        )
    for step in range(layers):
        layer = layers - 1 - step
        x, dx = table[layer, PLANE], table[layer, TANGENT]
        if want_g:
            weight_vjp(tile, table, layer, gy, x, g, True, cols)
        if want_dg:
            weight_vjp(tile, table, layer, dgy, x, dg, True, cols)
            weight_vjp(tile, table, layer, gy, dx, dg, False, cols)
        if layer > 0 or want_x:
            gx, dgx = table[layer, COTANGENT], tile.at[0].d_even if step % 2 == 0 else tile.at[0].d_odd
            if layer > 0:
                input_vjp(tile, table, layer, vector, gy, gx, cols)
            input_vjp(tile, table, layer, vector, dgy, dgx, cols)
            if layer > 0 and table[layers, IN] != RELU_CODE:
                ends = row_of(planes, x), row_of(planes, dx), row_of(planes, gx), row_of(planes, dgx)
                call_with_pointers(
                    loop_of(tile, table[layers, IN], CURVE), (*ends, table[layer, IN], cols, stride)
                )
            gy, dgy = gx, dgx
