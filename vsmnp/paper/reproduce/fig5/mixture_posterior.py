r"""Evaluate a mixture of diagonal Gaussians: density, score, gradient of the Fisher divergence.

With weights :math:`w = \mathrm{softmax}(a)`, :math:`e_k = (z - m_k) / s_k` and :math:`s_k = e^{l_k}`,

.. math::
    \log q(z) = \log \sum_k e^{\ell_k}, \qquad
    \ell_k = \log w_k - \sum_j \left( \tfrac{1}{2} e_{kj}^2 + l_{kj} + \tfrac{1}{2} \log 2 \pi \right) .

The responsibilities are :math:`r_k = e^{\ell_k} / q(z)`, and the score is the mean of the components'
scores under them, :math:`\nabla_z \log q = -\sum_k r_k e_k / s_k`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....model.likelihood import LOG_2PI
from ....rng import Key
from ....types import Array, Kernels, Params, Shapes


@dataclass(frozen=True)
class Located:
    """Points ``z (R, S, Z)`` relative to the K components, with the densities and scores that follow."""

    #: ``(z - m) / s``, ``(R, S, K, Z)``.
    e: Array
    #: Standard deviations, ``(R, 1, K, Z)``.
    s: Array
    #: ``log w_k + log N_k(z)`` in nats, ``(R, S, K)``.
    log_joint: Array

    @cached_property
    def log_prob(self) -> Array:
        """The log-density ``log q(z)`` in nats, ``(R, S)``."""
        top = self.log_joint.max(-1)
        return np.asarray(top + np.log(np.exp(self.log_joint - top[..., None]).sum(-1)))

    @cached_property
    def responsibilities(self) -> Array:
        """The responsibilities ``r_k = p(k | z)``, ``(R, S, K)``."""
        return np.asarray(np.exp(self.log_joint - self.log_prob[..., None]))

    @cached_property
    def score(self) -> Array:
        """The score ``grad_z log q(z) = -sum_k r_k e_k / s_k``, ``(R, S, Z)``."""
        return np.asarray(-np.einsum("rsk,rskz->rsz", self.responsibilities, self.e / self.s))

    def score_vjp(self, gscore: Array, gp: Params) -> None:
        r"""Accumulate into ``gp`` the gradient of ``sum_S <score(z), gscore>``, z and ``gscore`` held fixed.

        With :math:`v` for ``gscore``, :math:`t_k = -v \cdot e_k / s_k` and
        :math:`c_k = r_k (t_k - \sum_j r_j t_j)`, the change of the responsibilities,

        .. math::
            \partial \langle \mathrm{score}, v \rangle = \sum_k c_k \, \partial \ell_k + r_k \, \partial t_k,

            \partial_{a_k} = c_k, \qquad
            \partial_{m_k} = c_k \frac{e_k}{s_k} + r_k \frac{v}{s_k^2}, \qquad
            \partial_{l_k} = c_k (e_k^2 - 1) + 2 r_k \frac{e_k v}{s_k} .

        The weights' normalisation drops out because :math:`\sum_k c_k = 0`. With
        :math:`v = \nabla_z \log q - \nabla_z \log p` divided by S, this is the gradient of
        :math:`\frac{1}{2} E_q |\nabla_z \log q - \nabla_z \log p|^2` without reparametrisation (A.5.2).

        Parameters
        ----------
        gscore : Array
            Cotangent of the score, ``(R, S, Z)``.
        gp : Params
            Gradients ``logits (R, K)``, ``means (R, K, Z)``, ``log_sds (R, K, Z)`` to add to.
        """
        r = self.responsibilities
        pull = gscore[:, :, None] / self.s  # (R, S, K, Z)
        t = -np.einsum("rskz,rskz->rsk", pull, self.e)
        c = r * (t - (r * t).sum(-1, keepdims=True))
        gp["logits"][...] += c.sum(1)
        gp["means"][...] += ((c[..., None] * self.e + r[..., None] * pull) / self.s).sum(1)
        gp["log_sds"][...] += (c[..., None] * (self.e**2 - 1) + 2 * r[..., None] * self.e * pull).sum(1)


@dataclass(frozen=True)
class GaussianMixture:
    """The mixture ``q(z) = sum_k w_k N(z; m_k, diag s_k^2)``, ``w = softmax(logits)``, ``s = exp(log_sds)``.

    Its parameters are a tree of arrays whose first axis is that of the models: ``logits (R, K)``,
    ``means (R, K, Z)`` and ``log_sds (R, K, Z)``.
    """

    #: Number of components K.
    n_components: int
    #: Latent dimension Z.
    d_z: int

    @property
    def shapes(self) -> Shapes:
        """The tree of parameter shapes, for a :class:`~vsmnp.model.layout.Layout`."""
        each = (self.n_components, self.d_z)
        return {"logits": (self.n_components,), "means": each, "log_sds": each}

    def weights(self, p: Params) -> Array:
        """Compute the mixing proportions ``w (R, K)``."""
        return np.exp(_log_softmax(p["logits"]))

    def at(self, p: Params, z: Array) -> Located:
        """Evaluate the components at ``z (R|1, S, Z)``, for density, score and the score's gradient."""
        log_sds = p["log_sds"][:, None]
        s = np.exp(log_sds)
        e = (z[:, :, None] - p["means"][:, None]) / s
        log_normal = -(0.5 * e * e + log_sds).sum(-1) - 0.5 * self.d_z * LOG_2PI
        return Located(e, s, _log_softmax(p["logits"])[:, None] + log_normal)

    def sample(self, k: Kernels, p: Params, key: Key, samples: int) -> Array:
        """Draw ``z (R, S, Z)``: choose a component by a uniform, then a point of it by normals.

        Both use one stream of the key: the normals take its first words, the uniforms the next ones.
        """
        dtype = p["means"].dtype
        words = samples * self.d_z
        eps = key.normal(k, (samples, self.d_z), dtype)
        u = key.uniform(k, (samples,), dtype, first=words + words % 2)  # normals are drawn in pairs
        below = np.cumsum(self.weights(p), axis=-1)[
            :, None, :-1
        ]  # the last is left out: it may round to less than 1
        component = (u[..., None] >= below).sum(-1)[..., None]  # (R, S, 1)
        mean, log_sd = (np.take_along_axis(p[name], component, axis=1) for name in ("means", "log_sds"))
        return np.asarray(mean + np.exp(log_sd) * eps)


def _log_softmax(a: Array) -> Array:
    shifted = a - a.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))
