"""The protocol of an objective, and the record of losses and gradients that it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol, cast

from ..model.vae import GaussianVAE
from ..rng import Key
from ..types import Array, Kernels, Params
from ..types.step_spec import InferenceSpec, LearningSpec
from .gamma import GammaChoice, GammaRule


@dataclass(frozen=True)
class Outcome:
    """A loss, its terms and its gradients, for each of R models.

    Attributes
    ----------
    loss : Array
        ``(R,)``, nats, mean over the batch; the sum of the terms.
    terms : mapping of str to Array
        The terms by name, each ``(R,)``, nats.
    g_phi, g_theta : Array or None
        Gradients shaped like phi and theta; None where the objective does not train that network.
    gamma : GammaChoice or None
        The gamma at which the loss was evaluated, where a closed form chose it.
    statistics : pair of Params
        Mean and variance of the batch in every normalisation of the encoder and of the decoder, in the
        trees of their parameters; empty where there is none.
    updates_finite : Array or None
        ``(R,)`` flags: whether phi is finite after the bi-level updates; None where there are none.
    phi : Array or None
        The parameters from which the encoder goes on, where bi-level updates of it are kept.
    """

    loss: Array
    terms: Mapping[str, Array]
    g_phi: Array | None = None
    g_theta: Array | None = None
    gamma: GammaChoice | None = None
    statistics: tuple[Params, Params] = ({}, {})
    updates_finite: Array | None = None
    phi: Array | None = None

    def on_host(self, k: Kernels) -> Outcome:
        """Fetch every array from the device of ``k``."""
        return cast(Outcome, _fetched(k, self))


class Objective(Protocol):
    """A loss with hand-derived gradients, as a pure function: no argument is changed."""

    @property
    def samples(self) -> int:
        """S, posterior samples per datum."""

    def __call__(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        """Evaluate on a batch ``x (R|1, 1, N, D)`` with the posterior noise of ``key``."""

    def fused_spec(self) -> InferenceSpec | LearningSpec | None:
        """Return the record of the loss for a fused step, or None if fused steps do not implement it."""


class LearningObjective(Objective, Protocol):
    """An objective that trains theta and has a gradient in phi too, which bi-level updates need."""

    @property
    def gamma(self) -> GammaRule:
        """The rule that updates gamma."""

    def with_g_phi(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        """Evaluate with both gradients; the one in phi has z reparametrised."""


class Differentiable(Objective, Protocol):
    """An objective that trains phi by a gradient which can be differentiated along a direction."""

    def gradient_along(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key, dphi: Array,
        want_phi: bool = True,
    ) -> tuple[Array | None, Array]:  # fmt: skip
        """Compute the derivatives of the gradients in phi (None if not wanted) and in theta along ``dphi``.

        By the symmetry of second derivatives the latter is the gradient in theta of ``<g_phi, dphi>``.
        """


def _fetched(k: Kernels, value: Any) -> Any:
    """Convert the arrays inside records, mappings and tuples to NumPy arrays."""
    if value is None:
        return None
    if is_dataclass(value) and not isinstance(value, type):
        inside = {each.name: _fetched(k, getattr(value, each.name)) for each in fields(value)}
        return replace(value, **inside)
    if isinstance(value, Mapping):
        return {name: _fetched(k, each) for name, each in value.items()}
    return tuple(_fetched(k, each) for each in value) if isinstance(value, tuple) else k.to_host(value)
