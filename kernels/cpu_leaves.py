"""The inner loops of the fused step, each compiled once and called by its address.

Numba compiles whatever a function calls once more with it, and again with each caller of that: the inner
loops, with their blocks and polynomials, would be compiled dozens of times. An address keeps them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeAlias

import numba
import numpy as np
from numba import carray, types

from vsmnp.arrays import Array

from .cpu_affine import affine
from .cpu_compile import callback
from .cpu_elementary import Formula, exp
from .cpu_outer import outer
from .cpu_random import count_blocks, normals_of_lanes, philox_rounds
from .cpu_sums import total
from .cpu_vectors import invoke
from .scalar import (
    elu,
    elu_curve,
    elu_slope,
    exp_curve,
    exp_slope,
    sigmoid,
    sigmoid_curve,
    sigmoid_slope,
    softplus,
    softplus_curve,
    softplus_slope,
    tanh,
    tanh_curve,
    tanh_slope,
)

Leaf: TypeAlias = Callable[..., None]

#: How activations are told apart in compiled code; ``NONE`` is the identity.
CODES = {"relu": 0, "tanh": 1, "softplus": 2, "elu": 3, "sigmoid": 4, "exp": 5}
NONE = -1
#: Where the addresses are in their array; those of an activation come after its code's three places.
AFFINE, OUTER, DRAW, PHILOX, NORMALS, FIRST = range(6)
VALUE, SLOPE, CURVE = range(3)
#: How many places there are.
LEAVES = FIRST + 3 * len(CODES)


def _affine(
    w: Any, w_o: int, w_i: int, b: Any, biased: int, x: Any, y: Any, mask: Any, mode: int, n_out: int,
    n_in: int, rows: int, stride: int,
) -> None:  # fmt: skip
    affine(w, w_o, w_i, b, biased, x, y, mask, mode, n_out, n_in, rows, stride)


def _outer(
    gy: Any, x: Any, w: Any, b: Any, biased: int, n_out: int, n_in: int, rows: int, stride: int
) -> None:  # fmt: skip
    """``w += gy x'``, and ``b += sum gy`` if there is a bias."""
    outer(gy, x, w, n_in, n_out, n_in, rows, stride)
    if biased:
        planes, sums = carray(gy, (n_out, stride)), carray(b, (n_out,))
        for o in range(n_out):
            sums[o] += total(planes[o, :rows])


def _value_leaf(f: Formula) -> Leaf:
    def value(x: Any, y: Any, n: int, rows: int, stride: int) -> None:
        """``y = f(x)`` of n planes; the two must not be the same memory."""
        xs, ys = carray(x, (n, stride)), carray(y, (n, stride))
        for p in range(n):
            x_p, y_p = xs[p, :rows], ys[p, :rows]
            for i in range(rows):
                y_p[i] = f(x_p[i])

    return value


def _slope_leaf(h: Formula) -> Leaf:
    def slope(y: Any, v: Any, out: Any, n: int, rows: int, stride: int) -> None:
        """``out = f' v`` of n planes, from ``y = f(x)``; ``out`` may be ``v``."""
        ys, vs, outs = carray(y, (n, stride)), carray(v, (n, stride)), carray(out, (n, stride))
        for p in range(n):
            y_p, v_p, out_p = ys[p, :rows], vs[p, :rows], outs[p, :rows]
            for i in range(rows):
                out_p[i] = v_p[i] * h(y_p[i])

    return slope


def _curve_leaf(h: Formula, dh: Formula) -> Leaf:
    def curve(y: Any, dy: Any, gy: Any, dgy: Any, n: int, rows: int, stride: int) -> None:
        """``dgy = f' dgy + f'' dx gy``, then ``gy = f' gy``, of n planes, from ``y`` and ``dy = f' dx``."""
        ys, dys = carray(y, (n, stride)), carray(dy, (n, stride))
        gys, dgys = carray(gy, (n, stride)), carray(dgy, (n, stride))
        for p in range(n):
            y_p, dy_p, gy_p, dgy_p = ys[p, :rows], dys[p, :rows], gys[p, :rows], dgys[p, :rows]
            for i in range(rows):
                slope = h(y_p[i])
                dgy_p[i] = slope * dgy_p[i] + dh(y_p[i]) * dy_p[i] * gy_p[i]
                gy_p[i] = slope * gy_p[i]

    return curve


