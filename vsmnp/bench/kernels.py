"""Time single kernels against plain NumPy, and their bytes against a plain copy of as many bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np

from ..kernels import choose, load
from ..kernels.reference.activations import ACTIVATIONS
from ..objectives.quadratic import Learning
from ..settings.choices import OBJECTIVES
from ..training.build import named_objective
from ..types import Array, Kernels
from . import timing
from .bench import Bench
from .case import Case
from .contenders.contender import waiter
from .limits.fma import multiply_adds
from .limits.large import copies, product
from .row import BenchRow

#: The measured matrix products as (rows, width).
PRODUCTS = ((1000, 30), (1000, 100), (1000, 500))


class Ready(NamedTuple):
    """A kernel with its arguments, and the number of elements that it reads and writes."""

    call: Callable[[], object]
    elements: int


#: A function of a kernel set, a factor of the batch and a dtype.
Prepare: TypeAlias = Callable[[Kernels, float, str], Ready]


class Kernel(NamedTuple):
    """A named kernel: ``prepare(k, size, dtype)``; ``size`` multiplies the batch."""

    name: str
    prepare: Prepare


def _draw(k: Kernels, dtype: str, *shape: int, positive: bool = False) -> Array:
    values = np.random.default_rng(0).standard_normal(shape)
    return k.asarray((np.exp(0.1 * values) if positive else values).astype(dtype))


def _terms(objective: str) -> Kernel:
    """Make a case of Gaussian terms: x, g and perhaps s^q are read; a gradient, ``a`` and ``h`` written."""
    S, D = 5, 1024
    learning = named_objective(objective, S)
    assert isinstance(learning, Learning)

    def prepare(k: Kernels, size: float, dtype: str) -> Ready:
        N, form = max(1, round(2000 * size)), learning.form()
        x, g = _draw(k, dtype, 1, 1, N, D), _draw(k, dtype, 1, S, N, D)
        s_q = _draw(k, dtype, 1, S, N, D) if form.crosses else None
        weight = k.asarray(np.full(1, 1 / N, dtype))
        elements = (2 * S + 1 + S * form.crosses) * N * D + 2 * N
        return Ready(lambda: k.residual_forms(x, g, s_q, form, weight, weight), elements)

    return Kernel(f"terms-{objective}/D{D}/S{S}/N2000", prepare)


def _fisher(k: Kernels, size: float, dtype: str) -> Ready:
    """Prepare posterior Fisher: mu, s, eps, b are read; d, the loss and two gradients written."""
    S, N, Z = 5, max(1, round(10_000 * size)), 50
    mu, s = _draw(k, dtype, 1, 1, N, Z), _draw(k, dtype, 1, 1, N, Z, positive=True)
    eps, b = _draw(k, dtype, 1, S, N, Z), _draw(k, dtype, 1, S, N, Z)
    return Ready(lambda: k.posterior_fisher(mu, s, eps, b), (3 * S + 4) * N * Z + N)


def _adam(k: Kernels, size: float, dtype: str) -> Ready:
    """Prepare Adam: parameters, gradient and two moments are read; all but the gradient written."""
    P = max(1, round(1_000_000 * size))
    p, g, m, v = (_draw(k, dtype, 1, P, positive=True) for _ in range(4))
    t, lr, active = (k.asarray(np.ones(1, kind)) for kind in (np.int64, dtype, bool))
    return Ready(lambda: k.adam(p, g, m, v, t, lr, 0.9, 0.999, 1e-8, active), 7 * P)


def _normal(k: Kernels, size: float, dtype: str) -> Ready:
    shape, seeds = (5, max(1, round(10_000 * size)), 50), np.zeros(1, np.uint64)
    return Ready(lambda: k.normal(seeds, 0, 0, shape, dtype), int(np.prod(shape)))


def _sample(k: Kernels, size: float, dtype: str) -> Ready:
    """Prepare sampling without stored noise: mu and s are read, z written."""
    S, N, Z = 5, max(1, round(10_000 * size)), 50
    mu, s = _draw(k, dtype, 1, 1, N, Z), _draw(k, dtype, 1, 1, N, Z, positive=True)
    seeds = np.zeros(1, np.uint64)
    return Ready(lambda: k.sample(mu, s, seeds, 0, 0, S), (S + 2) * N * Z)


def _on_units(name: str, moved: int, kernel: Callable[[Kernels, Array, Array], object]) -> Kernel:
    """Make a case on hidden units ``y`` and a bias of zeros, with ``moved`` arrays of y's size in all."""

    def prepare(k: Kernels, size: float, dtype: str) -> Ready:
        y, b = _draw(k, dtype, 1, 1, max(1, round(25_000 * size)), 100), k.zeros((1, 100), dtype)
        return Ready(lambda: kernel(k, y, b), moved * y.size)

    return Kernel(f"{name}/N25000/H100", prepare)


