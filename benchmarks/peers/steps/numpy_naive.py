"""NumPy as it is usually written: gradients by hand, one new array for every operation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsmnp.bench import Problem

from ._numpy_model import Array, NumpyContender, obstacle

__all__ = ["make", "obstacle"]


class NumpyNaive(NumpyContender):
    """The passes and Adam array by array, as in a textbook."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.memory = [[(np.zeros_like(p), np.zeros_like(p)) for p in ps] for ps in (self.phi, self.theta)]
        self.t = [0, 0]

    def forward(self, which: int, x: Array) -> list[Array]:
        p, outputs = (self.phi, self.theta)[which], [x]
        last = len(p) // 2 - 1
        for layer in range(last + 1):
            x = x @ p[2 * layer].T + p[2 * layer + 1]
            x = self.f(x) if layer < last else x
            outputs.append(x)
        return outputs

    def backward(
        self, which: int, outputs: Sequence[Array], g: Array, weights: bool, inputs: bool
    ) -> tuple[list[Array], Array | None]:
        p, gradient = (self.phi, self.theta)[which], []
        for layer in reversed(range(len(p) // 2)):
            if weights:
                gradient = [g.T @ outputs[layer], g.sum(0), *gradient]
            if layer:
                g = g @ p[2 * layer] * self.slope(outputs[layer])
        return gradient, g @ p[0] if inputs else None

    def update(self, which: int, gradient: Sequence[Array]) -> None:
        params, lr = (self.phi, self.theta)[which], self.lrs[which]
        self.t[which] += 1
        one, two = 1 - 0.9 ** self.t[which], 1 - 0.999 ** self.t[which]
        for i, g in enumerate(gradient):
            if self.plain[which]:
                params[i] = params[i] - lr * g
                continue
            m, v = self.memory[which][i]
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            self.memory[which][i] = m, v
            params[i] = params[i] - lr * (m / one) / (np.sqrt(v / two) + 1e-8)

    def drawn(self) -> Array:
        case = self.case
        shape = case.samples, case.batch_size, case.latent
        return self.rng.standard_normal(shape).astype(self.dtype)


def make(problem: Problem) -> NumpyNaive:
    return NumpyNaive(problem)
