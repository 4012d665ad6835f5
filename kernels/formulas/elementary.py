r"""Elementary functions of one number in a form that a compiler can vectorise within a loop.

They are polynomials without branches or tables; a call of the C library in the loop would cost thirty
times more. Each is accurate to a few units in the last place:

==================== ============================================== ==============================
function             reduction                                      polynomial
==================== ============================================== ==============================
exp, expm1           x = k log 2 + r, :math:`|r| \le \log(2)/2`     Taylor, e^r - 1
log1p, log           :math:`2\,\mathrm{artanh}(s)`, |s| at most 1/3 odd series
cos, sin of 2 pi x   x = q/4 + r, :math:`|r| \le 1/8`               Taylor
==================== ============================================== ==============================

The integer k is read from the bits of ``x / log 2 + magic``, where magic = 1.5 times 2 to the number of
mantissa bits makes the sum round to an integer; 2^k is assembled from bits likewise. Comparisons are
written so that they are false for a NaN, which then propagates through the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np
from numba import types
from numba.extending import intrinsic, overload, register_jitable

#: Numba options of a loop: contraction to fused multiply-adds, but NaN and infinity are honoured.
OPTIONS: Any = {"error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}}
#: Numba options of a formula: it is inlined into the loop, which could not be vectorised otherwise.
INLINE: Any = {**OPTIONS, "forceinline": True, "no_cfunc_wrapper": True}

Formula = Callable[..., Any]


def formula(function: Formula) -> Formula:
    """Let compiled loops call ``function``, which remains a plain Python function."""
    return cast(Formula, register_jitable(**INLINE)(function))


def rounded_formula(function: Formula) -> Formula:
    """Let compiled loops call ``function``, in which every operation rounds as NumPy's does."""
    return cast(Formula, register_jitable(error_model="numpy", forceinline=True)(function))


def reassociating(function: Formula) -> Formula:
    """Let loops call ``function``, whose sums may be split into lanes in an order fixed at compilation."""
    options = {**INLINE, "fastmath": INLINE["fastmath"] | {"reassoc"}}
    return cast(Formula, register_jitable(**options)(function))


def _bits_as(context: Any, x: Any, kind: Any) -> Any:
    """Reinterpret the bits of ``x`` as another type of the same width."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return kind.dtype(x, kind), generate


bits_as: Formula = cast(Formula, intrinsic(_bits_as))


@formula
def horner(x: Any, coefficients: tuple[Any, ...]) -> Any:
    """Evaluate a polynomial by Horner's rule, highest power first."""
    total = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


class Format(NamedTuple):
    """Constants of a floating-point format that the elementary functions use."""

    real: Any
    word: Any  # the unsigned integer of the same width
    mantissa: int
    bias: int
    log2: tuple[float, float]  # log 2 as a short head, whose product with k is exact, and a tail
    exp_order: int
    log_order: int
    angle_order: int


SINGLE = Format(np.float32, np.uint32, 23, 127, (0.693359375, -2.12194440e-4), 7, 6, 4)
DOUBLE = Format(
    np.float64, np.uint64, 52, 1023, (6.93147180369123816490e-01, 1.90821492927058770002e-10), 12, 15, 8
)


