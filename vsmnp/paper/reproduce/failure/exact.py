r"""The learning objectives at the exact posterior of the current theta, by quadrature.

The M nodes z_i are a lattice of the unit square, shifted at random in each step and mapped by the quantiles
of the prior, so that all have equal prior mass, and the weights of the posterior of x_n are
:math:`w_{ni} \propto p(x_n | z_i)`, as in :mod:`vsmnp.metrics.prior`. With :math:`e_{ni} = g(z_i) - x_n`,
:math:`A = \sum_i w_i |e_i|^2` and :math:`B = |\sum_i w_i e_i|^2` the loss of a datum is

- of the ELBO :math:`-\log p(x)`: at frozen weights it has the gradient of the likelihood;
- of M1 :math:`\tau^2 A/2 - \tau d_x`, with frozen weights;
- of M2 and M3 :math:`\tau^2 (A - B/2) - \tau d_x`, with frozen weights, and in M3 a frozen score
  :math:`s^q = s^p - E s^p`;
- of "marginal" the same with weights that depend on theta: the marginal Fisher divergence.

With frozen weights and scores the cotangents of g(z_i) are :math:`\tau^2 w_i` times

.. math:: M_1:\; e_i, \qquad M_2:\; 2 e_i - \bar e, \qquad
          M_3:\; \bar e + \tfrac1\tau s^q_i = \bar e + (e_i - \bar e) = e_i .

Frozen M3 thus has the gradient of M1, though its loss is that of M2: in the weights that of the likelihood
divided by gamma, in l twice that. The dependence of the weights adds, with :math:`a_i = -\tau |e_i|^2/2`,

.. math:: \frac{\partial L}{\partial a_i} = \tau^2 w_i (c_i - \bar c), \qquad
          c_i = |e_i|^2 - \bar e \cdot e_i .
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ....errors import ConfigError
from ....model.likelihood import LOG_2PI, precision
from ....model.vae import GaussianVAE
from ....objectives.gamma import GammaChoice, GammaRule
from ....objectives.objective import Outcome
from ....rng import Key
from ....types import Array, DType, Kernels

Name: TypeAlias = Literal["elbo", "m1", "m2", "m3", "marginal"]

#: Coefficients ``(each, mean)`` of the cotangent ``each e_i + mean e_bar`` at frozen weights and scores: in
#: M3, ``e_bar`` from the squared mean and ``e_i - e_bar`` from s^q add up to ``e_i``.
_COTANGENTS: dict[Name, tuple[float, float]] = {
    "elbo": (1.0, 0.0), "m1": (1.0, 0.0), "m2": (2.0, -1.0), "m3": (1.0, 0.0),
    "marginal": (2.0, -1.0),
}  # fmt: skip


@dataclass(frozen=True)
class Sums:
    """The sums of one model over nodes and data that make up losses and gradients, means over the data."""

    #: ``A``, ``B`` and the mean of ``-log p(x)`` without the constant of the likelihood.
    square: float
    mean_square: float
    nll: float
    #: Cotangent ``(M, D)`` of g without its power of tau, and the slope from the weights' dependence.
    cotangent: Array
    slope: float


@dataclass(frozen=True)
class ExactPosteriorLearning:
    """A learning objective of theta whose q is the exact posterior; phi is not used.

    Parameters
    ----------
    objective : str
        One of the rows of the module.
    points : int
        M, number of nodes.
    gamma : GammaRule
        Rule for gamma; "marginal" has no closed form.

    Raises
    ------
    ConfigError
        If a closed form of gamma is asked for where there is none.
    """

    objective: Name
    points: int
    gamma: GammaRule
    samples: int = 1

    def __post_init__(self) -> None:
        if self.gamma.closed_form and self.objective == "marginal":
            raise ConfigError(
                "The marginal Fisher divergence has no optimal gamma in closed form: use --gamma learn."
            )

    def fused_spec(self) -> None:
        """Return None: a fused step does not implement it."""
        return None

    def __call__(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        z = nodes(k, key, self.points, model.d_z, theta.dtype)
        g, cache = model.decode(k, theta, z)
        log_sd, choice = model.log_sd(theta), None
        data, means = k.to_host(x), k.to_host(g)
        sums = [
            weighted_sums(data[min(r, len(data) - 1), 0], means[r, 0], float(tau), self.objective)
            for r, tau in enumerate(precision(k.to_host(log_sd)))
        ]
        a, b = (np.array([getattr(each, name) for each in sums]) for name in ("square", "mean_square"))
        if self.gamma.closed_form:
            choice = self.gamma.choose(log_sd, *self._optimum(a, b, precision(log_sd), model.d_x))
            log_sd = choice.log_sd
        tau = precision(log_sd)
        power = tau if self.objective == "elbo" else tau**2
        gg = np.stack([each.cotangent for each in sums])[:, None] * power[:, None, None, None]
        g_theta = k.zeros(theta.shape, theta.dtype)
        model.decoder.vjp(
            k, model.decoder_part(theta), cache, k.asarray(gg.astype(theta.dtype)),
            model.decoder_part(g_theta), want_x=False,
        )  # fmt: skip
        if self.gamma.learns:
            own = self._slope(a, b, tau, model.d_x)
            model.log_sd(g_theta)[:] = own + tau**2 * np.array([each.slope for each in sums])
        nll = np.array([each.nll for each in sums])
        loss = self._loss(a, b, nll, tau, log_sd, model.d_x).astype(theta.dtype)
        return _outcome(loss, g_theta, choice)

    def _loss(self, a: Array, b: Array, nll: Array, tau: Array, log_sd: Array, d_x: int) -> Array:
        if self.objective == "elbo":
            return nll + d_x * (log_sd + 0.5 * LOG_2PI)
        square = 0.5 * a if self.objective == "m1" else a - 0.5 * b
        value: Array = tau**2 * square - tau * d_x
        return value

    def _slope(self, a: Array, b: Array, tau: Array, d_x: int) -> Array:
        """Compute ``dL/dl`` at frozen weights and scores."""
        if self.objective == "elbo":
            return d_x - tau * a
        each, mean = _COTANGENTS[self.objective]
        return -2 * tau * (tau * (each * a + mean * b) - d_x)

    def _optimum(self, a: Array, b: Array, tau: Array, d_x: int) -> tuple[Array, Array]:
        """Return ``(a, b)`` of the optimal gamma; that of M3 is ``B / (d_x - D)``, ``D = tau (A - B)``."""
        if self.objective == "m2":
            return 2 * a - b, np.full_like(a, d_x)
        if self.objective == "m3":
            return b, d_x - tau * (a - b)
        return a, np.full_like(a, d_x)


def _outcome(loss: Array, g_theta: Array, choice: GammaChoice | None) -> Outcome:
    return Outcome(loss, {"exact": loss}, g_theta=g_theta, gamma=choice)


@dataclass(frozen=True)
class NoInference:
    """An inference objective that leaves the encoder as it is: its gradient is zero."""

    samples: int = 1

    def fused_spec(self) -> None:
        """Return None: a fused step does not implement it."""
        return None

    def __call__(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        zero = k.zeros(theta.shape[:1], theta.dtype)
        return Outcome(zero, {"none": zero}, g_phi=k.zeros(phi.shape, phi.dtype))


def nodes(k: Kernels, key: Key, points: int, d_z: int, dtype: DType) -> Array:
    r"""Return the nodes ``(R, 1, M, Z)``: the quantiles of a lattice with a random shift for each model.

    The lattice is ``i (1, a, a^2, ...)/M`` modulo 1 with the integer a next to M divided by the golden ratio,
    a Fibonacci lattice if M is a Fibonacci number.
    """
    from scipy.special import ndtri

    generator = round(points * (np.sqrt(5) - 1) / 2)
    steps = np.array([pow(generator, power, points) for power in range(d_z)])
    lattice = np.outer(np.arange(points), steps) % points / points
    shift = k.to_host(key.uniform(k, (d_z,), np.float64))
    inside = np.clip((lattice + shift[:, None]) % 1, 1e-12, 1 - 1e-12)
    return k.asarray(ndtri(inside)[:, None].astype(dtype))


def weighted_sums(x: Array, g: Array, tau: float, objective: Name) -> Sums:
    """Compute the sums of one model for data ``x (N, D)`` and decoded nodes ``g (M, D)``.

    Every sum over pairs of a datum and a node is a product of matrices, ``(N, M)`` the largest.
    """
    n = len(x)
    centre = x.mean(0)
    x, g = x - centre, g - centre
    square = (x * x).sum(1)[:, None] + (g * g).sum(1) - 2 * (x @ g.T)
    w = -0.5 * tau * square
    top = w.max(1, keepdims=True)
    np.exp(w - top, out=w)
    total = w.sum(1, keepdims=True)
    nll = -(top[:, 0] + np.log(total[:, 0] / len(g))).mean()
    w /= total
    mean = w @ g - x
    a = np.einsum("nm,nm->n", w, square)
    b = (mean * mean).sum(1)
    each, mean_share = _COTANGENTS[objective]
    alpha, slope = each * w, 0.0
    if objective == "marginal":
        c = square - mean @ g.T + (mean * x).sum(1)[:, None]
        from_weights = w * (c - (a - b)[:, None])
        alpha -= tau * from_weights
        slope = tau * float(np.einsum("nm,nm->", from_weights, square)) / n
    cotangent = alpha.sum(0)[:, None] * g - alpha.T @ x
    if mean_share:
        cotangent += w.T @ (mean_share * mean)
    return Sums(float(a.mean()), float(b.mean()), float(nll), cotangent / n, slope)
