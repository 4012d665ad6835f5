"""Activations as layers, and the table of those that a network may be built with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..types import ActivationName, Layer
from .families import Elementwise


@dataclass(frozen=True)
class Relu(Elementwise):
    """``max(x, 0)``. Its kink is invisible to pathwise second derivatives."""

    f: ClassVar[ActivationName] = "relu"


@dataclass(frozen=True)
class Elu(Elementwise):
    """``x`` if positive, else ``e^x - 1`` (alpha = 1, so that the slope is continuous)."""

    f: ClassVar[ActivationName] = "elu"


@dataclass(frozen=True)
class Softplus(Elementwise):
    """``log(1 + e^x)``."""

    f: ClassVar[ActivationName] = "softplus"


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """``1 / (1 + e^-x)``."""

    f: ClassVar[ActivationName] = "sigmoid"


@dataclass(frozen=True)
class Tanh(Elementwise):
    """``tanh x``."""

    f: ClassVar[ActivationName] = "tanh"


#: The activations that a network may be built with, by name.
ACTIVATIONS: dict[str, Layer] = {layer.f: layer for layer in (Relu(), Elu(), Softplus(), Sigmoid(), Tanh())}