def _philox(words: Any, blocks: int, seed: int) -> None:
    """All rounds of counters ``(4, blocks)``."""
    philox_rounds(carray(words, (4, blocks), np.uint32), np.uint64(seed))


def _normals(words: Any, numbers: Any, blocks: int) -> None:
    """Normals of words, both ``(2, 2, blocks)``."""
    normals_of_lanes(carray(words, (2, 2, blocks), np.uint32), carray(numbers, (2, 2, blocks)))


def _draw(
    seed: int, stream: int, step: int, row: int, batch: int, samples: int, rows: int, width: int, signs: int,
    out: Any, apart: int, stride: int, philox: int, normals: int,
) -> None:  # fmt: skip
    """Normals, or signs +-1, into planes: ``rows`` of ``width`` numbers in order, of every sample.

    Those of a sample begin ``batch`` rows after its predecessor's, and fill columns ``apart`` of its.
    """
    planes = carray(out, (width, stride))
    blocks = -(-rows * width // 4) + 1  # one more than a sample fills, as it may begin inside a block
    words, numbers = np.empty((4, samples * blocks), np.uint32), np.empty((4, samples * blocks), planes.dtype)
    for j in range(samples):
        start = np.uint64((row + j * batch) * width // 4)
        count_blocks(words[:, j * blocks : (j + 1) * blocks], start, np.uint64(stream), np.uint64(step))
    invoke(philox, (words, samples * blocks, seed))
    if signs:
        for lane in range(4):
            for i in range(samples * blocks):
                numbers[lane, i] = 1 - 2 * np.int32(words[lane, i] >> np.uint32(31))
    else:
        invoke(normals, (words, numbers, samples * blocks))
    in_order = np.empty(4 * blocks, planes.dtype)
    for j in range(samples):
        a, b, c, d = (
            numbers[0, j * blocks : (j + 1) * blocks], numbers[1, j * blocks : (j + 1) * blocks],
            numbers[2, j * blocks : (j + 1) * blocks], numbers[3, j * blocks : (j + 1) * blocks],
        )  # fmt: skip
        for i in range(blocks):
            in_order[4 * i], in_order[4 * i + 1], in_order[4 * i + 2], in_order[4 * i + 3] = (
                a[i], b[i], c[i], d[i],
            )  # fmt: skip
        skip = (row + j * batch) * width % 4
        for p in range(width):
            plane = planes[p, j * apart :]
            for i in range(rows):
                plane[i] = in_order[skip + i * width + p]


_FIRST = (
    (_affine, "pwwpwpppwwwww"),
    (_outer, "ppppwwwww"),
    (_draw, "wwwwwwwwwpwwww"),
    (_philox, "iww"),
    (_normals, "ipw"),
)
#: f, f' = h(y), h'(y) of each activation; a relu's are in the products.
_FORMULAS: dict[str, tuple[Formula, Formula, Formula]] = {
    "tanh": (tanh, tanh_slope, tanh_curve),
    "softplus": (softplus, softplus_slope, softplus_curve),
    "elu": (elu, elu_slope, elu_curve),
    "sigmoid": (sigmoid, sigmoid_slope, sigmoid_curve),
    "exp": (exp, exp_slope, exp_curve),
}


@cache
def _compiled(leaf: Leaf, letters: str, dtype: np.dtype[Any]) -> Any:
    kinds = {
        "p": types.CPointer(numba.from_dtype(dtype)),
        "i": types.CPointer(types.uint32),
        "w": types.int64,
    }
    return callback(leaf, types.void(*(kinds[letter] for letter in letters)))


@cache
def _activation(name: str) -> tuple[tuple[Leaf, str], ...]:
    f, h, dh = _FORMULAS[name]
    return (_value_leaf(f), "ppwww"), (_slope_leaf(h), "pppwww"), (_curve_leaf(h, dh), "ppppwww")


def addresses(dtype: np.dtype[Any], activations: Iterable[str], curved: bool) -> Array:
    """Where each leaf is, for the activations in use; they stay there as long as the process lives."""
    found = np.zeros(LEAVES, np.int64)
    found[:FIRST] = [_compiled(leaf, letters, dtype).address for leaf, letters in _FIRST]
    for name in set(activations) & set(_FORMULAS):
        start = FIRST + 3 * CODES[name]
        for kind, (leaf, letters) in enumerate(_activation(name)[: 3 if curved else 2]):
            found[start + kind] = _compiled(leaf, letters, dtype).address
    return found
