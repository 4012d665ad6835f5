"""NumPy as fast as it is written: all large arrays allocated once, Adam on one vector, normals in place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsmnp.bench import Problem

from ._numpy_model import Array, NumpyContender, obstacle

__all__ = ["make", "obstacle"]


class Network:
    """The parameters of a network as views of one vector, with their gradient, moments and buffers."""

    def __init__(self, params: Sequence[Array]) -> None:
        size = sum(p.size for p in params)
        self.p, self.g, self.m, self.v, self.a, self.b = np.zeros((6, size), params[0].dtype)
        self.params, self.gradient = self._views(self.p, params), self._views(self.g, params)
        for view, p in zip(self.params, params, strict=True):
            view[...] = p
        self.buffers: dict[tuple[str, int, int], Array] = {}
        self.t = 0

    @staticmethod
    def _views(vector: Array, like: Sequence[Array]) -> list[Array]:
        ends = np.cumsum([p.size for p in like])
        return [vector[end - p.size : end].reshape(p.shape) for end, p in zip(ends, like, strict=True)]

    def buffer(self, use: str, layer: int, rows: int) -> Array:
        """Return the array ``(rows, O)`` of a use of a layer."""
        key = use, layer, rows
        if key not in self.buffers:
            self.buffers[key] = np.empty((rows, self.params[2 * layer].shape[0]), self.p.dtype)
        return self.buffers[key]

    def adam(self, lr: float) -> None:
        """Move the vector by a step of Adam, without a new array."""
        self.t += 1
        one, two = 1 - 0.9**self.t, 1 - 0.999**self.t
        p, g, m, v, a, b = self.p, self.g, self.m, self.v, self.a, self.b
        np.subtract(g, m, out=a)
        a *= 0.1
        m += a
        np.multiply(g, g, out=a)
        a -= v
        a *= 0.001
        v += a
        np.multiply(v, 1 / two, out=b)
        np.sqrt(b, out=b)
        b += 1e-8
        np.divide(m, b, out=a)
        a *= lr / one
        p -= a


class NumpyCareful(NumpyContender):
    """The passes of both networks in arrays that are allocated once."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.networks = Network(self.phi), Network(self.theta)
        self.phi, self.theta = (network.params for network in self.networks)
        case = self.case
        self.normals = np.empty((case.samples, case.batch_size, case.latent), self.dtype)
        self.ones = np.ones(case.samples * case.batch_size, self.dtype)

    def forward(self, which: int, x: Array) -> list[Array]:
        network, outputs = self.networks[which], [x]
        p, last = network.params, len(network.params) // 2 - 1
        for layer in range(last + 1):
            y = network.buffer("y", layer, len(x))
            np.matmul(x, p[2 * layer].T, out=y)
            y += p[2 * layer + 1]
            if layer < last:
                self._activate(y)
            outputs.append(y)
            x = y
        return outputs

    def _activate(self, y: Array) -> None:
        if self.case.activation == "relu":
            np.maximum(y, 0, out=y)
        elif self.case.activation == "tanh":
            np.tanh(y, out=y)
        else:
            y[...] = self.f(y)

    def backward(
        self, which: int, outputs: Sequence[Array], g: Array, weights: bool, inputs: bool
    ) -> tuple[list[Array], Array | None]:
        network = self.networks[which]
        p, gradient = network.params, network.gradient
        for layer in reversed(range(len(outputs) - 1)):
            if weights:
                np.matmul(g.T, outputs[layer], out=gradient[2 * layer])
                np.matmul(self.ones[: len(g)], g, out=gradient[2 * layer + 1])
            if layer:
                back = network.buffer("g", layer - 1, len(g))
                np.matmul(g, p[2 * layer], out=back)
                back *= self.slope(outputs[layer])
                g = back
        return gradient[: 2 * len(outputs) - 2], g @ p[0] if inputs else None

    def update(self, which: int, gradient: Sequence[Array]) -> None:
        network = self.networks[which]
        for view, g in zip(network.gradient, gradient, strict=True):
            if view is not g:
                view[...] = g
        if self.plain[which]:
            network.g *= self.lrs[which]
            network.p -= network.g
        else:
            network.adam(self.lrs[which])

    def drawn(self) -> Array:
        return self.rng.standard_normal(out=self.normals, dtype=self.dtype)


def make(problem: Problem) -> NumpyCareful:
    return NumpyCareful(problem)
