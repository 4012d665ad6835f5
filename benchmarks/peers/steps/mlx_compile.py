"""MLX on the CPU: one compiled step (``mlx.core.compile``), whose gradients are by ``value_and_grad``."""

from __future__ import annotations

import math
from typing import Any

import mlx.core as mx
import numpy as np

from vsmnp.bench import Evaluation, Noise, Problem

LOG_2PI = math.log(2 * math.pi)
ACTIVATION = {"relu": lambda x: mx.maximum(x, 0), "tanh": mx.tanh, "sigmoid": mx.sigmoid}
Tree = Any

__all__ = ["make", "obstacle"]


def obstacle(problem: Problem) -> str | None:
    case = problem.case
    if case.device == "gpu" or case.threads > 1:
        return "it is measured on one core."
    if case.image is not None or case.models > 1 or case.bilevel_steps or case.dtype != "float32":
        return "it trains one model of perceptrons in float32, without bi-level updates."
    if case.objective not in ("elbo", "m1", "m2") or case.inference != "kl":
        return "it has the ELBO, M1 and M2 with KL inference."
    return None if case.activation in ACTIVATION else f"it has no {case.activation}."


class MlxContender:
    """A model as trees of arrays; the compiled step returns the moved trees."""

    def __init__(self, problem: Problem) -> None:
        mx.set_default_device(mx.cpu)
        case, settings = problem.case, problem.case.settings
        self.case, self.S, self.f = case, case.samples, ACTIVATION[case.activation]
        self.unbiased = problem.estimators[0] == "u-statistic"
        self.names = [*problem.phi], [*problem.theta]
        phi, theta = ([mx.array(p[0]) for p in named.values()] for named in (problem.phi, problem.theta))
        zeros = [[mx.zeros_like(p) for p in ps] for ps in (phi, phi, theta, theta)]
        self.state = [phi, theta, zeros[:2], zeros[2:], mx.zeros(2)]
        self.lrs, self.plain = (settings.encoder_lr, settings.lr), case.encoder_optimizer == "sgd"
        self.minibatches = [mx.array(x) for x in problem.batches]
        self.shape = case.samples, case.batch_size, case.latent
        self.t = 0
        self._compiled = mx.compile(self._one_step)

    def _network(self, p: list[mx.array], x: mx.array) -> mx.array:
        for i in range(0, len(p) - 2, 2):
            x = self.f(mx.addmm(p[i + 1], x, p[i].T))
        return mx.addmm(p[-1], x, p[-2].T)

    def _encode(self, phi: list[mx.array], x: mx.array) -> tuple[mx.array, mx.array]:
        mu, rho = mx.split(self._network(phi, x), 2, axis=-1)
        return mu, rho

    def _decode(self, theta: list[mx.array], z: mx.array) -> mx.array:
        return self._network(theta[:-1], z.reshape(-1, z.shape[-1])).reshape(*z.shape[:-1], -1)

    def _elbo(self, phi: list[mx.array], theta: list[mx.array], x: mx.array, eps: mx.array) -> mx.array:
        mu, rho = self._encode(phi, x)
        s, log_sd = mx.exp(rho), theta[-1]
        e = self._decode(theta, mu + s * eps) - x
        kl = (0.5 * (mu * mu + s * s - 1) - rho).sum(-1).mean()
        return kl + 0.5 * (e * e).sum(-1).mean() * mx.exp(-2 * log_sd) + x.shape[1] * (log_sd + 0.5 * LOG_2PI)

    def _learning(self, theta: list[mx.array], phi: list[mx.array], x: mx.array, eps: mx.array) -> mx.array:
        if self.case.objective == "elbo":
            return self._elbo(phi, theta, x, eps)
        mu, rho = self._encode(phi, x)
        tau, S = mx.exp(-2 * theta[-1]), self.S
        s = tau * (self._decode(theta, mu + mx.exp(rho) * eps) - x)
        square, divergence = (s * s).sum(-1), -tau * x.shape[1]
        if self.case.objective == "m1":
            return 0.5 * square.mean() + divergence
        total = s.sum(0)
        mean_square = (total * total).sum(-1)
        mean_square = (mean_square - square.sum(0)) / (S * (S - 1)) if self.unbiased else mean_square / S**2
        return square.mean() + divergence - 0.5 * mean_square.mean()

    def _moved(self, which: int, p: Tree, g: Tree, memory: Tree, t: mx.array) -> tuple[Tree, Tree]:
        lr = self.lrs[which]
        if which == 0 and self.plain:
            return [p - lr * g for p, g in zip(p, g, strict=True)], memory
        one, two = 1 - mx.power(0.9, t), 1 - mx.power(0.999, t)
        m = [m + 0.1 * (g - m) for m, g in zip(memory[0], g, strict=True)]
        v = [v + 0.001 * (g * g - v) for v, g in zip(memory[1], g, strict=True)]
        rows = zip(p, m, v, strict=True)
        return [p - lr * (m / one) / (mx.sqrt(v / two) + 1e-8) for p, m, v in rows], [m, v]

    def _one_step(self, state: Tree, x: mx.array, inference: mx.array, learning: mx.array) -> Tree:
        phi, theta, phi_memory, theta_memory, t = state
        count = self.case.encoder_steps
        for j in range(count):
            inferred, g = mx.value_and_grad(self._elbo)(phi, theta, x, inference[j])
            phi, phi_memory = self._moved(0, phi, g, phi_memory, t[0] + (j + 1))
        learned, g = mx.value_and_grad(self._learning)(theta, phi, x, learning)
        theta, theta_memory = self._moved(1, theta, g, theta_memory, t[1] + 1)
        return [phi, theta, phi_memory, theta_memory, t + mx.array([count, 1])], inferred, learned

    def evaluate(self, noise: Noise) -> Evaluation:
        phi, theta, x = *self.state[:2], self.minibatches[0]
        inferred, g_phi = mx.value_and_grad(self._elbo)(phi, theta, x, mx.array(noise.inference[0][0]))
        learned, g_theta = mx.value_and_grad(self._learning)(theta, phi, x, mx.array(noise.learning[0]))
        named = map(self._named, (0, 1), (g_phi, g_theta))
        return Evaluation(np.array(inferred)[None], np.array(learned)[None], *named)

    def step(self, noise: Noise | None = None) -> None:
        x = self.minibatches[self.t % len(self.minibatches)]
        self.t += 1
        if noise is None:
            J = self.case.encoder_steps
            inference, learning = mx.random.normal((J, *self.shape)), mx.random.normal(self.shape)
        else:
            inference, learning = mx.array(noise.inference[:, 0]), mx.array(noise.learning[0])
        self.state, *self.last = self._compiled(self.state, x, inference, learning)
        mx.eval(self.state, self.last)

    def losses(self) -> tuple[np.ndarray, np.ndarray]:
        inferred, learned = self.last
        return np.array(inferred)[None], np.array(learned)[None]

    def parameters(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        return self._named(0, self.state[0]), self._named(1, self.state[1])

    def _named(self, which: int, values: list[mx.array]) -> dict[str, np.ndarray]:
        return {name: np.array(v)[None] for name, v in zip(self.names[which], values, strict=True)}

    def wait(self) -> None:
        mx.eval(self.state)


def make(problem: Problem) -> MlxContender:
    return MlxContender(problem)
