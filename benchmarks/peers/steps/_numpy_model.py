"""Define the common parts of the NumPy peers: losses and gradients by hand, for perceptrons of one model."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from vsmnp.bench import Evaluation, Noise, Problem

LOG_2PI = math.log(2 * math.pi)
Array = np.ndarray
#: Each activation, and its derivative as a function of its value.
ACTIVATION: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (lambda x: np.maximum(x, 0), lambda y: y > 0),
    "tanh": (np.tanh, lambda y: 1 - y**2),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda y: y * (1 - y)),
}


def obstacle(problem: Problem) -> str | None:
    """Return why the peer cannot run the case, or None if it can."""
    case = problem.case
    if case.device == "gpu":
        return "NumPy runs on the CPU."
    if case.image is not None or case.models > 1 or case.bilevel_steps:
        return "it trains one model of perceptrons, without bi-level updates."
    if case.objective == "fae" or case.inference == "fisher-reparam":
        return "it has no second-order gradients."
    if case.activation not in ACTIVATION:
        return f"it has no {case.activation}."
    return None


class NumpyContender(ABC):
    """One model whose losses and gradients are written out; each kind of NumPy has its own passes."""

    def __init__(self, problem: Problem) -> None:
        case, settings = problem.case, problem.case.settings
        square, baseline = problem.estimators
        self.case, self.unbiased, self.leave_one_out = case, square == "u-statistic", baseline != "none"
        self.names = [*problem.phi], [*problem.theta]
        self.dtype = np.dtype(case.dtype)
        self.phi = [p[0].copy() for p in problem.phi.values()]
        self.theta = [p[0].copy() for p in problem.theta.values()]
        self.lrs = settings.encoder_lr, settings.lr
        self.plain = case.encoder_optimizer == "sgd", False
        self.f, self.slope = ACTIVATION[case.activation]
        self.minibatches = list(problem.batches)
        self.order = itertools.cycle(self.minibatches)
        self.rng = np.random.default_rng(0)
        self.last = 0.0, 0.0

    @abstractmethod
    def forward(self, which: int, x: Array) -> list[Array]:
        """Return the input ``(M, I)`` and the output of every layer of the encoder (0) or decoder (1)."""

    @abstractmethod
    def backward(
        self, which: int, outputs: Sequence[Array], g: Array, weights: bool, inputs: bool
    ) -> tuple[list[Array], Array | None]:
        """Pull the cotangent ``g (M, O)`` back: return gradients of the parameters, and of the input."""

    @abstractmethod
    def update(self, which: int, gradient: Sequence[Array]) -> None:
        """Move the parameters by the optimiser's step."""

    @abstractmethod
    def drawn(self) -> Array:
        """Return standard normals ``(S, N, Z)``."""

    def _encoded(self, x: Array, eps: Array) -> tuple[list[Array], Array, Array, Array]:
        """Return the outputs of the encoder, mu and s ``(N, Z)``, and z ``(S, N, Z)``."""
        outputs = self.forward(0, x)
        mu, rho = np.split(outputs[-1], 2, axis=-1)
        s = np.exp(rho)
        return outputs, mu, s, mu + s * eps

    def _decoded(self, z: Array, x: Array) -> tuple[list[Array], Array, float]:
        """Return the outputs of the decoder, the errors g(z) - x ``(S, N, D)``, and 1/gamma."""
        outputs = self.forward(1, z.reshape(-1, z.shape[-1]))
        return outputs, outputs[-1].reshape(*z.shape[:2], -1) - x, math.exp(-2 * float(self.theta[-1]))

    def inference(self, x: Array, eps: Array) -> tuple[float, list[Array]]:
        """Compute the loss of the encoder and its gradient in phi."""
        (S, N, _), D = eps.shape, x.shape[1]
        outputs, mu, s, z = self._encoded(x, eps)
        decoded, e, tau = self._decoded(z, x)
        weight = self.dtype.type(tau / (S * N) if self.case.inference == "kl" else tau)
        _, dz = self.backward(1, decoded, (weight * e).reshape(-1, D), weights=False, inputs=True)
        dz = dz.reshape(eps.shape)
        if self.case.inference == "kl":
            prior = 0.5 * (mu**2 + s**2 - 1) - np.log(s)
            constant = D * (float(self.theta[-1]) + 0.5 * LOG_2PI)
            loss = float(prior.sum()) / N + 0.5 * tau * float((e**2).sum()) / (S * N) + constant
            g = dz.sum(0) + mu / N, (dz * eps).sum(0) * s + (s**2 - 1) / N
        else:
            d = z - eps / s + dz
            loss = 0.5 * float((d**2).sum()) / (S * N)
            g = (d / s**2).sum(0) / (S * N), 2 * (d * eps / s).sum(0) / (S * N)
        gradient, _ = self.backward(0, outputs, np.concatenate(g, -1), weights=True, inputs=False)
        return loss, gradient

    def learning(self, x: Array, eps: Array) -> tuple[float, list[Array]]:
        """Compute the loss of the decoder and its gradient in theta."""
        (S, N, _), D, name = eps.shape, x.shape[1], self.case.objective
        outputs, mu, s, z = self._encoded(x, eps)
        s_q = self._score_q(outputs, s, eps) if name == "m3" else None
        decoded, e, tau = self._decoded(z, x)
        each = 1 / (S * N)
        if name == "elbo":
            square = tau * float((e**2).sum()) * each
            prior = float((0.5 * (mu**2 + s**2 - 1) - np.log(s)).sum()) / N
            loss = prior + 0.5 * square + D * (float(self.theta[-1]) + 0.5 * LOG_2PI)
            g, slope = self.dtype.type(tau * each) * e, D - square
        else:
            quadratic, cross, g = self._matching(name, self.dtype.type(tau) * e, s_q)
            loss, slope = quadratic + cross - tau * D, -4 * quadratic - 2 * cross + 2 * tau * D
            g = self.dtype.type(tau * each) * g
        gradient, _ = self.backward(1, decoded, g.reshape(-1, D), weights=True, inputs=False)
        return loss, [*gradient, np.asarray(slope, self.dtype)]

    def _matching(self, name: str, s: Array, s_q: Array | None) -> tuple[float, float, Array]:
        """Return the quadratic and the cross terms of M1, M2 or M3, and S N times the gradient in s."""
        S, N, _ = s.shape
        square = float((s**2).sum()) / (S * N)
        if name == "m1" or (name == "m2" and S == 1):
            return 0.5 * square, 0.0, s
        total = s.sum(0)
        if self.unbiased:
            mean_square = (float((total**2).sum()) / N - S * square) / (S * (S - 1))
            g = (total - s) / (S - 1)
        else:
            mean_square, g = float((total**2).sum()) / (S * S * N), total / S
        if name == "m2":
            return square - 0.5 * mean_square, 0.0, 2 * s - g
        assert s_q is not None
        off = (s_q - s_q.mean(0)) * (S / (S - 1)) if self.leave_one_out else s_q
        return 0.5 * mean_square, float((off * s).sum()) / (S * N), off + g

    def _score_q(self, outputs: Sequence[Array], s: Array, eps: Array) -> Array:
        """Compute ``grad_x log q(z|x)`` at fixed z, ``(S, N, D)``, by one pass back per sample."""
        cotangents = np.concatenate([eps / s, eps**2 - 1], -1)
        return np.stack([self.backward(0, outputs, g, weights=False, inputs=True)[1] for g in cotangents])

    def evaluate(self, noise: Noise) -> Evaluation:
        x = self.minibatches[0]
        inferred, g_phi = self.inference(x, noise.inference[0][0])
        g_phi = [np.array(g)[None] for g in g_phi]
        learned, g_theta = self.learning(x, noise.learning[0])
        g_theta = [np.array(g)[None] for g in g_theta]
        gradients = zip(self.names, (g_phi, g_theta), strict=True)
        named = [dict(zip(names, g, strict=True)) for names, g in gradients]
        return Evaluation(np.array([inferred]), np.array([learned]), *named)

    def step(self, noise: Noise | None = None) -> None:
        x = next(self.order)
        for j in range(self.case.encoder_steps):
            eps = self.drawn() if noise is None else noise.inference[j][0]
            inferred, gradient = self.inference(x, eps)
            self.update(0, gradient)
        learned, gradient = self.learning(x, self.drawn() if noise is None else noise.learning[0])
        self.update(1, gradient)
        self.last = inferred, learned

    def losses(self) -> tuple[Array, Array]:
        inferred, learned = self.last
        return np.array([inferred]), np.array([learned])

    def parameters(self) -> tuple[dict[str, Array], dict[str, Array]]:
        phi, theta = (
            {name: np.array(p)[None] for name, p in zip(names, params, strict=True)}
            for names, params in zip(self.names, (self.phi, self.theta), strict=True)
        )
        return phi, theta

    def wait(self) -> None:
        return  # a step ends with its call
