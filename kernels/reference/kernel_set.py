"""The functions of the reference kernel set, which specify what every other set computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from vsmnp.types import ActivationName, Array, DType, FusedStep, QuadraticForm, Recorder, Shape, StepSpec
from vsmnp.types.division import Division

from .activations import ACTIVATIONS
from .conv import activation_sums as activation_sums
from .conv import channel_combine as channel_combine
from .conv import channel_moments as channel_moments
from .conv import conv as conv
from .conv import conv_adjoint_w as conv_adjoint_w
from .conv import conv_adjoint_x as conv_adjoint_x
from .likelihood import likelihood_sums as likelihood_sums

name = "reference"


# --- memory ---------------------------------------------------------------------------------------


def asarray(x: Any, dtype: DType | None = None) -> Array:
    """Convert ``x`` to a NumPy array."""
    return np.asarray(x, dtype=dtype)


def to_host(x: Array) -> Array:
    """Return ``x`` itself, which is already in host memory."""
    return np.asarray(x)


def zeros(shape: Shape, dtype: DType) -> Array:
    """Allocate an array of zeros."""
    return np.zeros(shape, dtype)


def data_memory() -> int:
    """Return 0: training data are in the host's memory already."""
    return 0


def gather(table: Array, order: Array, index: int, batch: int, divisor: float, dtype: DType) -> Array:
    """Return rows of the table, in the order of the epoch that holds the minibatch."""
    slots, used = order.shape
    epoch, place = divmod(index * batch, used)
    rows = table[order[epoch % slots, place : place + batch]].astype(dtype)
    return np.asarray(rows / np.asarray(divisor, dtype))[None, None]


# --- linear algebra -------------------------------------------------------------------------------


def gemm(
    a: Array, b: Array, ta: bool = False, tb: bool = False, out: Array | None = None, accumulate: bool = False
) -> Array:
    """Compute the matrix products ``out[r] (+)= op(a[r]) op(b[r])``."""
    a = a.swapaxes(1, 2) if ta else a
    b = b.swapaxes(1, 2) if tb else b
    if out is None:
        return np.asarray(np.matmul(a, b))
    if accumulate:
        out += np.matmul(a, b)
    else:
        np.matmul(a, b, out=out)
    return out


def add_bias(y: Array, b: Array) -> Array:
    """Add the bias in place: ``y[r,s,n,o] += b[r,o]``."""
    y += b[:, None, None, :]
    return y


def sum_rows(gy: Array, out: Array) -> Array:
    """Add the sums over rows ``out[r,o] += sum_{s,n} gy[r,s,n,o]``."""
    out += gy.sum(axis=(1, 2))
    return out


# --- pointwise ------------------------------------------------------------------------------------


def activation(
    f: ActivationName, x: Array, slope: Array | None = None, shift: Array | None = None,
    out: Array | None = None,
) -> Array:  # fmt: skip
    """Compute ``y = f(slope x + shift)`` with slope and shift per channel."""
    inner = tuple(range(2, x.ndim - 1))
    x = x if slope is None else x * np.expand_dims(slope, inner)
    x = x if shift is None else x + np.expand_dims(shift, inner)
    if out is None:
        return ACTIVATIONS[f].value(x)
    out[...] = ACTIVATIONS[f].value(x)
    return out


def activation_slope(f: ActivationName, y: Array, v: Array) -> Array:
    """Compute ``f'(x) v``, where ``f' = h(y)``."""
    return np.asarray(ACTIVATIONS[f].slope(y) * v)


def activation_curve(f: ActivationName, y: Array, dy: Array | None, gy: Array, dgy: Array | None) -> Array:
    """Compute ``f' dgy + f'' dx gy``, where ``f'' dx = h'(y) dy``."""
    total = np.zeros(np.broadcast_shapes(y.shape, gy.shape), gy.dtype)
    if dgy is not None:
        total = total + ACTIVATIONS[f].slope(y) * dgy
    if dy is not None:
        total = total + ACTIVATIONS[f].curve(y) * dy * gy
    return np.asarray(total)


# --- randomness -----------------------------------------------------------------------------------

_LOW = np.uint64(0xFFFFFFFF)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85


