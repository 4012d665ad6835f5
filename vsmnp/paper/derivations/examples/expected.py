"""The engine's own objectives without sampling noise: one model for each node of a rule.

:func:`expected` averages any part of an outcome, :func:`loss_of` the posterior Fisher divergence, and
:func:`gradient_in_q` gives a phi-gradient as one in ``(mu, s)``; :func:`with_q` sets ``mu`` and ``s``.
:class:`AtNodes` also takes the nodes as the S samples of a single model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ....model.gaussian import DiagonalGaussian
from ....model.posterior import Moments
from ....objectives import Objective, Outcome, PosteriorFisher
from ....rng import Key
from ....types import Array, Kernels
from ..quadrature import normal_rule
from .engine import EngineExample


@dataclass(frozen=True, eq=False)
class AtNodes(DiagonalGaussian):
    """A posterior whose noise is not drawn: sample s of model r has ``eps[r, s]`` for every datum.

    Attributes
    ----------
    eps : Array
        Nodes ``(R, S|1, Z)``.
    """

    eps: Array = field(default_factory=lambda: np.zeros((1, 1, 1)))

    def sample(self, k: Kernels, key: Key, q: Moments, samples: int) -> Array:
        return q.place(self.noise(k, key, samples, q.mu))

    def noise(self, k: Kernels, key: Key, samples: int, like: Array) -> Array:
        models, _, width = self.eps.shape
        return np.broadcast_to(self.eps[:, :, None], (models, samples, like.shape[2], width))


def expected(
    example: EngineExample, objective: Objective, value: Callable[[Outcome], Array],
    rule: tuple[Array, Array] | None = None,
) -> Array:  # fmt: skip
    """Compute the expectation of an objective with one posterior sample, to the accuracy of the rule.

    Parameters
    ----------
    example : EngineExample
        Model, parameters and batch.
    objective : Objective
        Objective with ``samples = 1``, so that its expectation is over a single eps.
    value : callable
        Function of the :class:`~vsmnp.objectives.Outcome`, ``(R, ...)``.
    rule : tuple of Array, optional
        Nodes ``(Q, Z)`` and weights ``(Q,)`` for eps; the Gauss-Hermite rule of the example unless given.
    """
    eps, weights = rule if rule is not None else normal_rule(example.nodes, example.model.d_z)
    posterior = AtNodes(example.model.d_z, example.model.gaussian_posterior.scale, eps[:, None])
    outcome = objective(
        example.k,
        replace(example.model, posterior=posterior),
        example.phi.repeat(len(eps), 0),
        example.theta.repeat(len(eps), 0),
        example.x,
        Key((0,)),
    )
    return np.asarray(np.tensordot(weights, np.asarray(value(outcome)), 1))


def phi_gradient(outcome: Outcome) -> Array:
    """Return the phi-gradient of an outcome."""
    assert outcome.g_phi is not None
    return outcome.g_phi


def theta_gradient(outcome: Outcome) -> Array:
    """Return the theta-gradient of an outcome."""
    assert outcome.g_theta is not None
    return outcome.g_theta


def gradient_in_q(
    example: EngineExample, objective: Objective, rule: tuple[Array, Array] | None = None
) -> Array:
    """Compute the expected phi-gradient of an objective as ``(dmu, ds)`` of q, ``(2 Z,)``, for one datum.

    The bias of the encoder's last layer is added to ``(mu, log s)`` directly, so its gradient is used.
    """
    bias = example.model.phi_layout.slots[-1]
    slope = expected(example, objective, phi_gradient, rule)[bias.start : bias.stop]
    slope[example.model.d_z :] /= example.q()[1][0]
    return slope


def with_q(example: EngineExample, mu: Array, s: Array) -> EngineExample:
    """Return the example with an encoder whose ``q = N(mu, diag s^2)``, ``(Z,)``, for every x."""
    phi = np.zeros_like(example.phi)
    bias = example.model.phi_layout.slots[-1]
    phi[0, bias.start : bias.stop] = np.concatenate([mu, np.log(s)])
    return example.at(phi=phi)


_UNWEIGHTED = PosteriorFisher()


def loss_of(example: EngineExample, objective: PosteriorFisher = _UNWEIGHTED) -> float:
    """Compute the expected loss of :class:`~vsmnp.objectives.PosteriorFisher`."""
    return float(expected(example, objective, lambda outcome: outcome.loss))
