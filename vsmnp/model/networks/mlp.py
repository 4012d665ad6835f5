"""The multi-layer perceptron, and activations by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ...errors import ConfigError, member_of
from ...layers.activations import ACTIVATIONS, Sigmoid
from ...layers.compose import Chain
from ...layers.dense import Dense
from ...types import Layer


def activation_named(name: str) -> Layer:
    """Return the activation layer of a name; raises a ConfigError if there is none."""
    return member_of(ACTIVATIONS, "activation", name)


def mlp(widths: Sequence[int], activation: str = "relu", sigmoid_output: bool = False) -> Chain:
    """Build a multi-layer perceptron with an activation between its dense layers.

    Parameters
    ----------
    widths : sequence of int
        Input, hidden and output widths, at least two numbers.
    activation : str
        Between the dense layers, a name in :data:`~vsmnp.layers.activations.ACTIVATIONS`.
    sigmoid_output : bool
        Whether a sigmoid follows the last layer.

    Raises
    ------
    ConfigError
        If the activation is unknown or a width is not positive.
    """
    between = activation_named(activation)
    if len(widths) < 2 or min(widths) < 1:
        raise ConfigError(f"The widths of a network must be positive, got {tuple(widths)}.")
    layers: list[Layer] = []
    for n_in, n_out in pairwise(widths):
        layers += [Dense(n_in, n_out), between]
    layers[-1:] = [Sigmoid()] if sigmoid_output else []
    return Chain(tuple(layers))


def perceptrons(
    d_x: int, features: int, latent: int, hidden: Sequence[int], activation: str = "relu",
    sigmoid_output: bool = False,
) -> tuple[Chain, Chain]:  # fmt: skip
    """Build the encoder from data to ``features``, and the decoder, which mirrors its hidden widths."""
    decoder = mlp((latent, *reversed(hidden), d_x), activation, sigmoid_output)
    return mlp((d_x, *hidden, features), activation), decoder
