"""Single kernels against plain NumPy, and their bytes against a plain copy of as many bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from ..kernels import choose, load
from ..kernels.reference.activations import ACTIVATIONS
from ..types import Array, Kernels, QuadraticForm
from . import timing
from .bench import Bench
from .contender import waiter
from .counts import adam_elements, fisher_elements, sample_elements, terms_elements
from .limits import copies, product
from .row import Row

#: Coefficients of the Gaussian terms with S samples, by objective.
FORMS: Mapping[str, Callable[[int], QuadraticForm]] = MappingProxyType({
    "elbo": lambda S: QuadraticForm(1.0, 0.0),
    "m1": lambda S: QuadraticForm(1.0, 0.0),
    "m2": lambda S: QuadraticForm(2.0 + 1 / (S - 1), -S / (S - 1)),
    "m3": lambda S: QuadraticForm(-1 / (S - 1), S / (S - 1), S / (S - 1), -S / (S - 1)),
})  # fmt: skip

#: The measured matrix products as (rows, width).
PRODUCTS = ((1000, 30), (1000, 100), (1000, 500))


class Ready(NamedTuple):
    """A kernel with its arguments, and the number of elements that it reads and writes."""

    call: Callable[[], object]
    elements: int


class Kernel(NamedTuple):
    """A named kernel: ``prepare(k, size, dtype)``; ``size`` multiplies the batch."""

    name: str
    prepare: Callable[[Kernels, float, str], Ready]


def _draw(k: Kernels, dtype: str, *shape: int, positive: bool = False) -> Array:
    values = np.random.default_rng(0).standard_normal(shape)
    return k.asarray((np.exp(0.1 * values) if positive else values).astype(dtype))


def _terms(objective: str) -> Kernel:
    S, D = 5, 1024

    def prepare(k: Kernels, size: float, dtype: str) -> Ready:
        N, form = max(1, round(2000 * size)), FORMS[objective](S)
        x, g = _draw(k, dtype, 1, 1, N, D), _draw(k, dtype, 1, S, N, D)
        s_q = _draw(k, dtype, 1, S, N, D) if form.crosses else None
        weight = k.asarray(np.full(1, 1 / N, dtype))
        elements = terms_elements(S, N, D, form.crosses)
        return Ready(lambda: k.residual_forms(x, g, s_q, form, weight, weight), elements)

    return Kernel(f"terms-{objective}/D{D}/S{S}/N2000", prepare)


def _fisher(k: Kernels, size: float, dtype: str) -> Ready:
    S, N, Z = 5, max(1, round(10_000 * size)), 50
    mu, s = _draw(k, dtype, 1, 1, N, Z), _draw(k, dtype, 1, 1, N, Z, positive=True)
    eps, b = _draw(k, dtype, 1, S, N, Z), _draw(k, dtype, 1, S, N, Z)
    return Ready(lambda: k.posterior_fisher(mu, s, eps, b), fisher_elements(S, N, Z))


def _adam(k: Kernels, size: float, dtype: str) -> Ready:
    P = max(1, round(1_000_000 * size))
    p, g, m, v = (_draw(k, dtype, 1, P, positive=True) for _ in range(4))
    t, lr, alive = (k.asarray(np.ones(1, kind)) for kind in (np.int64, dtype, bool))
    return Ready(lambda: k.adam(p, g, m, v, t, lr, 0.9, 0.999, 1e-8, alive), adam_elements(P))


def _normal(k: Kernels, size: float, dtype: str) -> Ready:
    shape, seeds = (5, max(1, round(10_000 * size)), 50), np.zeros(1, np.uint64)
    return Ready(lambda: k.normal(seeds, 0, 0, shape, dtype), int(np.prod(shape)))


def _sample(k: Kernels, size: float, dtype: str) -> Ready:
    S, N, Z = 5, max(1, round(10_000 * size)), 50
    mu, s = _draw(k, dtype, 1, 1, N, Z), _draw(k, dtype, 1, 1, N, Z, positive=True)
    seeds = np.zeros(1, np.uint64)
    return Ready(lambda: k.sample(mu, s, seeds, 0, 0, S), sample_elements(S, N, Z))


def _activation(f: str) -> Kernel:
    def prepare(k: Kernels, size: float, dtype: str) -> Ready:
        x = _draw(k, dtype, 1, 1, max(1, round(25_000 * size)), 100)
        return Ready(lambda: k.activation(f, x), 2 * x.size)

    return Kernel(f"activation-{f}/N25000/H100", prepare)


def _slope(k: Kernels, size: float, dtype: str) -> Ready:
    y = _draw(k, dtype, 1, 1, max(1, round(25_000 * size)), 100)
    return Ready(lambda: k.activation_slope("relu", y, y), 3 * y.size)


def _bias(k: Kernels, size: float, dtype: str) -> Ready:
    y, b = _draw(k, dtype, 1, 1, max(1, round(25_000 * size)), 100), _draw(k, dtype, 1, 100)
    b *= 0  # applied repeatedly
    return Ready(lambda: k.add_bias(y, b), 2 * y.size)


def _sum_rows(k: Kernels, size: float, dtype: str) -> Ready:
    gy, out = _draw(k, dtype, 1, 1, max(1, round(25_000 * size)), 100), k.zeros((1, 100), dtype)
    return Ready(lambda: k.sum_rows(gy, out), gy.size)


#: All memory-bound kernels by name.
KERNELS: Mapping[str, Kernel] = MappingProxyType({kernel.name: kernel for kernel in (
    *map(_terms, FORMS),
    Kernel("posterior-fisher/S5/N10000/Z50", _fisher),
    Kernel("adam/P1000000", _adam),
    Kernel("normal/S5/N10000/Z50", _normal),
    Kernel("sample/S5/N10000/Z50", _sample),
    *map(_activation, ACTIVATIONS),
    Kernel("slope-relu/N25000/H100", _slope),
    Kernel("bias/N25000/H100", _bias),
    Kernel("sum-rows/N25000/H100", _sum_rows),
)})  # fmt: skip


@dataclass(frozen=True)
class KernelPart:
    """A kernel, timed in turn with the ``reference`` set and with copies of as many bytes.

    Attributes
    ----------
    kernel : str
        A name of :data:`KERNELS`.
    device, kernels, threads, dtype : str, str, int, str
        Device, kernel set, threads and dtype of the kernel.
    size : float
        Factor of the batch.
    """

    kernel: str
    device: str = "cpu"
    kernels: str = "auto"
    threads: int = 1
    dtype: str = "float32"
    size: float = 1.0

    @property
    def title(self) -> str:
        return self.kernel

    def rows(self, bench: Bench) -> Iterator[Row]:
        k, prepare = load(choose(self.device, self.kernels)), KERNELS[self.kernel].prepare
        mine = prepare(k, self.size, self.dtype)
        count = np.dtype(self.dtype).itemsize * mine.elements
        wait = waiter(self.device).synchronize
        timed = [timing.Call(call, wait) for call in (mine.call, *(copy.step for copy in copies(k, count)))]
        plain = self.device == "cpu" and k.name != "reference"
        if plain:
            timed.append(timing.Call(prepare(load("reference"), self.size, self.dtype).call))
        times = timing.interleaved(timed, bench.pace)
        copying = times[1 : len(times) - plain].min(0)
        row = Row(
            self.kernel, bench.device(self.device), self.threads, timing.median(times[0]),
            timing.spread(times[0]), bytes=count, fraction_of_limit=timing.centre(copying / times[0]),
            rounds=bench.pace.rounds, machine=bench.machine,
        )  # fmt: skip
        if plain:
            ratio = timing.ratio(times[-1], times[0])
            row = replace(row, peer="numpy", peer_ms=timing.median(times[-1]), ratio=ratio)
        yield row


@dataclass(frozen=True)
class ProductPart:
    """The rate of one matrix product through ``gemm``, for comparison with the rates of steps."""

    count: int
    width: int
    device: str = "cpu"
    kernels: str = "auto"
    threads: int = 1
    dtype: str = "float32"

    @property
    def title(self) -> str:
        return f"gemm/{self.count}x{self.width}x{self.width}"

    def rows(self, bench: Bench) -> Iterator[Row]:
        call, flops = product(load(choose(self.device, self.kernels)), self.count, self.width, self.dtype)
        times = timing.interleaved([timing.Call(call.step, waiter(self.device).synchronize)], bench.pace)[0]
        yield Row(
            self.title, bench.device(self.device), self.threads, timing.median(times), timing.spread(times),
            gflops=1e-9 * timing.centre(flops / times), rounds=bench.pace.rounds, machine=bench.machine,
        )  # fmt: skip