def philox4x32(counter: tuple[Array, ...], key: tuple[Array, Array]) -> tuple[Array, ...]:
    """Apply ten rounds of Philox4x32 to words in uint64 arrays that broadcast together."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ k0,
            p1 & _LOW,
            (p0 >> np.uint64(32)) ^ c3 ^ k1,
            p0 & _LOW,
        )
        k0, k1 = (k0 + np.uint64(_W0)) & _LOW, (k1 + np.uint64(_W1)) & _LOW
    return c0, c1, c2, c3


def words(seeds: Array, stream: int, step: int, count: int, first: int = 0) -> Array:
    """Generate random words: word i is lane ``i % 4`` of block ``(i // 4, step, stream, i // 2**34)``."""
    start, stop = first // 4, -(-(first + count) // 4)
    block = np.arange(start, stop, dtype=np.uint64)[None, :]
    step_word, stream_word = np.asarray(step, np.uint64), np.asarray(stream, np.uint64)
    counter = (block & _LOW, step_word, stream_word, block >> np.uint64(32))
    seed = np.asarray(seeds, np.uint64)[:, None]
    lanes = philox4x32(counter, (seed & _LOW, seed >> np.uint64(32)))
    flat = np.stack(np.broadcast_arrays(*lanes), axis=-1).astype(np.uint32).reshape(len(seed), -1)
    return np.asarray(flat[:, first - 4 * start : first - 4 * start + count])


def uniform(seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int = 0) -> Array:
    """Draw uniforms: the top 24 bits of each word over 2**24, exact in float32."""
    bits = words(seeds, stream, step, int(np.prod(shape)), first) >> np.uint32(8)
    unit = bits.astype(dtype) * np.asarray(2.0**-24, dtype)
    return np.asarray(unit.reshape(len(seeds), *shape))


def normal(seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int = 0) -> Array:
    """Draw normals 2j and 2j+1 by Box-Muller from uniforms 2j (radius) and 2j+1 (angle)."""
    count = int(np.prod(shape))
    start, stop = first // 2 * 2, -(-(first + count) // 2) * 2
    u = uniform(seeds, stream, step, (stop - start,), np.float64, start)
    radius = np.sqrt(-2 * np.log1p(-u[:, 0::2]))
    angle = 2 * np.pi * u[:, 1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    flat = pairs.reshape(len(u), -1)[:, first - start : first - start + count]
    return flat.astype(dtype).reshape(len(u), *shape)


def sample(mu: Array, s: Array, seeds: Array, stream: int, step: int, samples: int, first: int = 0) -> Array:
    """Compute the samples ``z = mu + s eps`` with the normals of the same key."""
    return np.asarray(mu + s * normal(seeds, stream, step, (samples, *mu.shape[2:]), mu.dtype, first))


# --- Gaussian terms -------------------------------------------------------------------------------


def residual_forms(
    x: Array, g: Array, s_q: Array | None, form: QuadraticForm, w_square: Array, w_cross: Array,
    want_gradient: bool = True,
) -> tuple[Array, Array, Array | None]:  # fmt: skip
    """Compute ``a``, ``h`` and the gradient of ``w_square a/2 + w_cross h``; see :class:`QuadraticForm`."""
    samples = g.shape[1]
    e = g - x
    e_mean = e.mean(axis=1, keepdims=True)
    a = form.c_each * (e * e).sum(-1).mean(1) + form.c_mean * (e_mean * e_mean).sum(-1)[:, 0]
    v = w_square[:, None, None, None] * (form.c_each * e + form.c_mean * e_mean)
    h = np.zeros_like(a)
    if s_q is not None:
        q_mean = s_q.mean(axis=1, keepdims=True)
        h = form.d_each * (s_q * e).sum(-1).mean(1) + form.d_mean * (q_mean * e_mean).sum(-1)[:, 0]
        v = v + w_cross[:, None, None, None] * (form.d_each * s_q + form.d_mean * q_mean)
    return a, h, v / samples if want_gradient else None


def posterior_fisher(mu: Array, s: Array, eps: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """Compute ``d = z - eps/s - b``, the loss, ``gmu = mean d/s^2`` and ``gs = mean 2 d eps/s^2``."""
    d = mu + s * eps - eps / s - b
    loss = 0.5 * (d * d).sum(-1).mean(1)
    gmu = (d / s**2).mean(1, keepdims=True)
    gs = (2 * d * eps / s**2).mean(1, keepdims=True)
    return d, loss, gmu, gs


# --- optimisers -----------------------------------------------------------------------------------


def adam(
    p: Array, g: Array, m: Array, v: Array, t: Array, lr: Array, beta1: float, beta2: float, eps: float,
    active: Array,
) -> None:  # fmt: skip
    """Step ``p -= lr m_hat / (sqrt(v_hat) + eps)`` with bias-corrected moments (Kingma & Ba 2015).

    Denormal moments are replaced by zero, which does not change a step that p can resolve.
    """
    t += active
    smallest = np.finfo(p.dtype).tiny
    for r in np.flatnonzero(active):
        m[r] += (1 - beta1) * (g[r] - m[r])
        v[r] += (1 - beta2) * (g[r] * g[r] - v[r])
        for moment in (m[r], v[r]):
            moment[np.abs(moment) < smallest] = 0
        m_hat = m[r] / (1 - beta1 ** int(t[r]))
        v_hat = v[r] / (1 - beta2 ** int(t[r]))
        p[r] -= lr[r] * m_hat / (np.sqrt(v_hat) + eps)


def sgd(p: Array, g: Array, t: Array, lr: Array, active: Array) -> None:
    """Step ``p -= lr g`` for every model that has not diverged."""
    t += active
    for r in np.flatnonzero(active):
        p[r] -= lr[r] * g[r]


def finite(g: Array) -> Array:
    """Return for each model whether every entry of ``g[r]`` is finite."""
    return np.asarray(np.isfinite(g).all(axis=tuple(range(1, g.ndim))))


# --- fusion ---------------------------------------------------------------------------------------


def parts() -> int:
    """Return 1: the minibatch is whole."""
    return 1


def mean_over_parts(*values: Array) -> tuple[Array, ...]:
    """Return the values: the only part is the whole minibatch."""
    return values


def fused_step(spec: StepSpec, division: Division | None = None) -> FusedStep | None:
    """Return None: this set has no fused step, a step is composed of its kernels."""
    return None


def recorder() -> Recorder | None:
    """Return None: NumPy functions run when called, there are no launches to record."""
    return None
