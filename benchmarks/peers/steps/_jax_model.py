"""Define the common parts of the JAX peers: one pure step, in which every gradient is ``jax.grad``."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vsmnp.bench import Evaluation, Noise, Problem
from vsmnp.settings.in_effect import bilevel_step_size

LOG_2PI = math.log(2 * math.pi)
ACTIVATION = {
    "relu": jax.nn.relu, "tanh": jnp.tanh, "elu": jax.nn.elu, "softplus": jax.nn.softplus,
    "sigmoid": jax.nn.sigmoid,
}  # fmt: skip
Tree = Any


def obstacle(problem: Problem) -> str | None:
    """Return why JAX cannot run the case on that device, or None if it can."""
    wanted = "gpu" if problem.case.device == "gpu" else "cpu"
    if jax.default_backend() != wanted:
        return f"this JAX runs on {jax.default_backend()}."
    return None


class Losses:
    """The losses of a problem as functions of ``(phi, theta, x, eps)``, of one model."""

    def __init__(self, problem: Problem) -> None:
        case, (square, baseline) = problem.case, problem.estimators
        self.case, self.S = case, case.samples
        self.unbiased, self.leave_one_out = square == "u-statistic", baseline == "leave-one-out"
        self.f = ACTIVATION[case.activation]

    def network(self, p: Tree, x: jax.Array) -> jax.Array:
        for i in range(0, len(p) - 2, 2):
            x = self.f(x @ p[i].T + p[i + 1])
        return x @ p[-2].T + p[-1]

    def moments(self, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        mu, rho = jnp.split(features, 2, -1)
        return mu, jnp.exp(rho)

    def encode(self, phi: Tree, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self.moments(self.network(phi, x))

    def decode(self, theta: Tree, z: jax.Array) -> jax.Array:
        return self.network(theta[:-1], z)

    def log_likelihood(self, theta: Tree, x: jax.Array, g: jax.Array) -> jax.Array:
        log_sd, square = theta[-1], ((x - g) ** 2).sum(-1)
        return -0.5 * square * jnp.exp(-2 * log_sd) - self.case.d_x * (log_sd + 0.5 * LOG_2PI)

    def kl(self, mu: jax.Array, s: jax.Array) -> jax.Array:
        return (0.5 * (mu**2 + s**2 - 1) - jnp.log(s)).sum(-1)

    def score_q(self, phi: Tree, x: jax.Array, z: jax.Array) -> jax.Array:
        """Compute ``grad_x log q(z|x)`` at fixed z, by one pullback of the encoder per sample."""

        def log_q(features: jax.Array, z: jax.Array) -> jax.Array:
            mu, s = self.moments(features)
            return -(0.5 * ((z - mu) / s) ** 2 + jnp.log(s)).sum()

        features, pull = jax.vjp(partial(self.network, phi), x)
        cotangents = jax.vmap(jax.grad(log_q), (None, 0))(features, z)
        return jax.vmap(pull)(cotangents)[0]

    def posterior_score(self, theta: Tree, x: jax.Array, z: jax.Array) -> jax.Array:
        return jax.grad(lambda z: self.log_likelihood(theta, x, self.decode(theta, z)).sum())(z)

    def squared_mean(self, s: jax.Array) -> jax.Array:
        if not self.unbiased:
            return (s.mean(0) ** 2).sum(-1)
        return (s.sum(0) ** 2 - (s**2).sum(0)).sum(-1) / (self.S * (self.S - 1))

    def inference(self, phi: Tree, theta: Tree, x: jax.Array, eps: jax.Array) -> jax.Array:
        if self.case.objective == "fae":
            return self.joint(phi, theta, x, eps, self.case.inference == "fisher-reparam")
        mu, s = self.encode(phi, x)
        z = mu + s * eps
        if self.case.inference == "kl":
            return self.kl(mu, s).mean() - self.log_likelihood(theta, x, self.decode(theta, z)).mean()
        if self.case.inference == "fisher":
            z = jax.lax.stop_gradient(z)
        d = z - (z - mu) / s**2 - self.posterior_score(theta, x, z)
        return 0.5 * (d**2).sum(-1).mean()

    def learning(self, theta: Tree, phi: Tree, x: jax.Array, eps: jax.Array) -> jax.Array:
        name = self.case.objective
        if name == "fae":
            return self.joint(phi, theta, x, eps, False)
        mu, s = self.encode(phi, x)
        z = mu + s * eps
        g = self.decode(theta, z)
        if name == "elbo":
            return self.kl(mu, s).mean() - self.log_likelihood(theta, x, g).mean()
        s_q = self.score_q(phi, x, z) if name == "m3" else None
        return self.matching(name, theta, g - x, s_q)

    def matching(self, name: str, theta: Tree, e: jax.Array, s_q: jax.Array | None) -> jax.Array:
        tau = jnp.exp(-2 * theta[-1])
        s, divergence = tau * e, -tau * self.case.d_x
        if name == "m1":
            return 0.5 * (s**2).sum(-1).mean() + divergence
        if name == "m2":
            return (s**2).sum(-1).mean() + divergence - 0.5 * self.squared_mean(s).mean()
        off = (s - s.mean(0)) * (self.S / (self.S - 1)) if self.leave_one_out else s
        return (s_q * off).sum(-1).mean() + divergence + 0.5 * self.squared_mean(s).mean()

    def joint(self, phi: Tree, theta: Tree, x: jax.Array, eps: jax.Array, follows: bool) -> jax.Array:
        """Compute the loss of the Fisher autoencoder."""
        mu, s = self.encode(phi, x)
        z = mu + s * eps
        z = z if follows else jax.lax.stop_gradient(z)
        d = z - (z - mu) / s**2 - self.posterior_score(theta, x, z)
        loss = 0.5 * (d**2).sum(-1).mean() + self.matching("m1", theta, self.decode(theta, z) - x, None)
        return loss + 0.5 * (self.score_q(phi, x, z) ** 2).sum(-1).mean()


def sgd(lr: float, p: Tree, g: Tree, memory: Tree) -> tuple[Tree, Tree]:
    return jax.tree.map(lambda p, g: p - lr * g, p, g), memory


def adam(lr: float, p: Tree, g: Tree, memory: Tree) -> tuple[Tree, Tree]:
    m, v, t = memory
    t = t + 1
    m = jax.tree.map(lambda m, g: m + 0.1 * (g - m), m, g)
    v = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), v, g)
    one, two = 1 - 0.9**t, 1 - 0.999**t
    p = jax.tree.map(lambda p, m, v: p - lr * (m / one) / (jnp.sqrt(v / two) + 1e-8), p, m, v)
    return p, (m, v, t)


def fresh(p: Tree, t: jax.Array) -> Tree:
    return jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p), t


class JaxContender:
    """A jitted step whose state is donated; the noise comes from the fast bit generator of XLA."""

    def __init__(self, problem: Problem, models: bool) -> None:
        jax.config.update("jax_enable_x64", problem.case.dtype == "float64")
        case, self.models = problem.case, models
        self.case, self.losses_of = case, Losses(problem)
        self.names = [*problem.phi], [*problem.theta]
        pick = (lambda a: jnp.asarray(a)) if models else (lambda a: jnp.asarray(a[0]))
        phi, theta = ([pick(a) for a in p.values()] for p in (problem.phi, problem.theta))
        dtype = jnp.dtype(case.dtype)
        t = jnp.zeros(case.models if models else (), dtype)
        rule, empty = (sgd, ()) if case.encoder_optimizer == "sgd" else (adam, fresh(phi, t))
        settings = case.settings
        self.encoder_update = partial(rule, settings.encoder_lr)
        self.decoder_update = partial(adam, settings.lr)
        self.bilevel_lr = bilevel_step_size(settings)
        self.state = [phi, theta, empty, fresh(theta, t + 0)]
        self.first = jax.tree.map(jnp.copy, (phi, theta))
        self.key = jax.random.key(0, impl="rbg")
        self.minibatches = [jnp.asarray(x) for x in problem.batches]
        self.t = 0
        over = (lambda f, axes: jax.vmap(f, axes)) if models else (lambda f, axes: f)
        one_step = over(self._one_step, (0, None, 0, 0, 0))
        shape = (case.samples, case.batch_size, case.latent)
        lead = (case.models,) if models else ()

        def drawn(state: Tree, x: jax.Array, key: jax.Array) -> Tree:
            key, a, b, c = jax.random.split(key, 4)
            inference = jax.random.normal(a, (*lead, case.encoder_steps, *shape), dtype)
            learning = jax.random.normal(b, (*lead, *shape), dtype)
            inner = jax.random.normal(c, (*lead, case.bilevel_steps, *shape), dtype)
            return *one_step(state, x, inference, learning, inner), key

        self._drawn = jax.jit(drawn, donate_argnums=0)
        self._given = jax.jit(one_step)
        self._value = jax.jit(over(self._evaluate, (0, 0, None, 0, 0, 0)))

    def _hypergradient(
        self, theta: Tree, phi: Tree, x: jax.Array, learning: jax.Array, inner: jax.Array
    ) -> Tree:
        """Compute the learning loss after the unrolled K bi-level updates, and its gradient in theta."""

        def loss(theta: Tree) -> jax.Array:
            moved = phi
            for each in range(self.case.bilevel_steps):
                g = jax.grad(self.losses_of.inference)(moved, theta, x, inner[each])
                moved, _ = sgd(self.bilevel_lr, moved, g, ())
            return self.losses_of.learning(theta, moved, x, learning)

        return jax.value_and_grad(loss)(theta)

    def _one_step(
        self, state: Tree, x: jax.Array, inference: jax.Array, learning: jax.Array, inner: jax.Array
    ) -> Tree:
        phi, theta, phi_memory, theta_memory = state
        for j in range(self.case.encoder_steps):
            inferred, g = jax.value_and_grad(self.losses_of.inference)(phi, theta, x, inference[j])
            phi, phi_memory = self.encoder_update(phi, g, phi_memory)
        learned, g = self._hypergradient(theta, phi, x, learning, inner)
        theta, theta_memory = self.decoder_update(theta, g, theta_memory)
        return [phi, theta, phi_memory, theta_memory], (inferred, learned)

    def _evaluate(
        self, phi: Tree, theta: Tree, x: jax.Array, inference: jax.Array, *noise: jax.Array
    ) -> Tree:
        inferred = jax.value_and_grad(self.losses_of.inference)(phi, theta, x, inference)
        return inferred, self._hypergradient(theta, phi, x, *noise)

    def evaluate(self, noise: Noise) -> Evaluation:
        eps = self._noise(noise)
        (a, g_phi), (b, g_theta) = self._value(
            *self.first, self.minibatches[0], eps[0][..., 0, :, :, :], *eps[1:]
        )
        return Evaluation(self._host(a), self._host(b), *self._named(g_phi, g_theta))

    def parameters(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        return self._named(*self.state[:2])

    def _named(self, *trees: Tree) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Copy arrays of phi and of theta to the host by name."""
        phi, theta = (
            {name: self._host(v) for name, v in zip(names, tree, strict=True)}
            for names, tree in zip(self.names, trees, strict=True)
        )
        return phi, theta

    def _host(self, v: jax.Array) -> np.ndarray:
        return np.asarray(v) if self.models else np.asarray(v)[None]

    def step(self, noise: Noise | None = None) -> None:
        x = self.minibatches[self.t % len(self.minibatches)]
        self.t += 1
        if noise is None:
            self.state, self.last, self.key = self._drawn(self.state, x, self.key)
        else:
            self.state, self.last = self._given(self.state, x, *self._noise(noise))

    def losses(self) -> tuple[np.ndarray, np.ndarray]:
        a, b = (np.asarray(v) for v in self.last)
        return (a, b) if self.models else (a[None], b[None])

    def wait(self) -> None:
        jax.block_until_ready(self.state)

    def _noise(self, noise: Noise) -> list[jax.Array]:
        """Return ``(R, J, S, N, Z)``, ``(R, S, N, Z)`` and ``(R, K, S, N, Z)``, of one model without R."""
        given = np.moveaxis(noise.inference, 0, 1), noise.learning, np.moveaxis(noise.bilevel, 0, 1)
        return [jnp.asarray(eps if self.models else eps[0]) for eps in given]
