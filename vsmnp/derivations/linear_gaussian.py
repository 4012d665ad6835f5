"""A linear VAE in the engine whose q is the exact posterior, so that its marginal is a known Gaussian."""

from __future__ import annotations

import numpy as np

from ..kernels import load
from ..model import GaussianVAE
from ..types import Array
from .engine_example import EngineExample

_W = np.array([0.9, -0.5, 0.4])
_BIAS = np.array([0.2, -0.1, 0.3])


def linear_gaussian(gamma: float = 0.5) -> EngineExample:
    """``x = w z + bias + sqrt(gamma) noise`` in three dimensions, one latent; q is ``p(z|x)``."""
    model = GaussianVAE.mlp(3, 1, ())
    phi = np.zeros((1, model.phi_layout.size))
    theta = np.zeros((1, model.theta_layout.size))
    precision = 1 + _W @ _W / gamma
    to_mean = _W / (gamma * precision)

    encoder = dict(model.phi_layout.named(phi))
    (w, bias) = encoder.values()
    w[0, 0], bias[0] = to_mean, [-to_mean @ _BIAS, -0.5 * np.log(precision)]
    (w, bias, log_sd) = dict(model.theta_layout.named(theta)).values()
    w[0, :, 0], bias[0], log_sd[:] = _W, _BIAS, 0.5 * np.log(gamma)
    x = np.array([[0.5, -1.0, 0.3], [-0.8, 0.4, 1.2]])[None, None]
    return EngineExample(load("reference"), model, phi, theta, x)


def marginal_score(example: EngineExample) -> tuple[Array, float]:
    """``grad_x log p(x)``, ``(N, D)``, and its divergence, from the covariance of the marginal."""
    inverse = np.linalg.inv(np.outer(_W, _W) + example.gamma * np.eye(3))
    return np.asarray((_BIAS - example.data) @ inverse), -float(np.trace(inverse))