def _elementary(form: Format) -> Mapping[str, Formula]:
    """Build ``exp, expm1, log1p, log, cos_sin`` for one format, with its constants compiled in."""
    real, word = form.real, form.word
    zero_bit, one_bit, two_bit = word(0), word(1), word(2)
    one, two, four, quarter, tau = real(1), real(2), real(4), real(0.25), real(2 * math.pi)
    magic, log2e = real(1.5 * 2.0**form.mantissa), real(1 / math.log(2))
    magic_bits, root_half_bits = word(magic.view(word)), word(real(math.sqrt(0.5)).view(word))
    log2_head, log2_tail = real(form.log2[0]), real(form.log2[1])
    shift, bias, twice_bias = word(form.mantissa), word(form.bias), word(2 * form.bias)
    lowest = real(-(form.bias + form.mantissa + 2) * math.log(2))  # e^lowest rounds to zero
    highest = real((form.bias + 2) * math.log(2))  # and e^highest to infinity
    minus_one = real(-form.bias / 2)  # here e^x - 1 rounds to -1
    offset, offset_bits = real(64), word(word(64) << shift)  # makes the exponent of w positive
    exp_series = tuple(real(1 / math.factorial(n)) for n in range(form.exp_order, 1, -1))
    log_series = tuple(real(2 / (2 * n + 1)) for n in range(form.log_order, -1, -1))
    orders = range(form.angle_order, -1, -1)
    cos_series = tuple(real((-1) ** n / math.factorial(2 * n)) for n in orders)
    sin_series = tuple(real((-1) ** n / math.factorial(2 * n + 1)) for n in orders)

    @formula
    def reduced(x: Any) -> Any:
        """Compute ``e^r - 1`` and the word whose low bits are k."""
        shifted = x * log2e + magic
        k = shifted - magic
        r = (x - k * log2_head) - k * log2_tail
        return r + r * r * horner(r, exp_series), bits_as(shifted, word)

    @formula
    def exp(x: Any) -> Any:
        x = lowest if x < lowest else x
        x = highest if x > highest else x
        p, k = reduced(x)
        u = word(k + twice_bias)  # 2^k as a product of two factors, to reach the denormals and infinity
        first = word(u >> one_bit)
        second = word(u - first)
        return (one + p) * bits_as(word(first << shift), real) * bits_as(word(second << shift), real)

    @formula
    def expm1(x: Any) -> Any:
        x = minus_one if x < minus_one else x
        p, k = reduced(x)
        scale = bits_as(word(word(k + bias) << shift), real)
        return scale * p + (scale - one)

    @formula
    def log1p(u: Any) -> Any:
        s = u / (two + u)
        return s * horner(s * s, log_series)

    @formula
    def log(w: Any) -> Any:
        bits = bits_as(w, word)
        k = word(word(bits - root_half_bits + offset_bits) >> shift)
        m = bits_as(word(bits - word(k << shift) + offset_bits), real)  # w = 2^(k - 64) m
        exponent = (bits_as(word(k + magic_bits), real) - magic) - offset
        s = (m - one) / (m + one)
        return exponent * log2_head + (s * horner(s * s, log_series) + exponent * log2_tail)

    @formula
    def cos_sin(t: Any) -> Any:
        shifted = t * four + magic
        r = (t - (shifted - magic) * quarter) * tau
        quadrant = bits_as(shifted, word)
        c, s = horner(r * r, cos_series), r * horner(r * r, sin_series)
        odd, low = (quadrant & one_bit) != zero_bit, (quadrant & two_bit) != zero_bit
        c, s = (-s if odd else c), (c if odd else s)
        return (-c if low else c), (-s if low else s)

    return {"exp": exp, "expm1": expm1, "log1p": log1p, "log": log, "cos_sin": cos_sin}


_IN = {types.float32: _elementary(SINGLE), types.float64: _elementary(DOUBLE)}


def _by_format(generic: Formula) -> Formula:
    """Compile ``generic`` to the function of its name for the type of the argument."""

    @overload(generic, jit_options=INLINE, strict=False)
    def choose(x: Any) -> Formula:
        chosen = _IN[x][generic.__name__]
        return lambda x: chosen(x)

    return generic


@_by_format
def exp(x: Any) -> Any:
    """Compute ``e^x``, from 0 to infinity."""
    return np.exp(x)


@_by_format
def expm1(x: Any) -> Any:
    """Compute ``e^x - 1`` below overflow."""
    return np.expm1(x)


@_by_format
def log1p(x: Any) -> Any:
    """Compute ``log(1 + x)`` for x in [0, 1]."""
    return np.log1p(x)


@_by_format
def log(x: Any) -> Any:
    """Compute ``log x`` for x in [2^-60, 2^60]."""
    return np.log(x)


@_by_format
def cos_sin(x: Any) -> Any:
    """Compute ``cos 2 pi x, sin 2 pi x`` for x in [0, 1]."""
    return np.cos(2 * np.pi * x), np.sin(2 * np.pi * x)
