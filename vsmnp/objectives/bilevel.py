r"""Bi-level learning: the gradient in theta through K updates of phi that depend on theta.

.. math:: \phi_{k+1} = \phi_k - \eta\, \nabla_\phi L_\mathrm{in}(\phi_k, \theta), \qquad
          \nabla_\theta\, M(\phi_K(\theta), \theta).

With :math:`\lambda = \nabla_\phi M(\phi_K, \theta)` and :math:`G = \nabla_\theta M(\phi_K, \theta)`, the
updates are taken backwards: :math:`(h, m)` is the derivative of
:math:`(\nabla_\phi, \nabla_\theta) L_\mathrm{in}(\phi_k, \theta)` along :math:`(\lambda, 0)`, and
:math:`G \mathrel{-}= \eta m`, :math:`\lambda \mathrel{-}= \eta h` (Appendix B.1; Bao et al. 2020).
Only the vectors :math:`\phi_0, \dots, \phi_K` are kept: the noise of an update is a function of its key, and
its activations are computed again on the way back.

With coupled batch norm the statistics of the batch are differentiated like everything else, and frozen ones
are constants: both are exact. Constants of the gradient are also the samples and the weight of a Fisher
update, and a gamma in closed form.

References
----------
Bao et al., "Bi-level score matching for learning energy-based latent variable models", NeurIPS 2020.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..model.vae import GaussianVAE
from ..rng import Key, Stream
from ..types import Array, Kernels
from ..types.step_spec import BilevelSpec, InferenceSpec, LearningSpec
from .objective import Differentiable, LearningObjective, Outcome


@dataclass(frozen=True)
class Bilevel:
    """A learning objective at ``phi_K(theta)``, with its whole gradient in theta, the hypergradient.

    The updates of phi belong to the gradient alone: the caller's phi is not changed, and phi_K is discarded
    unless ``keeps_phi``.

    Parameters
    ----------
    inner : Differentiable
        The inference objective of the K updates.
    outer : LearningObjective
        The learning objective that is evaluated at phi_K.
    steps : int
        K, number of updates.
    lr : Array
        Step sizes of the updates, ``(R,)``.
    keeps_dependence : bool
        Whether the updates depend on theta in the gradient. Without, G is the gradient at a constant phi_K.
    keeps_phi : bool
        Whether the encoder goes on from phi_K, as in the paper's toy script.
    """

    inner: Differentiable
    outer: LearningObjective
    steps: int
    lr: Array
    keeps_dependence: bool = True
    keeps_phi: bool = False

    @property
    def samples(self) -> int:
        """S, posterior samples per datum of the learning objective."""
        return self.outer.samples

    def fused_spec(self) -> LearningSpec | None:
        """Return the record of the learning objective; that of the updates is :meth:`fused_updates`."""
        spec = self.outer.fused_spec()
        return spec if isinstance(spec, LearningSpec) else None

    def fused_updates(self) -> BilevelSpec | None:
        """Return the record of the updates for a fused step, or None if fused steps do not have them."""
        inner = self.inner.fused_spec()
        if not isinstance(inner, InferenceSpec):
            return None
        return BilevelSpec(self.steps, inner, self.keeps_dependence, self.keeps_phi)

    def __call__(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        noise = [key.on(Stream.BILEVEL, key.step * self.steps + each) for each in range(self.steps)]
        lr, phis, statistics = self.lr[:, None], [phi], None
        for each in noise:
            inferred = self.inner(k, model, phis[-1], theta, x, each)
            assert inferred.g_phi is not None
            (g_phi,) = k.mean_over_parts(inferred.g_phi)
            phis.append(phis[-1] - lr * g_phi)
            statistics = statistics or inferred.statistics
        assert statistics is not None
        evaluate = self.outer.with_g_phi if self.keeps_dependence else self.outer
        updated = phis.pop()
        finite, learned = k.finite(updated), evaluate(k, model, updated, theta, x, key)
        # the encoder's running statistics are those of the caller's phi
        statistics = statistics[0], learned.statistics[1]
        kept = updated if self.keeps_phi else None
        learned = replace(learned, statistics=statistics, updates_finite=finite, phi=kept)
        if not self.keeps_dependence:
            return learned

        g_theta, adjoint = learned.g_theta, learned.g_phi
        assert g_theta is not None
        assert adjoint is not None
        (adjoint,) = k.mean_over_parts(adjoint)
        for each in reversed(noise):
            at, want_phi = phis.pop(), bool(phis)  # nothing follows the first update
            h, m = self.inner.gradient_along(k, model, at, theta, x, each, adjoint, want_phi)
            if not self.outer.gamma.learns:
                model.log_sd(m)[:] = 0
            g_theta = g_theta - lr * m
            if h is not None:
                (h,) = k.mean_over_parts(h)
                adjoint = adjoint - lr * h
        return replace(learned, g_phi=None, g_theta=g_theta)
