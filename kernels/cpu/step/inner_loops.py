"""The inner loops of the fused step, each compiled once and called by its address.

Numba compiles a called function again within each caller, and again within the callers of that: the inner
loops, with their blocks and polynomials, would be compiled dozens of times. A call by address avoids this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeAlias

import numba
import numpy as np
from numba import carray, types

from vsmnp.types.arrays import Array

from ...formulas.activations import ACTIVATIONS
from ...formulas.elementary import OPTIONS, Formula, formula
from ...formulas.scalar import like
from ...reference.activations import CODES
from ..compilation import ROUNDED, callback
from ..llvm import call_with_pointers
from ..optimizers import adam_row, sgd_row
from ..philox_llvm import BLOCKS
from ..random import normals_loop, words_loop
from ..views import beyond, run_of
from .affine_llvm import affine, affine_sum
from .outer_llvm import outer, outer_sum

InnerLoop: TypeAlias = Callable[..., None]

#: The code of the identity in place of an activation.
NONE = -1
#: Indices into the array of addresses; an activation has three, from ``FIRST + 3 code``.
AFFINE, OUTER, DRAW, AFFINE_SUM, OUTER_SUM, WORDS, NORMALS, MOVE, FIRST = range(9)
VALUE, SLOPE, CURVE = range(3)
#: Length of the array of addresses.
INNER_LOOPS = FIRST + 3 * len(CODES)


def _affine(
    w: Any, w_o: int, w_i: int, b: Any, biased: int, x: Any, y: Any, mask: Any, mode: int, n_out: int,
    n_in: int, rows: int, stride: int,
) -> None:  # fmt: skip
    affine(w, w_o, w_i, b, biased, x, y, mask, mode, n_out, n_in, rows, stride)


def _outer(
    gy: Any, x: Any, w: Any, b: Any, biased: int, n_out: int, n_in: int, rows: int, stride: int
) -> None:  # fmt: skip
    """Add ``w += gy x'``, and ``b += sum gy`` if there is a bias."""
    outer(gy, x, w, b, biased, n_in, n_out, n_in, rows, stride)


def _affine_sum(
    w: Any, v: Any, w_o: int, w_i: int, b: Any, biased: int, x: Any, u: Any, y: Any, mask: Any, mode: int,
    n_out: int, n_in: int, rows: int, stride: int,
) -> None:  # fmt: skip
    affine_sum(w, v, w_o, w_i, b, biased, x, u, y, mask, mode, n_out, n_in, rows, stride)


def _outer_sum(
    gy: Any, x: Any, dgy: Any, dx: Any, w: Any, b: Any, biased: int, n_out: int, n_in: int, rows: int,
    stride: int,
) -> None:  # fmt: skip
    """Add ``w += gy x' + dgy dx'``, and ``b += sum gy`` if there is a bias."""
    outer_sum(gy, x, dgy, dx, w, b, biased, n_in, n_out, n_in, rows, stride)


def _value_loop(f: Formula) -> InnerLoop:
    def value(x: Any, y: Any, n: int, rows: int, stride: int) -> None:
        """Compute ``y = f(x)`` of n planes; the two must not be the same memory."""
        xs, ys = carray(x, (n, stride)), carray(y, (n, stride))
        for p in range(n):
            x_p, y_p = xs[p, :rows], ys[p, :rows]
            for i in range(rows):
                y_p[i] = f(x_p[i])

    return value


def _slope_loop(h: Formula) -> InnerLoop:
    def slope(y: Any, v: Any, out: Any, n: int, rows: int, stride: int) -> None:
        """Compute ``out = f' v`` of n planes, from ``y = f(x)``; ``out`` may be ``v``."""
        ys, vs, outs = carray(y, (n, stride)), carray(v, (n, stride)), carray(out, (n, stride))
        for p in range(n):
            y_p, v_p, out_p = ys[p, :rows], vs[p, :rows], outs[p, :rows]
            for i in range(rows):
                out_p[i] = v_p[i] * h(y_p[i])

    return slope


def _curve_loop(h: Formula, dh: Formula) -> InnerLoop:
    def curve(y: Any, dy: Any, gy: Any, dgy: Any, n: int, rows: int, stride: int) -> None:
        """Set ``dgy = f' dgy + f'' dx gy``, then ``gy = f' gy``, of n planes, from y and ``dy = f' dx``."""
        ys, dys = carray(y, (n, stride)), carray(dy, (n, stride))
        gys, dgys = carray(gy, (n, stride)), carray(dgy, (n, stride))
        for p in range(n):
            y_p, dy_p, gy_p, dgy_p = ys[p, :rows], dys[p, :rows], gys[p, :rows], dgys[p, :rows]
            for i in range(rows):
                slope = h(y_p[i])
                dgy_p[i] = slope * dgy_p[i] + dh(y_p[i]) * dy_p[i] * gy_p[i]
                gy_p[i] = slope * gy_p[i]

    return curve


