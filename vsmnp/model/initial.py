"""Initial parameters: a pure function of each model's seed, the same on every kernel set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import member_of
from ..kernels import load
from ..rng import Key, Stream
from ..settings.choices import INITIAL
from ..types import Array, DType
from .layout import Layout, Slot
from .vae import GaussianVAE


def _fan_in(layout: Layout, slot: Slot) -> int:
    """Count the inputs of one output of the slot's layer; a bias takes the fan-in of its weight."""
    weight = slot.name.rsplit(".", 1)[0] + ".w"
    shape = next((s.shape for s in layout.slots if s.name == weight), slot.shape)
    return int(np.prod(shape[1:], dtype=np.int64))


def uniform(layout: Layout, key: Key, is_decoder: bool) -> Array:
    """Draw every weight and bias uniformly in +-1/sqrt(fan in)."""
    draws = 2 * key.uniform(load("reference"), (layout.size,), np.float64) - 1
    return draws * _spread(layout, lambda slot: _fan_in(layout, slot) ** -0.5)


def normal(layout: Layout, key: Key, is_decoder: bool) -> Array:
    """Draw as the paper's code does: weights and decoder biases N(0, .1^2), encoder biases 0."""
    draws = key.normal(load("reference"), (layout.size,), np.float64)
    return draws * _spread(layout, lambda slot: 0.1 if is_decoder or slot.name.endswith(".w") else 0.0)


def images(layout: Layout, key: Key, is_decoder: bool) -> Array:
    """Draw as the paper's code for images does: decoder weights N(0, .01^2), the encoder uniform."""
    if not is_decoder:
        return uniform(layout, key, is_decoder)
    draws = key.normal(load("reference"), (layout.size,), np.float64)
    return draws * _spread(layout, lambda slot: 0.01 if slot.name.endswith(".w") else 0.0)


def _spread(layout: Layout, of: Callable[[Slot], float]) -> Array:
    """Return one factor for each weight and bias in the flat vector; all other factors are 0."""
    spread = np.zeros(layout.size)
    for slot in layout.slots:
        if slot.name.rsplit(".", 1)[-1] in ("w", "b"):
            spread[slot.start : slot.stop] = of(slot)
    return spread


#: Slots of a normalisation that are initialised with 1, so that it is the identity at first.
_ONE = ("scale", "variance")


def initial_parameters(
    model: GaussianVAE, seeds: tuple[int, ...], rule: str, sd: float | Sequence[float], dtype: DType
) -> tuple[Array, Array]:
    """Draw the initial ``phi (R, P_e)`` and ``theta (R, P_d)`` as NumPy arrays.

    Parameters
    ----------
    seeds : tuple of int
        One seed per model; member r of an ensemble has the initial values of a single run with its seed.
    rule : str
        Distribution of weights and biases, a name in :data:`vsmnp.settings.choices.INITIAL`.
    sd : float or sequence of float
        Initial ``sqrt(gamma)``, of all models or of each.

    Raises
    ------
    ConfigError
        If there is no distribution of that name.
    """
    draw = member_of(INITIAL, "distribution of initial parameters", rule).load()
    key = Key(seeds, Stream.PARAMETERS)
    phi = draw(model.phi_layout, key, False)
    theta = draw(model.theta_layout, key.on(Stream.PARAMETERS, 1), True)
    for layout, vector in ((model.phi_layout, phi), (model.theta_layout, theta)):
        for name, values in layout.named(vector):
            if name.endswith(_ONE):
                values[...] = 1
    model.log_sd(theta)[:] = np.log(sd)
    return phi.astype(dtype), theta.astype(dtype)