def _activation(f: str) -> Kernel:
    return _on_units(f"activation-{f}", 2, lambda k, y, b: k.activation(f, y))


#: All memory-bound kernels by name.
KERNELS: Mapping[str, Kernel] = MappingProxyType({kernel.name: kernel for kernel in (
    *(_terms(name) for name, row in OBJECTIVES.items() if row.joint is None),
    Kernel("posterior-fisher/S5/N10000/Z50", _fisher),
    Kernel("adam/P1000000", _adam),
    Kernel("normal/S5/N10000/Z50", _normal),
    Kernel("sample/S5/N10000/Z50", _sample),
    *map(_activation, ACTIVATIONS),
    _on_units("slope-relu", 3, lambda k, y, b: k.activation_slope("relu", y, y)),
    _on_units("bias", 2, lambda k, y, b: k.add_bias(y, b)),
    _on_units("sum-rows", 1, lambda k, y, b: k.sum_rows(y, b)),
)})  # fmt: skip


@dataclass(frozen=True)
class KernelPart:
    """A kernel, timed in turn with the ``reference`` set and with copies of as many bytes."""

    #: A name of :data:`KERNELS`.
    kernel: str
    #: Case of which the device, the kernel set, the threads and the dtype are used.
    on: Case = field(default_factory=Case)
    #: Factor of the batch.
    size: float = 1.0

    @property
    def title(self) -> str:
        return self.kernel

    def rows(self, bench: Bench) -> Iterator[BenchRow]:
        on, k, prepare = self.on, load(choose(self.on.device, self.on.kernels)), KERNELS[self.kernel].prepare
        mine = prepare(k, self.size, on.dtype)
        count = np.dtype(on.dtype).itemsize * mine.elements
        wait = waiter(on.device)
        timed = [timing.Call(call, wait) for call in (mine.call, *(copy.step for copy in copies(k, count)))]
        plain = on.device == "cpu" and k.name != "reference"
        if plain:
            timed.append(timing.Call(prepare(load("reference"), self.size, on.dtype).call))
        times = timing.interleaved(timed, bench.pace)
        copying = times[1 : len(times) - plain].min(0)
        limit = timing.centre(copying / times[0])
        row = bench.row(self.kernel, on, times[0], bytes=count, fraction_of_limit=limit, tf32=False)
        yield row.beside("numpy", times[-1], times[0]) if plain else row


@dataclass(frozen=True)
class ProductPart:
    """The rate of one matrix product through ``gemm``, for comparison with the rates of steps."""

    count: int
    width: int
    on: Case

    @property
    def title(self) -> str:
        return f"gemm/{self.count}x{self.width}x{self.width}"

    def rows(self, bench: Bench) -> Iterator[BenchRow]:
        on = self.on
        call, flops = product(load(choose(on.device, on.kernels)), self.count, self.width, on.dtype)
        peak, operations = multiply_adds(on.dtype)
        on_cpu = on.device == "cpu"
        timed = [timing.Call(call.step, waiter(on.device)), *([peak] if on_cpu else [])]
        times = timing.interleaved(timed, bench.pace)
        share = timing.centre(flops / times[0] * times[1] / (operations * on.threads)) if on_cpu else None
        rate = 1e-9 * timing.centre(flops / times[0])
        yield bench.row(self.title, on, times[0], gflops=rate, fraction_of_peak=share, tf32=False)