def _draw(
    seed: int, stream: int, step: int, row: int, batch: int, samples: int, rows: int, width: int, signs: int,
    out: Any, apart: int, stride: int, bits: Any, numbers: Any, in_order: Any, words: int, normals: int,
) -> None:  # fmt: skip
    """Draw normals, or signs +-1, into planes: ``rows`` of ``width`` numbers in order, for every sample.

    The rows of a sample begin ``batch`` rows after those of the sample before it in the stream, and ``apart``
    columns after them in the planes. ``bits``, ``numbers`` and ``in_order`` are scratch memory; ``words`` and
    ``normals`` are the addresses of the random loops.
    """
    needed = (rows * width + 3) // 4 + 1  # one more than a sample fills, as it may begin inside a block
    blocks = (needed + BLOCKS - 1) // BLOCKS * BLOCKS
    count = samples * blocks
    flat_bits, lanes = carray(bits, (4 * count,)), carray(numbers, (4, count))
    for j in range(samples):
        start = (row + j * batch) * width // 4
        call_with_pointers(words, (beyond(flat_bits, j * blocks), count, blocks, seed, stream, step, start))
    if signs:
        flat = carray(numbers, (4 * count,))
        for i in range(4 * count):
            flat[i] = 1 - 2 * np.int32(flat_bits[i] >> np.uint32(31))
    else:
        call_with_pointers(normals, (flat_bits, lanes, count))
    ordered, planes = carray(in_order, (4 * blocks,)), carray(out, (width, stride))
    for j in range(samples):
        for lane in range(4):
            one = run_of(lanes, lane, j * blocks, blocks)
            for i in range(blocks):
                ordered[4 * i + lane] = one[i]
        skip = (row + j * batch) * width % 4
        for p in range(width):
            plane = run_of(planes, p, j * apart, rows)
            for i in range(rows):
                plane[i] = ordered[skip + i * width + p]


def _adam(
    p: Any, g: Any, m: Any, v: Any, size: int, lr: float, correction1: float, correction2: float,
    rate1: float, rate2: float, eps: float,
) -> None:  # fmt: skip
    """Do a step of Adam for ``size`` parameters; see ``adam_row`` in ``optimizers.py``."""
    vector, real = carray(p, (size,)), carray(p, (size,)).dtype.type
    adam_row(
        vector, carray(g, (size,)), carray(m, (size,)), carray(v, (size,)), real(lr), real(correction1),
        real(correction2), real(rate1), real(rate2), real(eps),
    )  # fmt: skip


def _sgd(
    p: Any, g: Any, m: Any, v: Any, size: int, lr: float, correction1: float, correction2: float,
    rate1: float, rate2: float, eps: float,
) -> None:  # fmt: skip
    """Do a plain gradient step, which uses the learning rate alone."""
    vector = carray(p, (size,))
    sgd_row(vector, carray(g, (size,)), vector.dtype.type(lr))


_FIRST = ((_affine, "pwwpwpppwwwww"), (_outer, "ppppwwwww"), (_draw, "wwwwwwwwwpwwippww"))
#: The loops of gradients of second order, which follow.
_SUMS = ((_affine_sum, "ppwwpwppppwwwww"), (_outer_sum, "ppppppwwwww"))

#: The types of the arguments of loops of one signature for every activation and optimiser.
LETTERS = {DRAW: _FIRST[DRAW][1], MOVE: "ppppwrrrrrr"}


@cache
def _compiled(loop: InnerLoop, letters: str, dtype: np.dtype[Any]) -> Any:
    kinds = {
        "p": types.CPointer(numba.from_dtype(dtype)),
        "i": types.CPointer(types.uint32),
        "w": types.int64,
        "r": types.float64,
    }
    options = ROUNDED if loop in (_adam, _sgd) else OPTIONS
    return callback(loop, types.void(*(kinds[letter] for letter in letters)), options)


@formula
def _zero(y: Any) -> Any:
    return like(y, 0)


@cache
def _activation(name: str) -> tuple[tuple[InnerLoop, str], ...]:
    f, h, dh = ACTIVATIONS[name]
    return (_value_loop(f), "ppwww"), (_slope_loop(h), "pppwww"), (_curve_loop(h, dh or _zero), "ppppwww")


def addresses(dtype: np.dtype[Any], activations: Iterable[str], curved: bool, adam: bool) -> Array:
    """Compile the loops in use and return their addresses, which are valid until the process ends."""
    found = np.zeros(INNER_LOOPS, np.int64)
    used = (*_FIRST, *_SUMS) if curved else _FIRST
    found[: len(used)] = [_compiled(loop, letters, dtype).address for loop, letters in used]
    found[WORDS], found[NORMALS] = words_loop().address, normals_loop(dtype).address
    found[MOVE] = _compiled(_adam if adam else _sgd, LETTERS[MOVE], dtype).address
    for name in set(activations):
        start = FIRST + 3 * CODES[name]
        for kind, (loop, letters) in enumerate(_activation(name)[: 3 if curved else 2]):
            found[start + kind] = _compiled(loop, letters, dtype).address
    return found
