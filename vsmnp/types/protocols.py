"""Define the protocol of kernel sets, and the conventions for axes and names that all files share.

Axes, always in this order: R models trained side by side, S posterior samples, N batch, then the
axes of one sample (D data, Z latent, I input and O output features; H, W, C of an image, its channels
innermost). R and S may be 1 and broadcast; N never does. Prefixes: ``x`` primal, ``dx`` tangent,
``gx`` cotangent, ``dgx`` tangent of a cotangent. ``None`` in place of a tangent is the zero tangent;
``None`` in place of a gradient means that the gradient is not requested and is not computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .arrays import ActivationName, Array, DType, QuadraticForm, Shape, Window
from .division import Division
from .replay import Recorder
from .step_spec import FusedStep, StepSpec


class Kernels(Protocol):
    """A kernel set: all the arithmetic of a training step, on one kind of machine.

    ``reference`` (plain NumPy) is the specification. Every other set offers the same names with the
    same signatures and agrees with it. Wrappers accept any strides and never change an input that is
    not named ``out``.
    """

    name: str

    def asarray(self, x: Any, dtype: DType | None = None) -> Array:
        """Copy ``x`` to the memory of this kernel set."""

    def to_host(self, x: Array) -> Array:
        """Copy ``x`` to a NumPy array."""

    def zeros(self, shape: Shape, dtype: DType) -> Array:
        """Return an array filled with zeros."""

    def data_memory(self) -> int:
        """Return the bytes of device memory that training data may take; 0 for a set on the host."""

    def gather(
        self, table: Array, order: Array, index: int, batch: int, divisor: float, dtype: DType
    ) -> Array:
        """Gather minibatch ``index``, ``(1, 1, N, D)``: rows of ``table (n, D)`` divided by ``divisor``.

        ``table`` has numbers of ``dtype``, or pixels (unsigned bytes). ``order (E, used)``, int32, holds
        the rows of E epochs, each ``used / N`` whole minibatches: the one that begins at row ``index N`` of
        all epochs is at ``index N mod used`` of ``order[index N // used mod E]``.
        """

    def gemm(
        self, a: Array, b: Array, ta: bool = False, tb: bool = False, out: Array | None = None,
        accumulate: bool = False,
    ) -> Array:  # fmt: skip
        """Compute ``out[r] (+)= op(a[r]) op(b[r])`` for matrices ``(R, ., .)``; R broadcasts.

        All matrix products of the engine go through this method.
        """

    def add_bias(self, y: Array, b: Array) -> Array:
        """Add ``b[r,o]`` to ``y[r,s,n,o]`` in place and return y."""

    def sum_rows(self, gy: Array, out: Array) -> Array:
        """Compute ``out[r,o] += sum_{s,n} gy[r,s,n,o]`` and return out."""

    def conv(self, x: Array, w: Array, window: Window) -> Array:
        """Convolve images with the kernels of a window.

        ``y[r,s,n,h,w,o] = sum_{u,v,i} w[r,o,u,v,i] x[r,s,n,h t+u-pad,w t+v-pad,i]``, t the stride, for
        ``x (R|1,S,N,H,W,I)``, ``w (R|1,O,size,size,I)``, y ``(R,S,N,H',W',O)``; outside the image, x is zero.
        """

    def conv_adjoint_x(self, gy: Array, w: Array, window: Window, image: Shape) -> Array:
        """Compute the gradient in x of ``<gy, conv(x, w)>`` for images ``(H, W)``: ``(R,S,N,H,W,I)``."""

    def conv_adjoint_w(self, gy: Array, x: Array, window: Window, out: Array) -> None:
        """Add the gradient in w of ``<gy, conv(x, w)>`` to ``out``; gy and x have the same S."""

    def channel_moments(self, x: Array) -> tuple[Array, Array]:
        """Compute the mean and variance of each channel of ``x (R,S,N,...,C)``, both ``(R,1,C)``."""

    def channel_combine(
        self, parts: Sequence[tuple[Array, Array]], shift: Array | None, out: Array | None = None
    ) -> Array:
        """Compute ``sum_i c_i v_i + shift`` for parts ``(v (R,S,N,...,C), c (R,S,C))``; R and S broadcast.

        ``out`` may be the first v, but no other.
        """

    def activation(
        self, f: ActivationName, x: Array, slope: Array | None = None, shift: Array | None = None,
        out: Array | None = None,
    ) -> Array:  # fmt: skip
        """Compute ``y = f(slope x + shift)`` for ``x (R,S,N,...,C)``, slope and shift ``(R,S,C)``.

        R and S broadcast; the default slope is 1, the default shift 0. ``out`` may be x.
        """

    def activation_sums(
        self, f: ActivationName | None, y: Array | None, gy: Array, x: Array | None, centre: Array | None
    ) -> tuple[Array, Array, Array | None]:
        """Compute ``u = f'(a) gy`` given ``y = f(a)``, and its sums over N and the pixels.

        The sums are ``sum u`` and ``sum u (x - centre)``. ``y, gy, x (R,S,N,...,C)``, centre and sums
        ``(R,S,C)``; R and S broadcast. Without f, u is gy itself; without x there is no second sum; without a
        centre it is 0.
        """

    def activation_slope(self, f: ActivationName, y: Array, v: Array) -> Array:
        """Compute ``f'(x) v`` given ``y = f(x)``; S of either argument broadcasts."""

    def activation_curve(
        self, f: ActivationName, y: Array, dy: Array | None, gy: Array, dgy: Array | None
    ) -> Array:
        """Compute ``f'(x) dgy + f''(x) dx gy`` given ``y = f(x)`` and ``dy = f'(x) dx``."""

    def words(self, seeds: Array, stream: int, step: int, count: int, first: int = 0) -> Array:
        """Return the 32-bit words ``first .. first + count`` of a Philox4x32-10 stream, ``(R, count)``."""

    def uniform(
        self, seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int = 0
    ) -> Array:
        """Draw uniform numbers in [0, 1) with 24 random bits, ``(R, *shape)``."""

    def normal(
        self, seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int = 0
    ) -> Array:
        """Draw standard normals, ``(R, *shape)``, by the Box-Muller transform of neighbouring words."""

    def sample(
        self, mu: Array, s: Array, seeds: Array, stream: int, step: int, samples: int, first: int = 0
    ) -> Array:
        """Draw ``z = mu + s eps``, ``(R, S, N, Z)``, for ``mu, s (R, 1, N, Z)``, without storing the noise.

        eps is the output of ``normal`` for the same key and ``first``; call it to regenerate eps.
        """

    def residual_forms(
        self, x: Array, g: Array, s_q: Array | None, form: QuadraticForm, w_square: Array, w_cross: Array,
        want_gradient: bool = True,
    ) -> tuple[Array, Array, Array | None]:  # fmt: skip
        """Compute ``a (R,N)``, ``h (R,N)`` of ``form`` and the gradient of ``w_square a/2 + w_cross h`` in g.

        ``x (R|1,1,N,D)``, ``g (R,S,N,D)``, ``s_q (R,S,N,D)`` or None, weights ``(R,)``.
        """

    def posterior_fisher(
        self, mu: Array, s: Array, eps: Array, b: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Compute the posterior Fisher divergence and its gradient in mu and s with z held fixed.

        ``d = z - eps/s - b``, and the loss is ``|d|^2/2`` averaged over S. ``mu, s (R,1,N,Z)``,
        ``eps, b (R,S,N,Z)``; returns ``d (R,S,N,Z)``, loss ``(R,N)``, ``gmu`` and ``gs (R,1,N,Z)``, of one
        sample (not divided by N).
        """

    def likelihood_sums(self, x: Array, g: Array, tau: Array) -> tuple[Array, Array]:
        """Sum over draws ``g (R,C,D)`` for each datum, with ``e = g - x`` and likelihoods as weights.

        The weights are ``w = exp(tau (least - |e|^2) / 2)``, at most 1.
        Returns the least ``|e|^2`` of each datum ``(R,N)`` and ``(R,N,D+3)``: the sums of w, w^2,
        ``w |e|^2`` and w e, all in float64. ``x (N,D)`` and ``tau (R,)`` are arrays of the set, as g is.
        """

    def adam(
        self, p: Array, g: Array, m: Array, v: Array, t: Array, lr: Array, beta1: float, beta2: float,
        eps: float, active: Array,
    ) -> None:  # fmt: skip
        """Apply an Adam step in place to ``p, m, v (R,P)`` and counters ``t (R,)``, where ``active (R,)``."""

    def sgd(self, p: Array, g: Array, t: Array, lr: Array, active: Array) -> None:
        """Apply a gradient step in place to ``p (R,P)`` and counters ``t (R,)``, where ``active (R,)``."""

    def finite(self, g: Array) -> Array:
        """Return flags ``(R,)``: whether every entry of ``g[r]`` is finite."""

    def parts(self) -> int:
        """Return P, the number of parts of a minibatch that are computed apart: 1 unless it is divided."""

    def mean_over_parts(self, *values: Array) -> tuple[Array, ...]:
        """Average values of this part of a minibatch over all of its parts; one part's are its own."""

    def fused_step(self, spec: StepSpec, division: Division | None = None) -> FusedStep | None:
        """Return a function that runs a whole training step, or None where this set has none for ``spec``.

        With a ``division`` its minibatches are the rows of this process.
        """

    def recorder(self) -> Recorder | None:
        """Return a recorder that replays a composed step by one call, or None where launches cost nothing."""
