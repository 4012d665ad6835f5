r"""Fit the linear model of Section 3.1 by the engine, with the posterior's variance tied to the decoder.

Encoder and decoder are one dense layer each. The posterior's ``rho = log s`` is the encoder's second bias,
and it is no independent parameter: :math:`\rho(\theta) = \tfrac12 \log(\alpha / (1 + \theta^2/\gamma))`, so

.. math:: \frac{dL}{d\theta} = \frac{\partial L}{\partial\theta}
          + \frac{\partial L}{\partial\rho} \rho'(\theta),
          \qquad \rho'(\theta) = -\frac{\theta}{\gamma + \theta^2} .
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ....layers.dense import Dense
from ....model.gaussian import DiagonalGaussian
from ....model.vae import GaussianVAE
from ....objectives import ELBO, KL, JointFisher, Objective
from ....objectives.gamma import FixedGamma
from ....rng import Key, Stream
from ....training.optimizers import Adam
from ....types import Array, Kernels

MODEL = GaussianVAE(encoder=Dense(1, 2), decoder=Dense(1, 1), posterior=DiagonalGaussian(1), d_x=1)


def joint_fisher(samples: int) -> tuple[Objective, ...]:
    """Return the joint Fisher divergence; ``E_q |s^q|^2`` is estimated by a probe, which is exact here."""
    return (JointFisher(samples=samples, score_norm="probe", gamma=FixedGamma()),)


def joint_kl(samples: int) -> tuple[Objective, ...]:
    """Return the joint KL divergence as one objective for phi and one for theta, from the same noise."""
    return KL(samples=samples), ELBO(samples=samples, gamma=FixedGamma())


@dataclass(frozen=True)
class TiedModel:
    """R models with two parameters ``w (R, 2)`` each: phi and theta."""

    #: Ratio of the posterior's variance to the exact posterior's.
    alpha: float
    #: Variance of the likelihood.
    gamma: float

    def log_s(self, theta: Array) -> Array:
        """Compute ``rho(theta)``, the logarithm of the posterior's standard deviation, ``(R,)``."""
        return np.asarray((np.log(self.alpha) - np.log1p(theta**2 / self.gamma)) / 2)

    def log_s_slope(self, theta: Array) -> Array:
        """Compute the derivative ``rho'(theta)``, ``(R,)``."""
        return np.asarray(-theta / (self.gamma + theta**2))

    def vectors(self, w: Array) -> tuple[Array, Array]:
        """Fill the engine's flat vectors ``phi (R, P_e)`` and ``theta (R, P_d)``; other entries are zero."""
        phi, theta = np.zeros((len(w), MODEL.phi_layout.size)), np.zeros((len(w), MODEL.theta_layout.size))
        encoder, decoder = MODEL.encoder_part(phi), MODEL.decoder_part(theta)
        encoder["w"][:, 0, 0], encoder["b"][:, 1] = w[:, 0], self.log_s(w[:, 1])
        decoder["w"][:, 0, 0] = w[:, 1]
        MODEL.log_sd(theta)[:] = 0.5 * np.log(self.gamma)
        return phi, theta

    def gradient(self, k: Kernels, objectives: Sequence[Objective], w: Array, x: Array, key: Key) -> Array:
        """Compute the gradient ``(R, 2)`` on one batch ``x (R, 1, N, 1)``, including that through the tie."""
        phi, theta = self.vectors(w)
        gradient = np.zeros_like(w)
        for objective in objectives:
            outcome = objective(k, MODEL, phi, theta, x, key)
            if outcome.g_phi is not None:
                encoder = MODEL.encoder_part(outcome.g_phi)
                gradient[:, 0] += encoder["w"][:, 0, 0]
                gradient[:, 1] += encoder["b"][:, 1] * self.log_s_slope(w[:, 1])
            if outcome.g_theta is not None:
                gradient[:, 1] += MODEL.decoder_part(outcome.g_theta)["w"][:, 0, 0]
        return gradient


@dataclass(frozen=True)
class Descent:
    """Adam on fresh data and noise, from one start for all models.

    Each batch is scaled to the data's exact variance, the only property of the data that the divergences
    depend on. The learning rate is constant for half of the steps and then falls linearly to zero; the
    solution is the mean over the last quarter. The remaining noise is that of the posterior samples.
    """

    #: Number of updates, data in a batch, posterior samples for a datum.
    steps: int
    batch: int = 100
    samples: int = 8
    #: The initial learning rate.
    lr: float = 0.05
    #: The initial phi and theta.
    start: tuple[float, float] = (0.5, 1.0)

    def run(
        self, k: Kernels, model: TiedModel, objectives: Sequence[Objective], theta_star: Array,
        on_step: Callable[[int], None],
    ) -> Array:  # fmt: skip
        """Compute the solutions ``(R, 2)`` for ``theta_star (R,)``; ``on_step`` is called with each step."""
        key, adam = Key(tuple(range(len(theta_star)))), Adam()
        sd = np.sqrt(theta_star**2 + model.gamma)[:, None, None, None]
        w = np.tile(np.array(self.start), (len(theta_star), 1))
        memory, active = adam.remember(k, w), np.ones(len(w), dtype=bool)
        total, averaged = np.zeros_like(w), self.steps // 4
        for t in range(self.steps):
            x = key.on(Stream.TRAIN_DATA, t).normal(k, (1, self.batch, 1), w.dtype)
            x *= sd / np.sqrt(np.square(x).mean(2, keepdims=True))
            g = model.gradient(k, objectives, w, x, key.on(Stream.LEARNING, t))
            lr = self.lr * min(1.0, 2 * (1 - t / self.steps))
            adam.update(k, w, g, memory, np.full(len(w), lr), active)
            if t >= self.steps - averaged:
                total += w
            on_step(t + 1)
        return total / averaged
