"""Activations as layers, and the table of the activations that a network may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..types import ActivationName
from .families import Elementwise


@dataclass(frozen=True)
class Relu(Elementwise):
    """``max(x, 0)``; pathwise second derivatives omit its kink."""

    f: ClassVar[ActivationName] = "relu"
    has_kink: ClassVar[bool] = True


@dataclass(frozen=True)
class Elu(Elementwise):
    """``x`` if positive, else ``e^x - 1`` (alpha = 1, so that the slope is continuous)."""

    f: ClassVar[ActivationName] = "elu"


@dataclass(frozen=True)
class Softplus(Elementwise):
    """The softplus activation, ``log(1 + e^x)``."""

    f: ClassVar[ActivationName] = "softplus"


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """The logistic sigmoid, ``1 / (1 + e^-x)``."""

    f: ClassVar[ActivationName] = "sigmoid"


@dataclass(frozen=True)
class Tanh(Elementwise):
    """The hyperbolic tangent, ``tanh x``."""

    f: ClassVar[ActivationName] = "tanh"


#: The activations that a network may use, by name.
ACTIVATIONS: dict[str, Elementwise] = {
    layer.f: layer for layer in (Relu(), Elu(), Softplus(), Sigmoid(), Tanh())
}
