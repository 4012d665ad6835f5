"""K updates of phi as a function of theta, written again from densities, to be differenced in theta.

Gradients of an update in phi and in z are complex steps, exact to rounding; an axis B in front holds the
perturbed copies of a vector. The whole function is differenced by a stencil of eighth order: with steps of
1e-2 along a direction of length 1 its truncation and its rounding stay below 1e-9 of the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import assume
from strategies import Scene
from test_objectives import FUNCTIONS

from vsmnp.model.layout import Layout
from vsmnp.types import Array

#: Weights of the differences ``f(i h) - f(-i h)`` in ``h f'(0)``, to eighth order.
WEIGHTS = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
STEP = 1e-2
COMPLEX_STEP = 1e-30


def derivative(f: Callable[[float], Any], step: float = STEP) -> Any:
    """Estimate ``f'(0)`` by the stencil of eighth order."""
    return sum(weight / step * (f(i * step) - f(-i * step)) for i, weight in WEIGHTS.items())


def gradient(f: Callable[[Array], Array], at: Array, layout: Layout) -> Array:
    """Compute the gradient of ``f: (B, P) -> (B,)`` at a padded vector, all its numbers at once."""
    places = np.concatenate([np.arange(slot.start, slot.stop) for slot in layout.slots])
    copies = np.repeat(at[None].astype(complex), len(places), axis=0)
    copies[np.arange(len(places)), places] += COMPLEX_STEP * 1j
    out = np.zeros(len(at))
    out[places] = np.imag(f(copies)) / COMPLEX_STEP
    return out


@dataclass(frozen=True)
class Densities:
    """The model of one scene from densities: vectors ``(B, P)``, ``x (N, D)`` and ``eps, z (S, N, Z)``.

    ``signs`` collects the signs of the inputs of all activations: a difference over a kink is no derivative.
    """

    scene: Scene
    signs: list[bytes] = field(default_factory=list)

    @property
    def x(self) -> Array:
        return np.asarray(self.scene.x[0, 0])

    def _net(self, p: Mapping[str, Any], x: Array) -> Array:
        layers = [p[name] for name in sorted(p, key=int)]
        for i, layer in enumerate(layers):
            x = x @ layer["w"].swapaxes(-1, -2)[:, None] + layer["b"][:, None, None]
            if i + 1 < len(layers):
                self.signs.append((x.real > 0).tobytes())
                x = FUNCTIONS[self.scene.activation](x)
        return x

    def q(self, phi: Array) -> tuple[Array, Array]:
        """Compute mean and standard deviation, ``(B, 1, N, Z)``."""
        mu, rho = np.split(self._net(self.scene.model.encoder_part(phi), self.x[None, None]), 2, axis=-1)
        return mu, FUNCTIONS[self.scene.model.gaussian_posterior.scale](rho)

    def place(self, phi: Array, eps: Array) -> Array:
        """Compute the samples of one vector phi."""
        mu, s = self.q(phi[None])
        return np.asarray(mu + s * eps)[0]

    def log_likelihood(self, theta: Array, z: Array) -> Array:
        """Compute ``log p(x|z)`` of one vector theta at ``z (B, S, N, Z)``."""
        model = self.scene.model
        g = self._net(model.decoder_part(theta[None]), z)
        g = (1 + np.tanh(g / 2)) / 2 if len(model.decoder.layers) % 2 == 0 else g  # type: ignore[attr-defined]
        gamma = np.exp(2 * model.log_sd(theta[None])[0])
        square = ((self.x - g) ** 2).sum(-1)
        return np.asarray(-square / (2 * gamma) - model.d_x / 2 * np.log(2 * np.pi * gamma))

    def score_z(self, theta: Array, z: Array) -> Array:
        """Compute ``grad_z log p(x|z)``, ``(S, N, Z)``."""
        steps = COMPLEX_STEP * 1j * np.eye(z.shape[-1])
        moved = np.stack([z + step for step in steps])
        return np.moveaxis(np.imag(self.log_likelihood(theta, moved)) / COMPLEX_STEP, 0, -1)


@dataclass(frozen=True)
class Held:
    """Values that a Fisher update holds fixed: samples ``(S, N, Z)`` and weights of the squares of d."""

    z: Array
    weight: Array


@dataclass(frozen=True)
class Updates:
    """K gradient steps of size ``lr`` on an inference loss.

    Parameters
    ----------
    inference : {"kl", "fisher", "covariance"}
        The negative ELBO, or the Fisher divergence without a weight or with that of q's covariance.
    eps : Array
        ``(K, S, N, Z)``, noise of the updates.
    factors : sequence of float
        For each update the weight of KL[q || p(z)], or the factor of the Fisher divergence.
    """

    inference: str
    lr: float
    eps: Array
    factors: tuple[float, ...]

    def hold(self, one: Densities, phi: Array, theta: Array) -> list[Held]:
        """Return the values that the updates hold fixed on the way from phi at this theta."""
        held = []
        for step, eps in enumerate(self.eps):
            variance = one.q(phi[None])[1][0] ** 2
            weight = variance if self.inference == "covariance" else np.ones_like(variance)
            held.append(Held(one.place(phi, eps), weight))
            phi = self._updated(one, phi, theta, step, held[-1])
        return held

    def __call__(self, one: Densities, phi: Array, theta: Array, held: list[Held]) -> Array:
        """Compute phi_K, the end of all updates."""
        for step, fixed in enumerate(held):
            phi = self._updated(one, phi, theta, step, fixed)
        return phi

    def _updated(self, one: Densities, phi: Array, theta: Array, step: int, held: Held) -> Array:
        factor = self.factors[step]

        def negative_elbo(phi: Array) -> Array:
            mu, s = one.q(phi)
            kl = ((mu**2 + s**2 - 1) / 2 - np.log(s)).sum(-1)
            fit = one.log_likelihood(theta, mu + s * self.eps[step])
            return np.asarray((factor * kl - fit).mean((1, 2)))

        def fisher(phi: Array) -> Array:
            mu, s = one.q(phi)
            d = -(held.z - mu) / s**2 + held.z - b
            return np.asarray(factor * (held.weight * d**2).sum(-1).mean((1, 2)) / 2)

        layout = one.scene.model.phi_layout
        if self.inference == "kl":
            return phi - self.lr * gradient(negative_elbo, phi, layout)
        b = one.score_z(theta, held.z)
        return phi - self.lr * gradient(fisher, phi, layout)


def derivative_without_kinks(one: Densities, f: Callable[[float], float], step: float = STEP) -> float:
    """Estimate ``f'(0)``; skip a draw of elu networks if an activation's input changes sign on the way."""
    seen = []

    def watched(t: float) -> float:
        one.signs.clear()
        value = f(t)
        seen.append(list(one.signs))
        return value

    found = float(derivative(watched, step))
    if one.scene.activation == "elu":
        assume(all(signs == seen[0] for signs in seen))
    return found
